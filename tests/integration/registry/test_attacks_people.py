"""Attacks by people who hold keys or names: of the server, of a publisher, of nobody; through a real client."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fabric.core.errors import NotFound, Refused, VerificationError
from fabric.core.ids import Measurement, sha256
from fabric.trust.standing import State
from registry.book.bodies import Body, Change, Claim, Compromise
from registry.book.entry import Entry
from registry.client.api import Api
from registry.client.known import Entry as Known
from registry.client.known import Folders, load_known
from registry.client.transport import Web
from registry.house.admission import NameGuard
from registry.house.founding import Plan, found
from registry.records import wheel_path
from registry.server.app import make_app
from tests.support.registries import ALICE, BOB, MALLORY, ORIGIN, House, opened, owners, release, wheel
from tests.support.registry_server import serving

pytestmark = pytest.mark.e2e


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncIterator[tuple[House, str]]:
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:
        await house.claim("acme", ALICE)
        yield house, url


def _forged_release(house: House) -> Entry:
    data = wheel(version="6.6.6")
    house.registry.publisher.shelf.put(wheel_path(sha256(data)), data)
    return house.entry("acme", release(data, MALLORY), MALLORY)


FORGED: dict[str, tuple[Callable[[House], list[Entry]], str]] = {
    "a release by a stranger": (
        lambda house: [_forged_release(house)],
        r"rules: release in namespace 'acme': the key [0-9a-f]{64} neither owns it nor is an authority",
    ),
    "owners by a stranger, then a release": (
        lambda house: [house.entry("acme", owners(MALLORY), MALLORY)],
        r"rules: owners in namespace 'acme': none of its owners signed it",
    ),
    "a bundle that was revoked, active again": (
        lambda house: [
            house.entry("acme", Change(_listed(house), State.ACTIVE, ""), MALLORY),
        ],
        r"rules: change in namespace 'acme': the key [0-9a-f]{64} neither owns it nor is an authority",
    ),
}


def _listed(house: House) -> Measurement:
    return next(iter(house.registry.book.listings))


@pytest.mark.parametrize("name", FORGED)
async def test_the_servers_keys_make_nothing_run(tmp_path: Path, name: str) -> None:
    """Whoever has the server and its keys can hide what is new; a forged entry is refused by every reader."""
    entries, refusal = FORGED[name]
    async with served(tmp_path) as (house, url):
        bundle = await house.publish("acme", wheel(), ALICE)
        if "revoked" in name:
            await house.change(bundle, State.REVOKED, "leaks", ALICE)
        for entry in entries(house):
            await house.force(entry)
        if "owners" in name:
            await house.force(_forged_release(house))
        target = list(house.registry.book.listings)[-1]

        def look() -> None:
            reader = house.reader(source=Web(url))
            reader.refresh()
            reader.find(target)

        with pytest.raises(VerificationError, match=refusal):
            await asyncio.to_thread(look)


async def test_a_namespace_that_no_authority_approved_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as (house, url):
        await house.force(house.entry("evil", Claim(owners(MALLORY)), MALLORY))
        data = wheel("other")
        house.registry.publisher.shelf.put(wheel_path(sha256(data)), data)
        await house.force(house.entry("evil", release(data, MALLORY), MALLORY))
        target = list(house.registry.book.listings)[-1]

        def look() -> None:
            reader = house.reader(source=Web(url))
            reader.refresh()
            reader.find(target)

        with pytest.raises(VerificationError, match=r"rules: the namespace 'evil' waits for its approval: 0 of 1"):
            await asyncio.to_thread(look)


async def test_a_log_that_begins_anew_with_the_servers_keys_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as (house, _):
        root = house.root
    evil = tmp_path / "evil"
    await found(Plan(evil / "registry", evil / "ceremony", ORIGIN), house.clock)
    for part in ("keys", "public/metadata"):  # what the thief has: the online keys, and the true offline metadata
        shutil.rmtree(evil / "registry" / part)
        shutil.copytree(tmp_path / "registry" / part, evil / "registry" / part)
    async with opened(evil) as twin:
        await twin.claim("acme", MALLORY)
        bundle = await twin.publish("acme", wheel(version="6.6.6"), MALLORY)
        async with serving(make_app(twin.registry)) as url:

            def look() -> None:
                reader = twin.reader("newcomer", Web(url), root)
                reader.refresh()
                reader.find(bundle.measurement)

            with pytest.raises(VerificationError, match="first leaf is not the one that the registry's keys vouch for"):
                await asyncio.to_thread(look)


async def test_a_publishers_stolen_key_with_a_date(tmp_path: Path) -> None:
    async with served(tmp_path) as (house, url):
        await house.registry.submit(house.entry("acme", owners(ALICE, BOB), ALICE))
        honest = await house.publish("acme", wheel(version="1.0.0"), ALICE)
        since = house.registry.book.logged + 1
        while house.registry.book.logged < since:
            stolen = await house.publish("acme", wheel(version=f"6.{house.registry.book.size}.0"), ALICE)
            await asyncio.sleep(0.2)
        lost = Compromise(ALICE.key.public, since)
        with pytest.raises(Refused, match="another owner must say so"):
            await house.registry.submit(house.entry("acme", lost, ALICE))
        await house.registry.submit(house.entry("acme", lost, BOB))

        def look() -> tuple[State, State]:
            reader = house.reader(source=Web(url))
            reader.refresh()
            found = [reader.find(item.measurement).listing.now for item in (honest, stolen)]
            assert "is in wrong hands since" in found[1].reason
            return found[0].state, found[1].state

        assert await asyncio.to_thread(look) == (State.ACTIVE, State.REVOKED)
        with pytest.raises(Refused, match=r"owns it no more, it is in wrong hands"):
            await house.publish("acme", wheel(version="7.0.0"), ALICE)
        with pytest.raises(Refused, match="is in wrong hands since"):
            await house.registry.submit(house.entry("acme", owners(ALICE, BOB), BOB, ALICE))


async def test_a_name_is_never_given_twice(tmp_path: Path) -> None:
    async with served(tmp_path) as (house, _):
        await house.publish("acme", wheel(), ALICE)
        await house.registry.submit(house.entry("acme", owners(threshold=0), ALICE))  # closed
        with pytest.raises(Refused, match="is given to nobody else"):
            await house.claim("acme", MALLORY)
        with pytest.raises(Refused, match="its owners: none, it is closed"):
            await house.publish("acme", wheel(version="2.0.0"), ALICE)


async def test_a_version_is_never_given_twice_nor_bytes_to_two(tmp_path: Path) -> None:
    async with served(tmp_path) as (house, _):
        await house.publish("acme", wheel(), ALICE)
        await house.claim("bobs", BOB)
        first = house.registry.book.size
        await house.publish("acme", wheel(), ALICE)  # the same again is what it was
        assert house.registry.book.size == first
        with pytest.raises(Refused, match="stays so: give the bundle a new version"):
            await house.publish("acme", wheel(source="x = 1\n"), ALICE)
        with pytest.raises(Refused, match=r"these very bytes are published as acme/greeter@1\.0\.0 already"):
            await house.publish("bobs", wheel(), BOB)


def test_a_namespace_is_asked_of_one_registry_alone(tmp_path: Path) -> None:
    """Dependency confusion: `acme` offered by another registry is never looked at."""
    known = load_known(Folders(tmp_path / "config", tmp_path / "state", tmp_path / "cache"))
    known = known.trust("home", Known(url="https://home.example", namespaces=("acme",)), b"root one")
    known = known.trust("public", Known(url="https://public.example"), b"root two")
    assert (known.name_for("acme"), known.name_for("other")) == ("home", "public")
    known = known.trust("third", Known(url="https://third.example"), b"root three")
    with pytest.raises(Refused, match="could be meant of public, third: pin it to one"):
        known.name_for("other")
    known = known.pin("third", ("other",))
    assert load_known(known.folders).name_for("other") == "third"
    with pytest.raises(Exception, match="pinned to 'home' and to 'third'"):
        known.pin("third", ("acme",))
    with pytest.raises(Exception, match="is trusted with another root"):
        known.trust("home", Known(url="https://home.example"), b"another root")


TAKEN_OVER: dict[str, Callable[[House, str], Awaitable[object]]] = {}


def takeover(work: Callable[[House, str], Awaitable[object]]) -> Callable[[House, str], Awaitable[object]]:
    TAKEN_OVER[work.__name__] = work
    return work


@takeover
async def a_removed_owner(house: House, _: str) -> None:
    await house.registry.submit(house.entry("acme", owners(ALICE, BOB), ALICE))
    await house.registry.submit(house.entry("acme", owners(ALICE), ALICE))
    with pytest.raises(Refused, match="neither owns it nor is an authority"):
        await house.publish("acme", wheel(), BOB)


@takeover
async def an_entry_of_before(house: House, _: str) -> None:
    """An old entry that gave Bob the namespace is brought again after it was taken from him."""
    given = house.entry("acme", owners(ALICE, BOB), ALICE)
    first = await house.registry.submit(given)
    await house.registry.submit(house.entry("acme", owners(ALICE), ALICE))
    assert await house.registry.submit(given) == first  # it is where it was, and does nothing more
    assert house.registry.book.holdings["acme"].owners == owners(ALICE)


@takeover
async def an_entry_of_another_registry(house: House, _: str) -> None:
    body: Body = owners(ALICE, MALLORY)
    entry = Entry("registry.test/other", "acme", 1, body).signed_by(ALICE.key.public, ALICE.key.sign)
    with pytest.raises(Refused, match=r"signed for the log 'registry\.test/other'"):
        await house.registry.submit(entry)


@takeover
async def a_stripped_signature(house: House, _: str) -> None:
    await house.registry.submit(house.entry("acme", owners(ALICE, BOB, threshold=2), ALICE, BOB))
    outcome = await house.registry.submit(house.entry("acme", owners(MALLORY), ALICE, MALLORY))
    assert (outcome.position, "1 of the 2 owners" in outcome.lacks) == (None, True)
    assert house.registry.book.holdings["acme"].owners == owners(ALICE, BOB, threshold=2)


@takeover
async def a_strangers_signature_beside_a_true_one(house: House, _: str) -> None:
    with pytest.raises(Refused, match="neither owns it nor is an authority"):
        await house.registry.submit(house.entry("acme", release(wheel(), ALICE), ALICE, MALLORY))


@takeover
async def two_at_once(house: House, url: str) -> None:
    """Two owners change the namespace from the same state at once: one wins, the other is told to look again."""
    await house.registry.submit(house.entry("acme", owners(ALICE, BOB), ALICE))
    entries = [house.entry("acme", owners(person), person) for person in (ALICE, BOB)]

    def submit(entry: Entry) -> object:
        try:
            return Api(Web(url)).submit(entry).position
        except Refused as error:
            return str(error)

    told = await asyncio.gather(*(asyncio.to_thread(submit, entry) for entry in entries))
    assert sorted(isinstance(item, int) for item in told) == [False, True]
    assert any("somebody else was faster" in str(item) for item in told)


@pytest.mark.parametrize("name", TAKEN_OVER)
async def test_an_account_is_not_taken_over(tmp_path: Path, name: str) -> None:
    async with served(tmp_path) as (house, url):
        await TAKEN_OVER[name](house, url)


async def test_a_name_that_looks_like_another_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as (house, _):
        guard = NameGuard()
        house.registry._admit = guard
        for name in ("acrne", "a-cme", "acme2"):
            entry = house.entry(name, Claim(owners(MALLORY)), MALLORY, keys=house.authorities)
            if name == "acme2":
                with pytest.raises(Refused, match="is one letter away from 'acme'"):
                    await house.registry.submit(entry)
                continue
            with pytest.raises(Refused, match="looks like 'acme'"):
                await house.registry.submit(entry)
        with pytest.raises(NotFound):
            house.registry.book.holding("acrne")
