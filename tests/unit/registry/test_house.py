"""The registry itself: what waits, what is repeated, what is bounded, and what a failed round leaves to the next."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from fabric.core import canonical
from fabric.core.clock import FrozenClock, SystemClock
from fabric.core.errors import NotFound, Refused, StoreError, VerificationError
from fabric.core.ids import Digest, sha256
from fabric.trust.standing import State
from registry import records
from registry.book.bodies import Claim, Compromise, Issuer, Owners, Release
from registry.book.entry import MAX_ENTRY_BYTES
from registry.book.rules import Overtaken
from registry.client.audit import audit
from registry.files import Shelf
from registry.house import registry as house_of_registry
from registry.records import wheel_path
from tests.support.registries import ALICE, BOB, MALLORY, House, Person, opened, owners, release, wheel

CROWD: Final = tuple(Person(f"member {number}") for number in range(16))


def _now() -> FrozenClock:
    """Returns a clock that stands where TUF's library, which knows no other, has it."""
    return FrozenClock(SystemClock().unix_seconds())


async def test_a_repeat_is_answered_with_the_place_it_has(tmp_path: Path) -> None:
    async with opened(tmp_path, _now()) as house:
        await house.claim("acme", ALICE)
        entry = house.entry("acme", owners(ALICE, BOB), ALICE)
        first = await house.registry.submit(entry)
        again = await house.registry.submit(entry.signed_by(BOB.key.public, BOB.key.sign))
        assert (first.position, again.position, house.registry.book.size) == (2, 2, 3)
        data = wheel()
        await house.publish("acme", data, ALICE)
        repeated = await house.registry.submit(house.entry("acme", release(data, ALICE), ALICE))
        assert (repeated.position, repeated.wheel, house.registry.book.size) == (3, None, 4)


async def test_signatures_that_come_one_by_one_are_joined(tmp_path: Path) -> None:
    async with opened(tmp_path, _now()) as house:
        await house.claim("acme", ALICE, BOB, threshold=2)
        entry = house.entry("acme", owners(ALICE), ALICE)
        waiting = await house.registry.submit(entry)
        assert (waiting.position, waiting.lacks) == (
            None,
            "owners in namespace 'acme': 1 of the 2 owners signed that it takes",
        )
        other = replace(entry, signatures=()).signed_by(BOB.key.public, BOB.key.sign)
        assert (await house.registry.submit(other)).position == 2
        assert await house.registry.store.pending() == []


async def test_a_release_waits_for_its_very_file(tmp_path: Path) -> None:
    async with opened(tmp_path, _now()) as house:
        await house.claim("acme", ALICE)
        data, other = wheel(), wheel(version="6.6.6")
        entry, digest = house.entry("acme", release(data, ALICE), ALICE), sha256(data)
        with pytest.raises(NotFound, match=r"no release [0-9a-f]{64} waits for the wheel [0-9a-f]{64}: submit the"):
            await house.registry.take_wheel(entry.digest, digest, data)
        outcome = await house.registry.submit(entry)
        assert (outcome.position, outcome.wheel) == (None, digest)
        with pytest.raises(Refused, match=rf"expected {len(data)} bytes of SHA-256 {digest.hex()}, got"):
            await house.registry.take_wheel(entry.digest, digest, other)
        with pytest.raises(NotFound):
            await house.registry.take_wheel(entry.digest, sha256(other), other)
        assert (await house.registry.take_wheel(entry.digest, digest, data)).position == 2


def _lie(data: bytes, person: Person, version: str = "6.6.6") -> Release:
    """Returns a release that says of a wheel file what is true of another."""
    fields = replace(release(wheel(version=version), person).publication, wheel=sha256(data))
    signature = replace(fields.signature, value=person.key.sign(canonical.encode(fields.fields)))
    return replace(release(data, person), publication=replace(fields, signature=signature))


async def test_a_release_of_another_bundle_than_its_file_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, _now()) as house:
        await house.claim("acme", ALICE)
        data, told = wheel(), r"the release speaks of greeter@6\.6\.6, the file is greeter@1\.0\.0"
        entry = house.entry("acme", _lie(data, ALICE), ALICE)
        assert (await house.registry.submit(entry)).wheel == sha256(data)
        with pytest.raises(Refused, match=told):
            await house.registry.take_wheel(entry.digest, sha256(data), data)
        assert house.registry.book.size == 2


async def test_a_bundle_that_says_its_namespace_is_published_there_alone(tmp_path: Path) -> None:
    """Mallory has the sources, so she has the bytes before their author published them."""
    async with opened(tmp_path, _now()) as house:
        await house.claim("acme", ALICE)
        await house.claim("mallorys", MALLORY)
        data = wheel(namespace="acme")
        theirs = house.entry("mallorys", release(data, MALLORY), MALLORY)
        await house.registry.submit(theirs)
        with pytest.raises(Refused, match=r"greeter@1\.0\.0 is of the namespace 'acme', as its manifest says, not 'm"):
            await house.registry.take_wheel(theirs.digest, sha256(data), data)
        await house.publish("acme", data, ALICE)
        reader = house.reader()
        reader.refresh()
        found = reader.resolve("acme", "greeter")
        assert reader.wheel(found)[0] == data
        moved = replace(found, listing=replace(found.listing, namespace="mallorys"))
        with pytest.raises(VerificationError, match="is of the namespace 'acme'"):
            reader.wheel(moved)


@pytest.mark.parametrize("lock", [sha256(b"[]"), sha256(b"another lock")])
async def test_a_release_of_a_file_that_is_public_must_be_of_that_bundle(tmp_path: Path, lock: Digest) -> None:
    """Of one file and another lock the measurement is another, which no rule of the log knows to be none."""
    async with opened(tmp_path, _now()) as house:
        await house.claim("acme", ALICE)
        await house.claim("mallory", MALLORY)
        data = wheel()
        await house.publish("acme", data, ALICE)
        fields = replace(_lie(data, MALLORY).publication, lock=lock)
        signature = replace(fields.signature, value=MALLORY.key.sign(canonical.encode(fields.fields)))
        body = replace(release(data, MALLORY), publication=replace(fields, signature=signature))
        with pytest.raises(Refused, match=r"the release speaks of greeter@6\.6\.6|these very bytes are published"):
            await house.registry.submit(house.entry("mallory", body, MALLORY))
        assert await house.registry.store.pending() == []


@pytest.mark.parametrize("is_staged", [True, False])
@pytest.mark.parametrize("is_true", [True, False])
async def test_what_one_namespace_brought_is_no_others(tmp_path: Path, *, is_staged: bool, is_true: bool) -> None:
    """Mallory reads what waits, and has a release of her own ask for a file that she never had."""
    async with opened(tmp_path, _now()) as house:
        registry, data = house.registry, wheel()
        await house.claim("acme", ALICE, BOB)
        await house.claim("mallory", MALLORY)
        entry = house.entry("acme", release(data, ALICE, staged=is_staged), ALICE)
        theirs = house.entry("mallory", release(data, MALLORY) if is_true else _lie(data, MALLORY), MALLORY)
        await registry.submit(theirs)
        await registry.submit(entry)
        outcome = await registry.take_wheel(entry.digest, sha256(data), data)
        if is_staged:
            assert (await registry.submit(theirs)).wheel == sha256(data)
            assert not registry.publisher.shelf.has(wheel_path(sha256(data))), "nobody reads what waits"
            outcome = await registry.submit(entry.signed_by(BOB.key.public, BOB.key.sign))
        assert outcome.position == 3
        with pytest.raises(Refused, match=r"these very bytes are published as acme/greeter|the release speaks of"):
            await registry.submit(theirs)
        await registry.load()  # a restart finds both


async def test_what_waits_is_bounded_and_forgotten_after_a_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house_of_registry, "MAX_PENDING", 2)
    clock = _now()
    async with opened(tmp_path, clock) as house:
        await house.claim("acme", ALICE, BOB, threshold=2)
        bodies = [owners(ALICE, BOB, threshold=1), owners(ALICE), owners(BOB)]
        for body in bodies[:2]:
            await house.registry.submit(house.entry("acme", body, ALICE))
        with pytest.raises(Refused, match="2 entries wait already, each for a week at most: try again later"):
            await house.registry.submit(house.entry("acme", bodies[2], ALICE))
        clock.advance(7 * 86_400 + 1)
        await house.registry.refresh()
        assert await house.registry.store.pending() == []
        assert (await house.registry.submit(house.entry("acme", bodies[2], ALICE))).lacks


async def test_claims_of_strangers_take_no_room_of_whom_the_namespace_was_given_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house_of_registry, "MAX_OF_NAMESPACE", 2)
    async with opened(tmp_path, _now()) as house:
        for person in CROWD[:2]:
            assert (await house.registry.submit(house.entry("acme", Claim(owners(person)), person))).lacks
        with pytest.raises(Refused, match="2 claims of namespaces of 'acme' wait already"):
            await house.registry.submit(house.entry("acme", Claim(owners(ALICE)), ALICE))
        await house.claim("acme", ALICE)  # what is approved need not wait
        await house.publish("acme", wheel(), ALICE)
        assert await house.registry.store.pending() == []


async def test_what_was_overtaken_takes_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house_of_registry, "MAX_OF_NAMESPACE", 2)
    async with opened(tmp_path, _now()) as house:
        await house.claim("acme", ALICE, BOB)
        for version in ("1.0.0", "1.1.0"):
            data = wheel(version=version)
            entry = house.entry("acme", release(data, ALICE, staged=True), ALICE)
            await house.registry.submit(entry)
            await house.registry.take_wheel(entry.digest, sha256(data), data)
        await house.registry.submit(house.entry("acme", owners(ALICE, BOB, MALLORY), ALICE))
        assert len([*house.registry.wheels.staged.root.rglob("*.whl")]) == 2
        await house.registry.submit(house.entry("acme", release(wheel(version="2.0.0"), ALICE), ALICE))
        assert len(await house.registry.store.pending()) == 1
        assert [*house.registry.wheels.staged.root.rglob("*.whl")] == []


async def test_signatures_that_come_one_by_one_make_no_entry_that_nobody_reads(tmp_path: Path) -> None:
    """Each half is small enough; joined they would be a leaf that neither a restart nor a reader takes."""
    async with opened(tmp_path, _now()) as house:
        await house.claim("acme", *CROWD, threshold=16)
        bodies = [_long_owners(length) for length in range(40_000, 48_000, 250)]
        fitting = [body for body in bodies if _size(house, body, CROWD[:8]) <= MAX_ENTRY_BYTES]
        body = fitting[-1]
        assert _size(house, body, CROWD) > MAX_ENTRY_BYTES + 1_024  # as much as a leaf may have
        assert (await house.registry.submit(house.entry("acme", body, *CROWD[:8]))).position is None
        with pytest.raises(Refused, match=f"bytes with its signatures, and may have {MAX_ENTRY_BYTES}: state less"):
            await house.registry.submit(house.entry("acme", body, *CROWD[8:]))
        assert house.registry.book.size == 2
    async with opened(tmp_path, _now()) as house:
        audit(house.reader(), lambda _: None)


def _long_owners(length: int) -> Owners:
    """Returns owners with issuers whose claims have so many characters."""
    texts = ["x" * min(1_000, length - at) for at in range(0, length, 1_000)]
    claims = [{str(number): text for number, text in enumerate(texts[at : at + 16])} for at in range(0, len(texts), 16)]
    issuers = tuple(Issuer(f"https://{number}", "all", values) for number, values in enumerate(claims))
    return replace(owners(*CROWD, threshold=16), issuers=issuers)


def _size(house: House, body: Owners, people: Sequence[Person]) -> int:
    return len(canonical.encode(house.entry("acme", body, *people).to_json()))


async def test_no_record_outgrows_its_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_MAX_LEAVES", 6)
    monkeypatch.setattr(records, "MAX_VERSIONS", 2)
    async with opened(tmp_path, _now()) as house:
        await house.claim("acme", ALICE, BOB)
        bundle = await house.publish("acme", wheel(), ALICE)
        await house.change(bundle, State.DEPRECATED, "old", ALICE)
        await house.change(bundle, State.YANKED, "older", ALICE)
        with pytest.raises(Refused, match=r"its record has 3 entries, which is half of what readers take"):
            await house.change(bundle, State.ACTIVE, "", ALICE)
        await house.change(bundle, State.REVOKED, "leaks", ALICE)
        await house.registry.submit(house.entry("acme", owners(ALICE, BOB, threshold=2), ALICE, BOB))
        await house.registry.submit(house.entry("acme", owners(ALICE, BOB), ALICE, BOB))
        with pytest.raises(Refused, match="its record has 3 entries"):
            await house.registry.submit(house.entry("acme", owners(ALICE), ALICE, BOB))
        await house.registry.submit(house.entry("acme", Compromise(BOB.key.public, 0), ALICE))
        await house.publish("acme", wheel(version="1.1.0"), ALICE)
        with pytest.raises(Refused, match="acme/greeter has 2 versions: take another name"):
            await house.publish("acme", wheel(version="1.2.0"), ALICE)
        audit(house.reader(), lambda _: None)


STAGES: Final = ("log/tile/", "log/checkpoint", "targets/", ".bin-", ".snapshot.json", "timestamp.json", "standings/")


@pytest.mark.parametrize("stage", STAGES)
async def test_what_a_round_could_not_publish_the_next_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    async with opened(tmp_path, _now()) as house:
        await house.claim("acme", ALICE)
        with monkeypatch.context() as patched:
            _break(patched, stage)
            entry = house.entry("acme", release(wheel(), ALICE), ALICE)
            outcome = await house.registry.submit(entry)
            assert outcome.wheel
            told = "logged at position 2; it is published as soon as the disk takes it"
            with pytest.raises(StoreError, match=told):
                await house.registry.take_wheel(outcome.digest, outcome.wheel, wheel())
            with pytest.raises(StoreError, match=told):  # a repeat tries again to publish it
                await house.registry.submit(entry)
            reader = house.reader()
            reader.refresh()  # the former state, or the new one
        with pytest.raises(Refused, match="was claimed at position 1"):
            await house.registry.submit(house.entry("acme", Claim(owners(MALLORY)), MALLORY))
        await house.registry.refresh()
        audit(house.reader(), lambda _: None)
        assert house.registry.publisher.shelf.read("log/checkpoint").splitlines()[1] == b"3"  # type: ignore[union-attr]


def _break(patched: pytest.MonkeyPatch, stage: str) -> None:
    """Has the disk refuse the files of a stage."""
    put_all = Shelf.put_all

    def refuse(self: Shelf, files: Mapping[str, bytes]) -> None:
        if any(stage in str(self.root / path).partition("/public/")[2] for path in files):
            raise StoreError("the disk is full")
        put_all(self, files)

    patched.setattr(Shelf, "put_all", refuse)


async def test_half_of_the_life_is_the_alarm(tmp_path: Path) -> None:
    clock = _now()
    async with opened(tmp_path, clock, lifetime=600) as house:
        assert (house.registry.seconds_left(), house.registry.is_stale()) == (600, False)
        clock.advance(300)
        assert not house.registry.is_stale()
        clock.advance(1)
        assert house.registry.is_stale()
        await house.registry.refresh()
        assert (house.registry.seconds_left(), house.registry.is_stale()) == (600, False)


async def test_a_clock_that_goes_back_takes_no_time_of_the_log(tmp_path: Path) -> None:
    clock = _now()
    async with opened(tmp_path, clock) as house:
        await house.claim("acme", ALICE)
        clock.advance(-60)
        await house.claim("bobs", BOB)
        assert house.registry.book.logged == clock.seconds + 60


async def test_what_has_begun_is_finished_although_whoever_asked_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that writes files cannot be stopped: closing waits for it, so that no second server writes beside it."""
    begun, go_on = asyncio.Event(), threading.Event()
    async with opened(tmp_path, _now()) as house:
        loop, publish = asyncio.get_running_loop(), house.registry.publisher.publish

        def slowly(*arguments: Any) -> None:  # noqa: ANN401 - whatever the registry passes
            loop.call_soon_threadsafe(begun.set)
            go_on.wait()
            publish(*arguments)

        monkeypatch.setattr(house.registry.publisher, "publish", slowly)
        asked = asyncio.create_task(house.claim("acme", ALICE))
        await begun.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        closing = asyncio.create_task(house.registry.aclose())
        await asyncio.sleep(0)
        assert not closing.done()
        go_on.set()
        await closing
        audit(house.reader(), lambda _: None)
        assert house.registry.publisher.shelf.read("log/checkpoint").splitlines()[1] == b"2"  # type: ignore[union-attr]


async def test_a_release_that_is_overtaken_while_its_file_comes_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, _now()) as house:
        await house.claim("acme", ALICE)
        data = wheel()
        entry = house.entry("acme", release(data, ALICE), ALICE)
        await house.registry.submit(entry)
        await house.registry.submit(house.entry("acme", owners(ALICE, BOB), ALICE))
        with pytest.raises(Overtaken):
            await house.registry.take_wheel(entry.digest, sha256(data), data)
        assert [*house.registry.wheels.staged.root.rglob("*.whl")] == []
        assert await house.registry.store.pending() == []


async def test_wheels_that_nothing_waits_for_go_away(tmp_path: Path) -> None:
    clock = _now()
    async with opened(tmp_path, clock) as house:
        await house.claim("acme", ALICE, BOB)
        staged = house.registry.wheels.staged
        for version in ("1.0.0", "1.1.0"):
            data = wheel(version=version)
            entry = house.entry("acme", release(data, ALICE, staged=True), ALICE)
            await house.registry.submit(entry)
            await house.registry.take_wheel(entry.digest, sha256(data), data)
            clock.advance(4 * 86_400)
        assert len([*staged.root.rglob("*.whl")]) == 2
        await house.registry.refresh()
        (left,) = staged.root.rglob("*.whl")
        assert left.read_bytes() == wheel(version="1.1.0")
    (staged.root / "acme" / ".half.whl.new").write_bytes(b"half")
    async with opened(tmp_path, clock):
        assert [*staged.root.rglob("*.whl*")] == [left]
