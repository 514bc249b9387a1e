"""Audit: the whole log read again, held against its rules, its records, and what others were shown.

Numbers as in docs/spec/registry.md, section 7.

1.  ``log``: all entries give the root of the signed checkpoint.
2.  ``rules``: every entry was allowed when it was taken in.
3.  ``records``: TUF lists the very records that follow from the log, for every namespace, name and bundle.
4.  ``standings``: what the registry says of each bundle is what the log says.
5.  ``views``: another source of the same log shows a prefix or a continuation of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fabric.core.errors import VerificationError
from fabric.trust.checkpoint import Checkpoint
from registry.book.book import Book
from registry.book.entry import Leaf, decode_leaf
from registry.book.replay import replay
from registry.client.reader import Reader, at
from registry.log.tree import SPLIT, Tiles, check_extends, read_entries, root_of
from registry.records import records

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Audited:
    """What an audit found in order.

    Attributes:
        checkpoint: of the log.
        book: what it says.
        leaves: all of it.
    """

    checkpoint: Checkpoint
    book: Book
    leaves: tuple[bytes, ...]


def audit(reader: Reader, tell: Tell) -> Audited:
    """Audits a registry, steps 1 to 4; the reader is refreshed first.

    Args:
        reader: reads the registry.
        tell: takes a line for each step that holds.

    Raises:
        VerificationError: names the step that does not hold, and the place.
        StoreError: the registry does not answer.
    """
    reader.refresh()
    checkpoint = reader.checkpoint
    leaves, parsed = _read_log(reader, checkpoint)
    tell(f"log: {checkpoint.size} entries give the root that is signed")
    with at("rules"):
        book = replay(checkpoint.origin, parsed)
    tell(f"rules: every entry was allowed; {len(book.holdings)} namespaces, {len(book.listings)} bundles")
    _check_records(reader, book, leaves)
    tell("records: TUF lists what follows from the log")
    _check_standings(reader, book)
    tell("standings: the registry says of each bundle what the log says")
    return Audited(checkpoint, book, tuple(leaves))


def _read_log(reader: Reader, checkpoint: Checkpoint) -> tuple[list[bytes], list[Leaf]]:
    with at("log"):
        leaves = read_entries(reader.read_log, 0, checkpoint.size)
        if root_of(leaves) != checkpoint.root:
            raise VerificationError("log", "the entries do not give the root that is signed: they were changed")
        return leaves, [decode_leaf(leaf) for leaf in leaves]


def _check_records(reader: Reader, book: Book, leaves: list[bytes]) -> None:
    for path, expected in sorted(records(book, leaves).items()):
        with at("records"):
            if reader.target(path) != expected:
                raise VerificationError("records", f"{path} is not what follows from the log of {book.size} entries")


def _check_standings(reader: Reader, book: Book) -> None:
    found = reader.standings(tuple(book.listings))
    for measurement, item in book.listings.items():
        standing, turn = found.get(measurement), item.now
        if standing is None or (standing.state, standing.position) != (turn.state, turn.position):
            said = "nothing" if standing is None else f"{standing.state} by entry {standing.position}"
            raise VerificationError("standings", f"{item.ref}: {said}; the log says {turn.state} by {turn.position}")


def compare_views(one: Reader, other: Reader) -> str:
    """Step 5: holds two sources of one log against each other; both are refreshed. Returns what was found.

    Raises:
        VerificationError: step ``views``: they show two histories; both checkpoints are in the text.
    """
    small, large = sorted((one, other), key=lambda reader: reader.checkpoint.size)
    old, new = small.checkpoint, large.checkpoint
    if old.origin != new.origin:
        raise VerificationError("views", f"two logs, not one: {old.origin!r} and {new.origin!r}")
    try:
        check_extends(Tiles(large.read_log, new.size), old, new)
    except VerificationError as error:
        if error.step != SPLIT:
            raise VerificationError("views", f"{large.pins.origin}: {error.reason}") from error
        shown = " and ".join(f"{item.size} entries, root {item.root.hex()}" for item in (old, new))
        raise VerificationError(
            "views", f"split view of {new.origin}: {shown}: {error.reason}. Keep both, tell its operator, trust neither"
        ) from error
    return f"views: {old.size} entries here are the first of {new.size} there"
