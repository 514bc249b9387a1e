"""Records: the target files that TUF lists, made of the log's leaves (docs/spec/registry.md, section 5).

* ``bundles/<measurement>.json``: the leaves about a bundle.
* ``namespaces/<namespace>.json``: the leaves that say who owns it.
* ``names/<namespace>/<name>.json``: measurement by version, an index that the two above confirm.

A reader replays the leaves by the rules of the log. TUF shows that they are all there are by now, the log that they are
what everybody sees.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, Refused
from fabric.core.ids import Measurement, parse_word
from fabric.trust.fields import read_choice, read_integer, read_list, read_object
from fabric.trust.standing import State
from registry.book.bodies import Change, Compromise, Owners, Rebuild, Release
from registry.book.book import Book, Listing
from registry.book.entry import Entry, Leaf, decode_leaf
from registry.book.words import rank

FORMAT: Final = "cryptlet-fabric/registry-record/v1"
MAX_RECORD_BYTES: Final = 4 << 20
_MAX_LEAVES: Final = 1024
MAX_VERSIONS: Final = 10_000
_LAST: Final = 2**53 - 1

_URGENT: Final = (State.QUARANTINED, State.REVOKED)


@dataclass(frozen=True)
class Placed:
    """A leaf and its place in the log."""

    position: int
    leaf: Leaf


def bundle_path(measurement: Measurement) -> str:
    """Returns the path of a bundle's record."""
    return f"bundles/{measurement.hex()}.json"


def namespace_path(namespace: str) -> str:
    """Returns the path of a namespace's record."""
    return f"namespaces/{namespace}.json"


def names_path(namespace: str, name: str) -> str:
    """Returns the path of the index of a cryptlet's versions."""
    return f"names/{namespace}/{name}.json"


def wheel_path(sha256: bytes) -> str:
    """Returns the path of a wheel file, which is no TUF target: its release says its digest and its size."""
    return f"wheels/{sha256.hex()}.whl"


def standings_path(measurement: Measurement) -> str:
    """Returns the path of the file with the standings of a 256th of all bundles."""
    return f"standings/{measurement.hex()[:2]}.json"


def records(book: Book, leaves: Sequence[bytes], touched: Iterable[Leaf] | None = None) -> dict[str, bytes]:
    """Returns the records of a book by their paths: all, or those that some leaves touch."""
    if touched is None:
        bundles, namespaces = set(book.listings), set(book.holdings)
    else:
        touched = list(touched)
        namespaces = {leaf.entry.namespace for leaf in touched}
        bundles = {item for leaf in touched for item in _bundles(book, leaf)}
    made = {namespace_path(name): _encode(leaves, book.holdings[name].history) for name in namespaces}
    for measurement in bundles:
        item = book.listings[measurement]
        made[bundle_path(measurement)] = _encode(leaves, _positions(item))
        name = item.publication.name
        made[names_path(item.namespace, name)] = _index(book.holdings[item.namespace].names[name])
    return made


def check_room(book: Book, leaves: Sequence[bytes], entry: Entry) -> None:
    """Refuses an entry that would fill more than half of a record, or an index, beyond which readers take none.

    One owner's record that no reader takes would end every mirror and every audit. The other half is for what must
    never be refused: what ends a key or a bundle.

    Raises:
        Refused: the record is half full.
    """
    body = entry.body
    if isinstance(body, Release):
        versions = book.holding(entry.namespace).names.get(body.publication.name, {})
        if len(versions) >= MAX_VERSIONS:
            raise Refused(f"{entry.namespace}/{body.publication.name} has {MAX_VERSIONS} versions: take another name")
        return
    positions = _grown(book, entry)
    if len(positions) * 2 >= _MAX_LEAVES or sum(len(leaves[at]) for at in positions) * 2 >= MAX_RECORD_BYTES:
        raise Refused(
            f"{entry.kind} in namespace {entry.namespace!r}: its record has {len(positions)} entries, which is half of"
            " what readers take; the rest is for what ends keys and bundles"
        )


def _grown(book: Book, entry: Entry) -> list[int]:
    """Returns the places of the leaves that lie where an entry's own would, of those that can wait."""
    body = entry.body
    if isinstance(body, Owners):
        return book.holding(entry.namespace).history
    found = _bundle_of(entry)
    is_urgent = isinstance(body, Change) and body.state in _URGENT
    return [] if found is None or is_urgent else _positions(book.listing(found))


def _positions(item: Listing) -> list[int]:
    return sorted({turn.position for turn in item.turns} | {vouch.position for vouch in item.rebuilds.values()})


def _bundle_of(entry: Entry) -> Measurement | None:
    """Returns the bundle that an entry is about, if it is about one."""
    body = entry.body
    if isinstance(body, Release):
        return body.publication.measurement
    return body.measurement if isinstance(body, Change | Rebuild) else None


def _bundles(book: Book, leaf: Leaf) -> set[Measurement]:
    """Returns the bundles whose records a leaf changes."""
    found = _bundle_of(leaf.entry)
    if found is not None:
        return {found}
    if not isinstance(leaf.entry.body, Compromise):
        return set()
    names = book.holdings[leaf.entry.namespace].names
    return {measurement for versions in names.values() for measurement in versions.values()}


def _encode(leaves: Sequence[bytes], positions: Iterable[int]) -> bytes:
    placed: list[JsonValue] = [
        {"leaf": canonical.decode(leaves[position]), "position": position} for position in positions
    ]
    return canonical.encode({"format": FORMAT, "leaves": placed})


def _index(versions: dict[str, Measurement]) -> bytes:
    ordered: JsonObject = {key: versions[key].hex() for key in sorted(versions, key=rank)}
    return canonical.encode({"format": FORMAT, "versions": ordered})


def decode_record(data: bytes) -> tuple[Placed, ...]:
    """Reads a record of leaves; raises ``Malformed``. Whether they are in the log is not checked."""
    fields = read_object(canonical.decode(data, max_bytes=MAX_RECORD_BYTES), frozenset(("format", "leaves")), "record")
    read_choice(fields["format"], (FORMAT,), "record.format")
    return read_list(fields["leaves"], _read_placed, "record.leaves", _MAX_LEAVES)


def decode_index(data: bytes) -> dict[str, Measurement]:
    """Reads an index of versions; raises ``Malformed``."""
    fields = read_object(canonical.decode(data, max_bytes=MAX_RECORD_BYTES), frozenset(("format", "versions")), "index")
    read_choice(fields["format"], (FORMAT,), "index.format")
    versions = fields["versions"]
    if not isinstance(versions, dict):
        raise Malformed("index.versions", "expected an object")
    for version in versions:
        rank(version)
    return {version: Measurement(parse_word(value, "index.versions")) for version, value in versions.items()}


def _read_placed(value: JsonValue) -> Placed:
    fields = read_object(value, frozenset(("leaf", "position")), "record.leaves")
    position = read_integer(fields["position"], "record.position", 0, _LAST)
    return Placed(position, decode_leaf(canonical.encode(fields["leaf"])))
