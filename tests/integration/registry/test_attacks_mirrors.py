"""Whom a name is asked of, and what a copier takes from a source that it does not trust; over HTTP."""

import asyncio
from pathlib import Path

import pytest
from starlette.responses import Response

from fabric.core.clock import SystemClock
from fabric.core.errors import FabricError, NotFound, Refused, StoreError
from fabric.trust.standing import State
from registry.client.known import Entry, Folders, load_known
from registry.client.mirror import mirror
from registry.client.source import ServedSource
from registry.client.transport import Folder, Web
from registry.house.founding import rotate_online
from tests.support.evil_mirror import Mirror
from tests.support.registries import ALICE, MALLORY, House, Person, opened, wheel
from tests.support.registry_server import serving

pytestmark = pytest.mark.e2e


def _hush(_: str) -> None:
    """Takes a line and does nothing with it."""


async def _with_acme(house: House, owner: Person, version: str) -> None:
    await house.claim("acme", owner)
    await house.publish("acme", wheel(version=version), owner)


async def test_a_pinned_namespace_is_never_asked_elsewhere(tmp_path: Path) -> None:
    """Dependency confusion: another registry offers a newer `acme/greeter`; not even where the first is silent."""
    async with opened(tmp_path / "home") as home, opened(tmp_path / "public") as public:
        await _with_acme(home, ALICE, "1.0.0")
        await _with_acme(public, MALLORY, "9.9.9")
        one, two = Mirror(home.public), Mirror(public.public)
        async with serving(one.app()) as home_url, serving(two.app()) as public_url:
            known = load_known(Folders(tmp_path / "config", tmp_path / "state", tmp_path / "cache"))
            known = known.trust("home", Entry(url=home_url, namespaces=("acme",)), home.root)
            known = known.trust("public", Entry(url=public_url), public.root)

            def look(name: str) -> str:
                reader = known.open(known.name_for("acme"))
                reader.refresh()
                return reader.resolve("acme", name).listing.ref

            assert await asyncio.to_thread(look, "greeter") == "acme/greeter@1.0.0"
            with pytest.raises(NotFound, match="no cryptlet acme/other"):
                await asyncio.to_thread(look, "other")
            one.answers["metadata/timestamp.json"] = lambda: Response(status_code=503)
            with pytest.raises(StoreError, match="status 503"):
                await asyncio.to_thread(look, "greeter")
            assert two.asked == []


async def test_a_fabric_of_two_registries_takes_no_name_from_either(tmp_path: Path) -> None:
    async with opened(tmp_path / "home") as home, opened(tmp_path / "public") as public:
        await _with_acme(home, ALICE, "1.0.0")
        await _with_acme(public, MALLORY, "9.9.9")
        async with serving(Mirror(home.public).app()) as one, serving(Mirror(public.public).app()) as two:
            readers = {"home": home.reader(source=Web(one)), "public": public.reader(source=Web(two))}
            source = ServedSource(readers, tmp_path / "bundles", SystemClock())
            with pytest.raises(Refused, match=r"'acme/greeter' could be meant of home, public: take its measurement"):
                await asyncio.to_thread(source.resolve, "acme/greeter")
            alone = ServedSource({"home": readers["home"]}, tmp_path / "bundles", SystemClock())
            measurement = await asyncio.to_thread(alone.resolve, "acme/greeter")
            data, _ = await asyncio.to_thread(source.get, measurement)  # a measurement is the same everywhere
            assert data == wheel(version="1.0.0")


async def test_a_copier_takes_only_root_metadata_that_it_verified(tmp_path: Path) -> None:
    """A source that has any number of roots to give fills no disk, and its copy hands out none of them."""
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        bundle = await house.publish("acme", wheel(), ALICE)
    rotate_online(tmp_path / "registry", tmp_path / "ceremony", 1, SystemClock())
    async with opened(tmp_path) as house:
        evil = Mirror(house.public)
        for version in range(3, 40):
            evil.files[f"metadata/{version}.root.json"] = b" " * 100_000
        async with serving(evil.app()) as url:
            copier = house.reader("copier", Web(url))
            with pytest.raises(FabricError, match=r"tuf: the metadata here do not hold"):
                await asyncio.to_thread(mirror, copier, Web(url), tmp_path / "mirror", _hush)
            # One that gives the reader no third root, and the copier's own requests all of them.
            told = iter([Response(status_code=404)])
            evil.answers["metadata/3.root.json"] = lambda: next(told, Response(b" " * 100_000))
            await asyncio.to_thread(mirror, copier, Web(url), tmp_path / "mirror", _hush)
        found = sorted(path.name for path in (tmp_path / "mirror" / "metadata").glob("*.root.json"))
        assert found == ["1.root.json", "2.root.json"]
        reader = house.reader("newcomer", Folder(tmp_path / "mirror"))
        reader.refresh()
        assert reader.find(bundle.measurement).listing.now.state is State.ACTIVE
