"""Writes tests/vectors/registry.json: a log with an entry of every kind, what follows from it, and what is refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tuf.api.metadata import SuccinctRoles

from fabric.core import canonical
from fabric.core.errors import FabricError
from fabric.core.ids import sha256
from fabric.trust.checkpoint import Checkpoint, sign_note
from fabric.trust.merkle import leaf_hash
from registry.book.accounts import AccountLink
from registry.book.bodies import Body, Claim, Compromise, Link, Rebuild, Release, Service
from registry.book.book import Book
from registry.book.entry import ROOT, Entry, Leaf
from registry.book.rules import check
from registry.log.paths import CHECKPOINT
from registry.log.tree import root_of
from registry.log.writer import LogWriter
from registry.records import records
from registry.tuf.pins import BIN_BITS, BIN_PREFIX
from tests.support.account_links import EVM, HYPERLEDGER, linked
from tests.support.books import AUTHORITIES, GREETER, change, entry, log
from tests.support.memory_shelf import Memory
from tests.support.registries import ALICE, BOB, MALLORY, ORIGIN, Person, owners, release
from tests.vectors.gen_data_service import DOCUMENT
from tests.vectors.gen_links import links

FORMAT: Final = "cryptlet-fabric/registry-vectors/v1"
LOG: Final = Person("log")
ONE, TWO, _ = AUTHORITIES
FIRST, SECOND = (release(GREETER[version], ALICE).publication.measurement for version in ("1.0.0", "1.1.0"))
LONG: Final = (1, 255, 256, 257, 513)
_BINS: Final = SuccinctRoles([], 1, BIN_BITS, BIN_PREFIX)
PEOPLE: Final = (ALICE, BOB, MALLORY, LOG, *AUTHORITIES)


def document() -> str:
    """Returns the text of the file."""
    book, leaves = _log()
    encoded = [leaf.encoded for leaf in leaves]
    checkpoint = Checkpoint(ORIGIN, len(encoded), root_of(encoded))
    made = records(book, encoded)
    value = {
        "format": FORMAT,
        "keys": {person.name: person.key.public.hex() for person in PEOPLE},
        "leaves": [{"leaf": leaf.decode(), "hash": leaf_hash(leaf).hex()} for leaf in encoded],
        "checkpoint": sign_note(checkpoint, LOG.key.public, LOG.key.sign(checkpoint.body)),
        "tiles": {path: data.hex() for path, data in _tiles(encoded).items()},
        "long_logs": [_long(size) for size in LONG],
        "records": {path: data.decode() for path, data in sorted(made.items())},
        "bins": {path: _BINS.get_role_for_target(path) for path in sorted(made)},
        "states": {name.hex(): [turn.state.value for turn in item.turns] for name, item in book.listings.items()},
        "owners": {name: item.owners.to_json() for name, item in sorted(book.holdings.items())},
        "links": links(),
        "refused": [*_strays(book), *(_refused(book, *case) for case in _REFUSED)],
    }
    return json.dumps(value, indent=1, ensure_ascii=True) + "\n"


def _log() -> tuple[Book, list[Leaf]]:
    """Returns a log whose clock ticks once an entry, from 1."""
    book, leaves = Book(ORIGIN), []

    def take(namespace: str, body: Body, *people: Person) -> None:
        leaves.append(log(book, namespace, body, *people))

    first = release(GREETER["1.0.0"], ALICE)
    take(ROOT, Claim(owners(*AUTHORITIES, threshold=2)), *AUTHORITIES)
    take("acme", Claim(owners(ALICE)), ALICE, ONE, TWO)
    take("bobs", Claim(owners(BOB)), BOB, ONE, TWO)
    take("acme", owners(ALICE, BOB), ALICE)
    take("acme", first, ALICE)
    take("acme", release(GREETER["1.1.0"], BOB, staged=True), ALICE, BOB)
    take("acme", change(first.publication.measurement, "deprecated"), BOB)
    take("bobs", Rebuild(first.publication.measurement), BOB)
    take("acme", Link(_native_link().to_json()), ALICE)
    take("acme", Service("ecb-rates", "1.0.0", canonical.decode_object(DOCUMENT)), ALICE)
    for account in (EVM, HYPERLEDGER):
        take("acme", Link(linked(account).to_json()), ALICE)
    take("acme", Compromise(BOB.key.public, 6), ALICE)
    take("ended", Claim(owners(MALLORY)), MALLORY, ONE, TWO)
    take("ended", owners(threshold=0), MALLORY)
    return book, leaves


def _tiles(leaves: Sequence[bytes]) -> dict[str, bytes]:
    shelf = Memory(Path("/nowhere"))
    writer = LogWriter(shelf, ORIGIN, LOG.key.public, LOG.key.sign)
    writer.extend(leaves)
    writer.emit(0)
    return {path: data for path, data in sorted(shelf.files.items()) if path != CHECKPOINT}


def _long(size: int) -> dict[str, Any]:
    """Returns what follows of a log whose leaves are the numbers from 0 in decimal digits; its tiles by SHA-256."""
    leaves = [b"%d" % number for number in range(size)]
    tiles = {path: sha256(data).hex() for path, data in _tiles(leaves).items()}
    return {"size": size, "root": root_of(leaves).hex(), "tiles": tiles}


def _native_link() -> AccountLink:
    link = AccountLink(f"cryptlet:{'ab' * 16}:{MALLORY.key.public.hex()}", ALICE.key.public)
    return replace(link, signature=MALLORY.key.sign(link.message(ORIGIN, "acme")))


def _stranger() -> Release:
    return release(GREETER["2.0.0"], MALLORY)


_REFUSED: Final[tuple[tuple[int, str, Body, Sequence[Person]], ...]] = (
    (2, "acme", release(GREETER["2.0.0"], ALICE), (ALICE, MALLORY)),
    (2, "acme", release(GREETER["2.0.0"], ALICE), (BOB,)),
    (2, "acme", release(GREETER["2.0.0"], ALICE), ()),
    (3, "acme", Claim(owners(MALLORY)), (MALLORY, ONE, TWO)),
    (3, "newcomer", Claim(owners(MALLORY)), (MALLORY, ONE)),
    (4, "acme", owners(ALICE, BOB), (ALICE, BOB)),
    (4, "acme", owners(ALICE, MALLORY, threshold=2), (ALICE,)),
    (4, ROOT, owners(threshold=0), (ONE, TWO)),
    (4, "acme", owners(ALICE, MALLORY), (MALLORY,)),
    (4, "ended", owners(MALLORY), (MALLORY,)),
    (5, "acme", _stranger(), (ALICE,)),
    (5, "acme", release(GREETER["1.0.0"], ALICE), (ALICE,)),
    (5, "bobs", release(GREETER["1.0.0"], BOB), (BOB,)),
    (5, "acme", release(GREETER["2.0.0"], ALICE, staged=True), (ALICE,)),
    (6, "acme", change(FIRST, "quarantined"), (ALICE,)),
    (6, "acme", change(FIRST, "active"), (ONE,)),
    (6, "acme", change(FIRST, "revoked"), (ONE,)),
    (6, "acme", change(FIRST, "deprecated"), (ALICE,)),
    (6, "acme", change(SECOND, "active"), (ALICE,)),
    (6, "bobs", change(FIRST, "revoked"), (BOB,)),
    (7, "acme", Compromise(ALICE.key.public, 0), (ALICE,)),
    (7, ROOT, Compromise(TWO.key.public, 0), (ONE,)),
    (8, "acme", Rebuild(FIRST), (ALICE,)),
    (8, "bobs", Rebuild(FIRST), (BOB,)),
    (9, "acme", Link(_native_link().to_json()), (ONE,)),
    (9, "acme", Link(linked(HYPERLEDGER, BOB).to_json()), (ALICE,)),
    (9, "acme", Link(linked(HYPERLEDGER, namespace="bobs").to_json()), (ALICE,)),
    (9, "bobs", Link(linked(EVM).to_json()), (BOB,)),
    (9, "acme", Service("ecb-rates", "1.0.0", canonical.decode_object(DOCUMENT)), (ALICE,)),
)


def _strays(book: Book) -> list[dict[str, Any]]:
    """Returns entries for another log, and for a place that is taken or not reached."""
    sequence = book.holdings["acme"].sequence
    places = (("registry.test/two", sequence), (ORIGIN, sequence - 1), (ORIGIN, sequence + 1))
    strays = [Entry(origin, "acme", number, owners(ALICE)) for origin, number in places]
    return [_told(book, 1, stray.signed_by(ALICE.key.public, ALICE.key.sign)) for stray in strays]


def _refused(book: Book, rule: int, namespace: str, body: Body, people: Sequence[Person]) -> dict[str, Any]:
    return _told(book, rule, entry(book, namespace, body, people))


def _told(book: Book, rule: int, made: Entry) -> dict[str, Any]:
    try:
        check(book, made)
    except FabricError as error:
        return {"rule": rule, "entry": made.to_json(), "said": str(error)}
    raise AssertionError(f"{made.namespace}: the entry of rule {rule} was not refused")
