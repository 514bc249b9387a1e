"""Books in memory: entries by people with seeded keys, without a registry around them."""

from collections.abc import Iterable
from typing import Final

from fabric.core.ids import Measurement
from fabric.trust.standing import State
from registry.book.bodies import Body, Change, Claim
from registry.book.book import Book
from registry.book.entry import ROOT, Entry, Leaf
from registry.book.replay import apply
from tests.support.registries import ALICE, BOB, MALLORY, ORIGIN, Person, owners, release, wheel

AUTHORITIES: Final = (Person("authority one"), Person("authority two"), Person("authority three"))
EVERYBODY: Final = (ALICE, BOB, MALLORY, *AUTHORITIES)
GREETER: Final = {version: wheel(version=version) for version in ("1.0.0", "1.1.0", "2.0.0")}


def entry(book: Book, namespace: str, body: Body, people: Iterable[Person]) -> Entry:
    """Returns a namespace's next entry, signed by some."""
    holding = book.holdings.get(namespace)
    made = Entry(book.origin, namespace, holding.sequence if holding else 0, body)
    for person in people:
        made = made.signed_by(person.key.public, person.key.sign)
    return made


def log(book: Book, namespace: str, body: Body, *people: Person, at: int | None = None) -> Leaf:
    """Takes an entry into a book; raises what the rules raise."""
    leaf = Leaf(entry(book, namespace, body, people), book.logged + 1 if at is None else at)
    apply(book, leaf)
    return leaf


def founded(threshold: int = 2) -> Book:
    """Returns a book with three authorities and Alice's namespace."""
    book = Book(ORIGIN)
    log(book, ROOT, Claim(owners(*AUTHORITIES, threshold=threshold)), *AUTHORITIES)
    log(book, "acme", Claim(owners(ALICE)), ALICE, *AUTHORITIES[:threshold])
    return book


def published(book: Book, version: str = "1.0.0", person: Person = ALICE) -> Measurement:
    """Publishes a greeter in Alice's namespace."""
    body = release(GREETER[version], person)
    log(book, "acme", body, person)
    return body.publication.measurement


def change(measurement: Measurement, state: str) -> Change:
    """Returns a change to a state."""
    return Change(measurement, State(state), "" if state == "active" else "because")
