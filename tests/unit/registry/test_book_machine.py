"""The log's rules against random entries by random signers: what can never happen, whatever is asked of a book.

The rules of who owns and who may revoke are spelled here a second time, from docs/spec/registry.md.
"""

import copy
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from hypothesis import Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from typing_extensions import override

from fabric.core import canonical
from fabric.core.errors import FabricError
from fabric.core.ids import Measurement, sha256
from fabric.trust.publication import Publication
from fabric.trust.schemes import ED25519, Signature
from fabric.trust.standing import State
from registry.book.bodies import Body, Change, Claim, Compromise, Owners, Rebuild, Release
from registry.book.book import Book, Holding, Listing
from registry.book.entry import ROOT, Entry, Leaf
from registry.book.replay import apply, replay, replay_some
from registry.records import bundle_path, decode_record, namespace_path, records
from tests.support.books import AUTHORITIES, EVERYBODY, change, entry
from tests.support.registries import ALICE, BOB, MALLORY, ORIGIN, Person, owners

NAMESPACES: Final = ("acme", "acme", "acme", "bobs", ROOT, "vacant")
SEED: Final = "the lock"
PERSON: Final = {person.key.public: person for person in EVERYBODY}


def publication(number: int, version: str, person: Person) -> Publication:
    """Returns the publication of a bundle that has no file; the rules look at none."""
    unsigned = Publication(
        "greeter", version, "utility", sha256(b"%d" % number), sha256(SEED.encode()), Signature(ED25519, b"", b"")
    )
    value = person.key.sign(canonical.encode(unsigned.fields))
    return replace(unsigned, signature=Signature(ED25519, person.key.public, value))


PEOPLE: Final = st.sampled_from(EVERYBODY)
CROWDS: Final = st.lists(PEOPLE, max_size=4, unique=True).flatmap(
    lambda crowd: st.integers(min(1, len(crowd)), len(crowd)).map(lambda least: owners(*crowd, threshold=least))
)
BUNDLES: Final = st.integers(0, 3).map(lambda number: publication(number, "1.0.0", ALICE).measurement)
BODIES: Final[st.SearchStrategy[Body]] = st.one_of(
    CROWDS,
    CROWDS.map(Claim),
    st.builds(
        lambda number, version, person, staged: Release(publication(number, version, person), 1, staged),
        st.integers(0, 3),
        st.sampled_from(("1.0.0", "1.1.0")),
        PEOPLE,
        st.booleans(),
    ),
    st.builds(change, BUNDLES, st.sampled_from([str(state) for state in State])),
    st.builds(lambda person, since: Compromise(person.key.public, since), PEOPLE, st.integers(0, 20)),
    BUNDLES.map(Rebuild),
)


class Books(RuleBasedStateMachine):
    """A book, and all the leaves that it took."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(ORIGIN)
        self.leaves: list[Leaf] = []

    @initialize()
    def found(self) -> None:
        claims = {
            ROOT: owners(*AUTHORITIES, threshold=2),
            "acme": owners(ALICE, BOB, MALLORY, threshold=2),
            "bobs": owners(BOB),
        }
        for namespace, held in claims.items():
            people = [*(PERSON[key] for key in held.keys), *AUTHORITIES]
            self._take(Leaf(entry(self.book, namespace, Claim(held), people), self.book.logged))
        for number in (0, 1):
            body = Release(publication(number, f"{number}.0.0", ALICE), 1)
            self._take(Leaf(entry(self.book, "acme", body, [ALICE, BOB]), self.book.logged))

    @rule(namespace=st.sampled_from(NAMESPACES), body=BODIES, crowd=st.sets(PEOPLE), ticks=st.integers(0, 3))
    def anybody_asks(self, namespace: str, body: Body, crowd: set[Person], ticks: int) -> None:
        self._ask(entry(self.book, namespace, body, crowd), ticks)

    @rule(
        namespace=st.sampled_from(NAMESPACES), body=BODIES, pick=st.integers(0, 9), absent=st.sets(PEOPLE, max_size=2)
    )
    def those_who_may_ask(self, namespace: str, body: Body, pick: int, absent: set[Person]) -> None:
        """Entries about what is there, signed by all who are concerned but some: few others are let through."""
        aimed = _aimed(self.book, namespace, body, pick)
        crowd = {PERSON[key] for key in _concerned(self.book, namespace, aimed)}
        self._ask(entry(self.book, namespace, aimed, [person for person in crowd if person not in absent]), pick % 3)

    @rule(namespace=st.sampled_from(NAMESPACES), body=BODIES, number=st.integers(0, 9), here=st.booleans())
    def it_is_signed_for_elsewhere(self, namespace: str, body: Body, number: int, here: bool) -> None:  # noqa: FBT001
        crowd = [PERSON[key] for key in _concerned(self.book, namespace, body)]
        made = Entry(ORIGIN if here else "registry.test/two", namespace, number, body)
        for person in crowd:
            made = made.signed_by(person.key.public, person.key.sign)
        self._ask(made, 0)

    @precondition(lambda self: self.leaves)
    @rule(data=st.data())
    def an_old_leaf_comes_again(self, data: st.DataObject) -> None:
        self._ask(data.draw(st.sampled_from(self.leaves)).entry, 0)
        assert self.book.size == len({leaf.entry.digest for leaf in self.leaves})

    def _ask(self, made: Entry, ticks: int) -> None:
        before = copy.deepcopy(vars(self.book))
        size = len(self.leaves)
        with suppress(FabricError):
            self._take(Leaf(made, self.book.logged + ticks))
        if len(self.leaves) == size:
            assert vars(self.book) == before, "refused, and changed"
            return
        event(made.kind)
        _check_owners(before, self.book, made)
        _check_listings(before["listings"], self.book)
        for namespace, holding in before["holdings"].items():
            names = self.book.holdings[namespace].names
            for name, versions in holding.names.items():
                assert versions.items() <= names[name].items(), "a version stands for something else"

    def _take(self, leaf: Leaf) -> None:
        apply(self.book, leaf)
        self.leaves.append(leaf)

    @override
    def teardown(self) -> None:
        """The leaves say it all, and a reader of the records sees of each bundle what the whole log says of it."""
        assert vars(replay(ORIGIN, self.leaves)) == vars(self.book)
        files = records(self.book, [leaf.encoded for leaf in self.leaves])
        for measurement, item in self.book.listings.items():
            some = replay_some(ORIGIN, _read(files, measurement).items())
            seen = some.listings[measurement]
            assert seen == item
            assert some.holdings[item.namespace].owners == self.book.holdings[item.namespace].owners
            assert some.authorities() == self.book.authorities()


def _read(files: dict[str, bytes], measurement: Measurement) -> dict[int, Leaf]:
    """Collects leaves as the reader of section 6, step 3."""
    own = decode_record(files[bundle_path(measurement)])
    names = {item.leaf.entry.namespace for item in own} | {ROOT}
    held = [item for name in names for item in decode_record(files[namespace_path(name)])]
    return {item.position: item.leaf for item in (*own, *held)}


def _aimed(book: Book, namespace: str, body: Body, pick: int) -> Body:
    """Turns a body on something that is there: an owner, or a bundle of the namespace."""
    held = book.holdings.get(namespace)
    if held is None:
        return body if isinstance(body, Claim) else Claim(owners(ALICE, BOB, threshold=1 + pick % 2))
    mine = [item for item in book.listings.values() if (item.namespace == namespace) is not isinstance(body, Rebuild)]
    if isinstance(body, Change | Rebuild) and mine:
        return replace(body, measurement=mine[pick % len(mine)].measurement)
    if not held.owners.keys:
        return body
    person = PERSON[held.owners.keys[pick % len(held.owners.keys)]]
    if isinstance(body, Release):
        number = len(book.listings) if pick % 5 else 0
        version = f"{len(book.listings)}.0.0" if pick % 3 else "1.0.0"
        return replace(body, publication=publication(number, version, person))
    return Compromise(person.key.public, body.since) if isinstance(body, Compromise) else body


def _concerned(book: Book, namespace: str, body: Body) -> set[bytes]:
    """Returns keys that may sign: owners, those to become owners, and authorities where it is theirs."""
    held = book.holdings.get(namespace)
    keys = set(held.owners.keys) if held else set()
    if isinstance(body, Claim):
        return keys | set(body.owners.keys) | set(book.authorities().keys)
    if isinstance(body, Owners):
        return keys | set(body.keys)
    if isinstance(body, Change) and body.state is State.QUARANTINED:
        return set(book.authorities().keys)
    return keys


def _check_owners(before: dict[str, Any], book: Book, made: Entry) -> None:
    """A namespace changes hands by its threshold alone, or by the authorities' where a key was lost."""
    authorities: Owners = before["holdings"].get(ROOT, Holding(Owners((), 0), 0)).owners
    is_approved = len(made.signers() & set(authorities.keys)) >= max(1, authorities.threshold)
    for namespace, holding in book.holdings.items():
        held: Holding | None = before["holdings"].get(namespace)
        if held is None:
            assert is_approved
            assert namespace == made.namespace
        elif held.owners != holding.owners:
            assert namespace == made.namespace
            lost = {made.body.key} if isinstance(made.body, Compromise) else set()
            assert lost or isinstance(made.body, Owners)
            signed = len(made.signers() & (set(held.owners.keys) - lost))
            assert signed >= held.owners.threshold or (lost and is_approved)
        assert not set(holding.owners.keys) & set(holding.lost)
        assert min(1, len(holding.owners.keys)) <= holding.owners.threshold <= len(holding.owners.keys)


def _check_listings(before: dict[Measurement, Listing], book: Book) -> None:
    """Turns are added and never taken away, and none follows a revocation."""
    assert before.keys() <= book.listings.keys()
    for measurement, item in book.listings.items():
        turns = before[measurement].turns if measurement in before else []
        assert item.turns[: len(turns)] == turns
        assert State.REVOKED not in [turn.state for turn in item.turns[:-1]]


def _draws(share: int) -> int:
    return max(5, settings.default.max_examples // share) if settings.default else 5


TestBooks = Books.TestCase
TestBooks.settings = settings(
    max_examples=_draws(4), stateful_step_count=20, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)
"""Without shrinking, which takes minutes here: twenty steps are few enough to read."""
