"""The rules of the log, by their numbers in docs/spec/registry.md, section 3: what each lets through and what not."""

from typing import TYPE_CHECKING, Final

import pytest

from fabric.core import canonical
from fabric.core.errors import FabricError, Malformed, NotFound, Refused
from fabric.core.ids import Measurement
from fabric.trust.schemes import Signature
from fabric.trust.standing import State
from registry.book.bodies import Claim, Compromise, Rebuild, Release, Service
from registry.book.book import Book, Vouch
from registry.book.entry import ROOT, Entry, Leaf, decode_entry, decode_leaf
from registry.book.replay import replay, replay_some
from registry.book.rules import Unsigned, check
from tests.support.books import AUTHORITIES, GREETER, change, entry, founded, log, published
from tests.support.registries import ALICE, BOB, MALLORY, ORIGIN, Person, owners, release
from tests.vectors.gen_data_service import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Callable

ONE, TWO, THREE = AUTHORITIES
OTHER: Final = Measurement(b"\x07" * 32)


def test_1_only_the_next_number_of_this_log() -> None:
    book = founded()
    for number in (0, 2):
        late = Entry(ORIGIN, "acme", number, owners(ALICE, BOB)).signed_by(ALICE.key.public, ALICE.key.sign)
        with pytest.raises(Refused, match=rf"has 1 entries, this one is signed as number {number}: somebody else was"):
            check(book, late)
    foreign = Entry("registry.test/two", "acme", 1, owners(BOB)).signed_by(ALICE.key.public, ALICE.key.sign)
    with pytest.raises(Refused, match=r"signed for the log 'registry.test/two', this one is 'registry.test/one'"):
        check(book, foreign)


def test_1_signatures_that_come_one_after_the_other_make_no_entry_too_long() -> None:
    """Each part of it was short enough to be sent; as a leaf nobody could have read it."""
    book = founded()
    body = release(GREETER["1.0.0"], ALICE)
    filler = {f"claim {number}": "x" * 1_000 for number in range(16)}
    told = Release(body.publication, body.size, provenance=filler)
    check(book, entry(book, "acme", told, [ALICE]))
    wide = Release(body.publication, body.size, provenance=dict.fromkeys(filler, "\x01" * 1000))
    with pytest.raises(Refused, match="bytes with its signatures, and may have 49152: state less"):
        check(book, entry(book, "acme", wide, [ALICE]))


def test_1_more_signatures_than_an_entry_may_have() -> None:
    crowds = [[Person(f"{name} {number}") for number in range(16)] for name in ("old", "new")]
    book = Book(ORIGIN)
    log(book, ROOT, Claim(owners(ONE)), ONE)
    log(book, "acme", Claim(owners(*crowds[0])), *crowds[0], ONE)
    with pytest.raises(Refused, match="33 signatures, and it may have 32: fewer suffice"):
        log(book, "acme", owners(*crowds[1]), *crowds[0], *crowds[1], ONE)
    log(book, "acme", owners(*crowds[1]), *crowds[0], *crowds[1])


def test_2_every_signature_holds_and_counts() -> None:
    book = founded()
    good = entry(book, "acme", owners(ALICE, BOB), [ALICE])
    with pytest.raises(Malformed, match="does not hold"):
        check(book, good.with_signatures([Signature("ed25519", BOB.key.public, bytes(64))]))
    with pytest.raises(Refused, match="neither owns it nor is an authority"):
        check(book, entry(book, "acme", owners(ALICE, BOB), [ALICE, MALLORY]))
    with pytest.raises(Refused, match="nobody signed it"):
        check(book, entry(book, "acme", owners(ALICE, BOB), []))


def test_3_a_claim_is_approved_once_and_for_ever() -> None:
    book = founded()
    with pytest.raises(Unsigned, match="waits for its approval: 1 of 2 authorities signed"):
        log(book, "bobs", Claim(owners(BOB)), BOB, ONE)
    with pytest.raises(Unsigned, match="1 of the 2 new owners"):
        log(book, "bobs", Claim(owners(BOB, MALLORY, threshold=2)), BOB, ONE, TWO)
    log(book, "bobs", Claim(owners(BOB)), BOB, ONE, TWO)
    again = entry(book, "bobs", Claim(owners(MALLORY)), [MALLORY, ONE, TWO])
    with pytest.raises(Refused, match="was claimed at position 2 and is given to nobody else"):
        check(book, again)
    with pytest.raises(Refused, match="first entry is the claim of 'registry', not of 'acme'"):
        log(Book(ORIGIN), "acme", Claim(owners(ALICE)), ALICE)
    with pytest.raises(Refused, match="without a key"):
        log(book, "empty", Claim(owners(threshold=0)), ONE, TWO)


def test_4_owners_change_by_both_sides() -> None:
    book = founded()
    log(book, "acme", owners(ALICE, BOB, threshold=2), ALICE, BOB)
    with pytest.raises(Unsigned, match="1 of the 2 owners signed"):
        log(book, "acme", owners(ALICE), ALICE)
    with pytest.raises(Unsigned, match="0 of the 1 new owners signed"):
        log(book, "acme", owners(MALLORY), ALICE, BOB)
    log(book, "acme", owners(BOB), ALICE, BOB)
    with pytest.raises(Refused, match="none of its owners signed it"):
        log(book, "acme", owners(ALICE), ALICE)
    with pytest.raises(Refused, match="cannot be closed"):
        log(book, ROOT, owners(threshold=0), ONE, TWO)
    with pytest.raises(NotFound, match=r"nobody has claimed the namespace 'acne'.*did you mean 'acme'"):
        log(book, "acne", owners(ALICE), ONE)


@pytest.mark.parametrize("people", [(MALLORY,), (ONE, TWO, THREE)])
def test_4_what_no_owner_signed_does_not_even_wait(people: tuple[Person, ...]) -> None:
    """Whoever names himself an owner may sign, and would fill the places of those who are."""
    with pytest.raises(Refused, match="none of its owners signed it") as caught:
        log(founded(), "acme", owners(ALICE, MALLORY), *people)
    assert not isinstance(caught.value, Unsigned)


@pytest.mark.parametrize("ending", ["closed", "lost"])
@pytest.mark.parametrize("people", [(MALLORY,), (ALICE,), (MALLORY, ONE, TWO, THREE)])
def test_4_nobody_opens_a_closed_namespace(ending: str, people: tuple[Person, ...]) -> None:
    """Its threshold is 0, which anybody reaches."""
    book = founded()
    if ending == "closed":
        log(book, "acme", owners(threshold=0), ALICE)
    else:
        log(book, "acme", Compromise(ALICE.key.public, 0), ONE, TWO)
    with pytest.raises(Refused, match=r"the namespace 'acme' is closed|is in wrong hands since"):
        log(book, "acme", owners(people[0]), *people)
    assert book.holdings["acme"].owners.keys == ()


def test_5_a_release_by_owners_of_a_new_name_and_new_bytes() -> None:
    book = founded()
    body = release(GREETER["1.0.0"], ALICE)
    with pytest.raises(Refused, match=r"the publication is signed by .*, no owner of it"):
        log(book, "acme", release(GREETER["1.0.0"], MALLORY), ALICE)
    with pytest.raises(Unsigned, match="1 of the 2 owners"):
        log(book, "acme", release(GREETER["1.0.0"], ALICE, staged=True), ALICE)
    log(book, "acme", body, ALICE)
    with pytest.raises(Refused, match=r"is measurement [0-9a-f]{64} and stays so"):
        log(book, "acme", body, ALICE)
    log(book, "bobs", Claim(owners(BOB)), BOB, ONE, TWO)
    with pytest.raises(Refused, match=r"these very bytes are published as acme/greeter@1\.0\.0 already"):
        log(book, "bobs", release(GREETER["1.0.0"], BOB), BOB)


def test_5_two_owners_of_a_threshold_sign_entry_and_publication_together() -> None:
    book = founded()
    log(book, "acme", owners(ALICE, BOB, threshold=2), ALICE, BOB)
    log(book, "acme", release(GREETER["1.0.0"], ALICE), BOB)
    (item,) = book.listings.values()
    assert item.signers == {ALICE.key.public, BOB.key.public}


STATES: Final = tuple(State)
OWNER, AUTHORITY, QUORUM = (ALICE,), (ONE,), (ONE, TWO)


def _allowed(before: State, after: State, who: tuple[Person, ...]) -> bool:
    """The table of the spec, spelled otherwise than the code."""
    if before is State.REVOKED:
        return False
    if after is State.REVOKED:
        return who in (OWNER, QUORUM)
    touches_quarantine = before is State.QUARANTINED or after is State.QUARANTINED
    return who in (AUTHORITY, QUORUM) if touches_quarantine else who == OWNER


@pytest.mark.parametrize("who", [OWNER, AUTHORITY, QUORUM], ids=["owner", "authority", "quorum"])
@pytest.mark.parametrize("after", STATES)
@pytest.mark.parametrize("before", STATES)
def test_6_who_may_change_which_state(before: State, after: State, who: tuple[Person, ...]) -> None:
    book = founded()
    measurement = published(book)
    if before is not State.ACTIVE:
        log(book, "acme", change(measurement, before), *(QUORUM if before is State.QUARANTINED else OWNER))
    allowed = before is not after and _allowed(before, after, who)
    if allowed:
        log(book, "acme", change(measurement, after), *who)
        assert book.listings[measurement].now.state is after
        return
    with pytest.raises(Refused):
        log(book, "acme", change(measurement, after), *who)
    assert book.listings[measurement].now.state is before


def test_6_authorities_that_are_too_few_wait_for_each_other() -> None:
    book = founded()
    measurement = published(book)
    with pytest.raises(Unsigned, match="as many authorities as their threshold asks"):
        log(book, "acme", change(measurement, "revoked"), ONE)


def test_6_only_a_bundle_of_the_namespace() -> None:
    book = founded()
    measurement = published(book)
    log(book, "bobs", Claim(owners(BOB)), BOB, ONE, TWO)
    with pytest.raises(Refused, match=r"the bundle [0-9a-f]{64} is acme/greeter@1\.0\.0"):
        log(book, "bobs", change(measurement, "revoked"), BOB)
    with pytest.raises(NotFound, match="no bundle of measurement"):
        log(book, "bobs", change(OTHER, "revoked"), BOB)


def test_7_a_lost_key_ends_what_it_signed_since() -> None:
    book = founded()
    log(book, "acme", owners(ALICE, BOB), ALICE)
    early, late = published(book, "1.0.0"), published(book, "1.1.0")
    since = book.listings[late].logged
    by_bob = published(book, "2.0.0", BOB)
    with pytest.raises(Refused, match="another owner must say so, or as many authorities"):
        log(book, "acme", Compromise(ALICE.key.public, since), ALICE)
    with pytest.raises(Unsigned, match="0 of the 1 other owners signed that it takes, or 1 of 2 authorities"):
        log(book, "acme", Compromise(ALICE.key.public, since), ONE)
    log(book, "acme", Compromise(ALICE.key.public, since), BOB)
    states = [book.listings[item].now.state for item in (early, late, by_bob)]
    assert states == [State.ACTIVE, State.REVOKED, State.ACTIVE]
    assert book.holdings["acme"].owners == owners(BOB)
    with pytest.raises(Refused, match="owns it no more, it is in wrong hands"):
        log(book, "acme", change(early, "yanked"), ALICE)
    with pytest.raises(Refused, match="is in wrong hands since"):
        log(book, "acme", owners(ALICE, BOB), BOB)


@pytest.mark.parametrize("namespace", ["acme", ROOT])
def test_7_fewer_keys_than_the_threshold_get_rid_of_no_owner(namespace: str) -> None:
    """A thief of one key of three would take the others away, one by one, and be alone."""
    book = founded()
    log(book, "acme", owners(ALICE, BOB, MALLORY, threshold=2), ALICE, BOB)
    thief, lost, other = (MALLORY, ALICE, BOB) if namespace == "acme" else (ONE, TWO, THREE)
    with pytest.raises(Unsigned, match="1 of the 2 other owners signed"):
        log(book, namespace, Compromise(lost.key.public, 0), thief)
    with pytest.raises(Refused, match=r"1 of the 2 other owners signed|another owner must say so"):
        log(book, "acme", Compromise(ALICE.key.public, 0), MALLORY, ALICE)
    log(book, namespace, Compromise(thief.key.public, 0), lost, other)
    assert book.holdings[namespace].owners == owners(lost, other, threshold=2)


def test_7_authorities_take_the_last_key_and_close_the_namespace() -> None:
    book = founded()
    log(book, "acme", Compromise(ALICE.key.public, 0), ONE, TWO)
    assert book.holdings["acme"].owners == owners(threshold=0)
    with pytest.raises(Refused, match="its owners: none, it is closed"):
        published(book)


def test_7_the_last_authority_stays() -> None:
    book = Book(ORIGIN)
    log(book, ROOT, Claim(owners(ONE)), ONE)
    with pytest.raises(Refused, match=r"another owner must say so|last authority"):
        log(book, ROOT, Compromise(ONE.key.public, 0), ONE)


def test_8_somebody_else_vouches_once() -> None:
    book = founded()
    measurement = published(book)
    with pytest.raises(Refused, match="is its own; a rebuild is somebody else's word"):
        log(book, "acme", Rebuild(measurement), ALICE)
    log(book, "bobs", Claim(owners(BOB)), BOB, ONE, TWO)
    log(book, "bobs", Rebuild(measurement), BOB)
    assert book.listings[measurement].rebuilds == {"bobs": Vouch(4, 5, frozenset({BOB.key.public}))}
    assert book.rebuilders(book.listings[measurement]) == ("bobs",)
    with pytest.raises(Refused, match=r"has vouched for acme/greeter@1.0.0 before"):
        log(book, "bobs", Rebuild(measurement), BOB)


@pytest.mark.parametrize(("late", "counted"), [(-1, ()), (0, ()), (1, ("bobs",))])
def test_8_a_word_counts_nothing_from_the_day_on_that_its_key_was_lost(late: int, counted: tuple[str, ...]) -> None:
    book = founded()
    item = book.listings[published(book)]
    log(book, "bobs", Claim(owners(BOB, MALLORY)), BOB, MALLORY, ONE, TWO)
    logged = log(book, "bobs", Rebuild(item.measurement), BOB).logged
    assert book.rebuilders(item) == ("bobs",)
    log(book, "bobs", Compromise(BOB.key.public, logged + late), MALLORY)
    assert book.rebuilders(item) == counted


def test_8_a_word_counts_while_one_of_its_keys_is_its_owners_own() -> None:
    book = founded()
    item = book.listings[published(book)]
    log(book, "bobs", Claim(owners(BOB, MALLORY)), BOB, MALLORY, ONE, TWO)
    log(book, "bobs", Rebuild(item.measurement), BOB, MALLORY)
    log(book, "bobs", Compromise(BOB.key.public, 0), MALLORY)
    assert book.rebuilders(item) == ("bobs",)
    log(book, "bobs", Compromise(MALLORY.key.public, 0), ONE, TWO)
    assert book.rebuilders(item) == ()


def test_8_who_was_robbed_vouches_again_with_a_key_of_his_own() -> None:
    book = founded()
    item = book.listings[published(book)]
    log(book, "bobs", Claim(owners(BOB, MALLORY)), BOB, MALLORY, ONE, TWO)
    stolen = log(book, "bobs", Rebuild(item.measurement), BOB)
    log(book, "bobs", Compromise(BOB.key.public, stolen.logged), MALLORY)
    assert book.rebuilders(item) == ()
    again = log(book, "bobs", Rebuild(item.measurement), MALLORY)
    assert item.rebuilds["bobs"] == Vouch(book.size - 1, again.logged, frozenset({MALLORY.key.public}))
    assert book.rebuilders(item) == ("bobs",)
    with pytest.raises(Refused, match=r"has vouched for acme/greeter@1\.0\.0 before"):
        log(book, "bobs", Rebuild(item.measurement), MALLORY)


def test_8_what_one_namespace_says_of_a_key_is_nothing_to_anothers_word() -> None:
    """Anybody can name a key among his owners and call it lost: that must not take a word from those who own it."""
    book = founded()
    item = book.listings[published(book)]
    log(book, "bobs", Claim(owners(BOB)), BOB, ONE, TWO)
    log(book, "bobs", Rebuild(item.measurement), BOB)
    log(book, "mallorys", Claim(owners(MALLORY)), MALLORY, ONE, TWO)
    log(book, "mallorys", owners(MALLORY, BOB), MALLORY)
    log(book, "mallorys", Compromise(BOB.key.public, 0), MALLORY)
    assert book.rebuilders(item) == ("bobs",)


def test_9_a_service_is_listed_once() -> None:
    book, document = founded(), canonical.decode_object(DOCUMENT)
    log(book, "acme", Service("ecb-rates", "1.0.0", document), ALICE)
    with pytest.raises(Refused, match=r"acme/ecb-rates@1\.0\.0 is listed and stays as it is"):
        log(book, "acme", Service("ecb-rates", "1.0.0", document), ALICE)
    with pytest.raises(Refused, match=r"the document is of ecb-rates@1\.0\.0, not of ecb-rates@1\.1\.0"):
        log(book, "acme", Service("ecb-rates", "1.1.0", document), ALICE)
    with pytest.raises(Malformed, match="data service"):
        log(book, "acme", Service("other", "1.1.0", {}), ALICE)
    with pytest.raises(Refused, match="none of its owners signed it"):
        log(book, "acme", Service("other", "1.1.0", document), ONE)


def test_a_refused_entry_changes_nothing_and_a_partial_reader_sees_the_same() -> None:
    book, leaves = Book(ORIGIN), []
    script: list[Callable[[], object]] = [
        lambda: leaves.append(log(book, ROOT, Claim(owners(*AUTHORITIES, threshold=2)), *AUTHORITIES)),
        lambda: leaves.append(log(book, "acme", Claim(owners(ALICE, BOB)), ALICE, ONE, TWO)),
        lambda: leaves.append(log(book, "acme", release(GREETER["1.0.0"], ALICE), ALICE)),
        lambda: log(book, "acme", release(GREETER["1.1.0"], MALLORY), MALLORY),
        lambda: leaves.append(log(book, "acme", release(GREETER["1.1.0"], BOB), BOB)),
        lambda: leaves.append(log(book, "acme", Compromise(BOB.key.public, 0), ALICE)),
        lambda: log(book, "acme", release(GREETER["2.0.0"], BOB), BOB),
    ]
    for step in script:
        try:
            step()
        except FabricError:
            continue
    whole = replay(ORIGIN, leaves)
    assert (whole.size, whole.holdings, whole.listings) == (book.size, book.holdings, book.listings)
    first = next(iter(book.listings))
    some = replay_some(ORIGIN, [(at, leaf) for at, leaf in enumerate(leaves) if at != 3])
    assert some.listings[first].now == book.listings[first].now
    assert some.holdings["acme"].owners == book.holdings["acme"].owners


def test_leaves_and_entries_read_back() -> None:
    book = founded()
    body = release(GREETER["1.0.0"], ALICE, staged=True)
    made = entry(book, "acme", Release(body.publication, body.size, staged=True, provenance={"a": "b"}), [ALICE])
    assert decode_entry(canonical.encode(made.to_json())) == made
    assert decode_leaf(Leaf(made, 7).encoded) == Leaf(made, 7)
