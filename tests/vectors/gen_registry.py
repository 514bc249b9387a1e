"""Writes tests/vectors/registry.json: a log with an entry of every kind, what follows from it, and what is refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from fabric.core import canonical
from fabric.core.errors import FabricError
from fabric.trust.checkpoint import Checkpoint, sign_note
from fabric.trust.merkle import leaf_hash
from registry.book.accounts import AccountLink
from registry.book.bodies import Body, Claim, Compromise, Link, Rebuild, Release, Service
from registry.book.book import Book
from registry.book.entry import ROOT, Leaf
from registry.book.rules import check
from registry.log.tree import encode_entries, root_of
from registry.records import records
from tests.support.books import AUTHORITIES, GREETER, change, entry, log
from tests.support.registries import ALICE, BOB, MALLORY, ORIGIN, Person, owners, release
from tests.vectors.gen_data_service import DOCUMENT

FORMAT: Final = "cryptlet-fabric/registry-vectors/v1"
LOG: Final = Person("log")
ONE, TWO, _ = AUTHORITIES
PEOPLE: Final = (ALICE, BOB, MALLORY, LOG, *AUTHORITIES)


def document() -> str:
    """Returns the text of the file."""
    book, leaves = _log()
    encoded = [leaf.encoded for leaf in leaves]
    checkpoint = Checkpoint(ORIGIN, len(encoded), root_of(encoded))
    value = {
        "format": FORMAT,
        "keys": {person.name: person.key.public.hex() for person in PEOPLE},
        "leaves": [{"leaf": leaf.decode(), "hash": leaf_hash(leaf).hex()} for leaf in encoded],
        "checkpoint": sign_note(checkpoint, LOG.key.public, LOG.key.sign(checkpoint.body)),
        "hash_tile": b"".join(leaf_hash(leaf) for leaf in encoded).hex(),
        "entry_tile": encode_entries(encoded).hex(),
        "records": {path: data.decode() for path, data in sorted(records(book, encoded).items())},
        "states": {name.hex(): [turn.state.value for turn in item.turns] for name, item in book.listings.items()},
        "owners": {name: item.owners.to_json() for name, item in sorted(book.holdings.items())},
        "refused": [_refused(book, *case) for case in _REFUSED],
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
    take("acme", Compromise(BOB.key.public, 6), ALICE)
    return book, leaves


def _native_link() -> AccountLink:
    link = AccountLink(f"cryptlet:{'ab' * 16}:{MALLORY.key.public.hex()}", ALICE.key.public)
    return replace(link, signature=MALLORY.key.sign(link.message(ORIGIN, "acme")))


def _stranger() -> Release:
    return release(GREETER["2.0.0"], MALLORY)


_REFUSED: Final[tuple[tuple[int, str, Body, Sequence[Person]], ...]] = (
    (2, "acme", release(GREETER["2.0.0"], ALICE), (ALICE, MALLORY)),
    (2, "acme", release(GREETER["2.0.0"], ALICE), (BOB,)),
    (3, "acme", Claim(owners(MALLORY)), (MALLORY, ONE, TWO)),
    (3, "newcomer", Claim(owners(MALLORY)), (MALLORY, ONE)),
    (4, "acme", owners(ALICE, BOB), (ALICE, BOB)),
    (5, "acme", _stranger(), (ALICE,)),
    (5, "bobs", release(GREETER["1.0.0"], BOB), (BOB,)),
    (5, "acme", release(GREETER["2.0.0"], ALICE, staged=True), (ALICE,)),
    (7, "acme", Compromise(ALICE.key.public, 0), (ALICE,)),
    (9, "acme", Service("ecb-rates", "1.0.0", canonical.decode_object(DOCUMENT)), (ALICE,)),
)


def _refused(book: Book, rule: int, namespace: str, body: Body, people: Sequence[Person]) -> dict[str, Any]:
    made = entry(book, namespace, body, people)
    try:
        check(book, made)
    except FabricError as error:
        return {"rule": rule, "entry": made.to_json(), "said": str(error)}
    raise AssertionError(f"{namespace}: the entry of rule {rule} was not refused")
