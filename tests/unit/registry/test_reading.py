"""A founded registry, published into and read back: what holds is found, with the steps of the reader."""

from pathlib import Path

import pytest

from fabric.core.errors import NotFound, Refused
from fabric.trust.standing import State
from registry.book.bodies import Claim
from registry.house import registry as house_of_registry
from tests.support.registries import ALICE, BOB, MALLORY, opened, owners, release, wheel


async def test_what_is_published_is_found_and_verified(tmp_path: Path) -> None:
    data = wheel()
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        bundle = await house.publish("acme", data, ALICE)
        reader = house.reader()
        reader.refresh()
        found = reader.resolve("acme", "greeter")
        assert found.listing.ref == "acme/greeter@1.0.0"
        assert reader.wheel(found)[0] == data
        standing = reader.standings([bundle.measurement])[bundle.measurement]
        assert (standing.state, standing.position) == (State.ACTIVE, found.listing.position)
        assert found.checkpoint.size == 3


async def test_versions_and_states(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE, BOB)
        first = await house.publish("acme", wheel(version="1.0.0"), ALICE)
        second = await house.publish("acme", wheel(version="1.1.0"), BOB)
        reader = house.reader()
        reader.refresh()
        assert reader.resolve("acme", "greeter").listing.measurement == second.measurement
        await house.change(second, State.YANKED, "breaks on leap days", BOB)
        reader.refresh()
        assert reader.resolve("acme", "greeter").listing.measurement == first.measurement
        assert reader.resolve("acme", "greeter", "1.1.0").listing.now.reason == "breaks on leap days"
        with pytest.raises(NotFound, match=r"no version '1\.2\.0' of acme/greeter.*1\.[01]\.0"):
            reader.resolve("acme", "greeter", "1.2.0")


async def test_a_restart_publishes_the_same(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        bundle = await house.publish("acme", wheel(), ALICE)
        reader = house.reader()
        reader.refresh()
        before = reader.checkpoint
    async with opened(tmp_path) as house:
        reader = house.reader()
        reader.refresh()
        assert reader.checkpoint == before
        assert reader.find(bundle.measurement).listing.ref == "acme/greeter@1.0.0"


async def test_a_bundle_of_many_turns(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        bundle = await house.publish("acme", wheel(), ALICE)
        reader = house.reader()
        reader.refresh()
        for number in range(40):
            state = State.DEPRECATED if number % 2 == 0 else State.ACTIVE
            await house.change(bundle, state, "old" if number % 2 == 0 else "", ALICE)
        reader.refresh()
        assert reader.checkpoint.size == 43
        assert len(reader.find(bundle.measurement).listing.turns) == 41


async def test_claims_of_strangers_take_no_room_from_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house_of_registry, "MAX_CLAIMS", 3)
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        for number in range(3):
            claim = house.entry(f"evil-{number}", Claim(owners(MALLORY)), MALLORY)
            assert (await house.registry.submit(claim)).position is None
        with pytest.raises(Refused, match="3 claims of namespaces wait already"):
            await house.registry.submit(house.entry("evil-9", Claim(owners(MALLORY)), MALLORY))
        staged = house.entry("acme", release(wheel(), ALICE, staged=True), ALICE)
        assert (await house.registry.submit(staged)).lacks
