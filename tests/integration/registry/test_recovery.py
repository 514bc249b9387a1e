"""Metadata that expires, keys that are replaced, a database that is lost: what the guide says to do, done."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from fabric.core.clock import FrozenClock, SystemClock
from fabric.core.errors import ConfigError, StoreError, VerificationError
from fabric.core.ids import sha256
from fabric.trust.standing import State
from registry.cli.operating import restore_database
from registry.client.audit import audit
from registry.client.mirror import mirror
from registry.client.transport import Folder
from registry.house.founding import rotate_online, rotate_root
from registry.house.store import Pending
from tests.support.postgres import Server
from tests.support.registries import ALICE, ORIGIN, opened, wheel

pytestmark = [pytest.mark.e2e]

LATER: Final = 2**40
STAGED: Final = Pending(sha256(b"one"), "staged", "acme", b"{}", None, 0)


async def _published(folder: Path) -> None:
    async with opened(folder) as house:
        await house.claim("acme", ALICE)
        await house.publish("acme", wheel(), ALICE)
        house.reader("old").refresh()


async def test_the_signing_job_renews_and_its_death_alarms_at_half_the_life(tmp_path: Path) -> None:
    clock = FrozenClock(SystemClock().unix_seconds())
    async with opened(tmp_path, clock) as house:
        await house.claim("acme", ALICE)
        bundle = await house.publish("acme", wheel(), ALICE)
        assert (house.registry.seconds_left(), house.registry.is_stale()) == (3_600, False)
        clock.advance(1_800)
        assert not house.registry.is_stale()
        clock.advance(1)
        assert house.registry.is_stale()
        await house.registry.refresh()
        assert (house.registry.seconds_left(), house.registry.is_stale()) == (3_600, False)
        reader = house.reader()
        reader.refresh()
        standing = reader.standings([bundle.measurement])[bundle.measurement]
        assert (standing.issued, standing.expires) == (clock.seconds, clock.seconds + 3_600)
        clock.advance(3_601)
        with pytest.raises(VerificationError, match="standing: it ended 1 s ago"):
            reader.standings([bundle.measurement])


@pytest.mark.parametrize("roles", [("online",), ("log",), ("standing",), ("online", "log", "standing")])
async def test_online_keys_are_replaced_and_readers_follow(tmp_path: Path, roles: tuple[str, ...]) -> None:
    await _published(tmp_path)
    rotate_online(tmp_path / "registry", tmp_path / "ceremony", 1, SystemClock(), roles)
    async with opened(tmp_path) as house:
        await house.publish("acme", wheel(version="1.1.0"), ALICE)
        for name in ("old", "new"):
            reader = house.reader(name)
            reader.refresh()
            found_now = reader.resolve("acme", "greeter")
            assert found_now.listing.publication.version == "1.1.0"
            assert reader.standings([found_now.listing.measurement])
            audit(reader, lambda _: None)


async def test_offline_keys_are_replaced_and_readers_follow(tmp_path: Path) -> None:
    await _published(tmp_path)
    rotate_root(tmp_path / "registry", tmp_path / "ceremony", tmp_path / "ceremony-new", 2, SystemClock())
    with pytest.raises(ConfigError, match="0 of the 2 old root keys signed that it takes"):
        rotate_online(tmp_path / "registry", tmp_path / "ceremony", 1, SystemClock())
    rotate_online(tmp_path / "registry", tmp_path / "ceremony-new", 2, SystemClock())
    async with opened(tmp_path) as house:
        reader = house.reader("old")
        reader.refresh()
        assert reader.resolve("acme", "greeter").listing.now.state is State.ACTIVE


async def test_a_rotation_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    await _published(tmp_path)
    keys = tmp_path / "registry" / "keys"
    shutil.copytree(keys, tmp_path / "keys-before")
    rotate_online(tmp_path / "registry", tmp_path / "ceremony", 1, SystemClock())
    for name in ("online", "log", "standing"):  # as a kill between the metadata and the keys' new names leaves it
        (keys / f"{name}.key").replace(keys / f"{name}.new.key")
        shutil.copy(tmp_path / "keys-before" / f"{name}.key", keys / f"{name}.key")
    with pytest.raises(ConfigError, match="does not name this online key: `cryptlet registry rotate` does it"):
        async with opened(tmp_path):
            pass
    rotate_online(tmp_path / "registry", tmp_path / "ceremony", 1, SystemClock())
    async with opened(tmp_path) as house:
        reader = house.reader("old")
        reader.refresh()
        assert reader.resolve("acme", "greeter").listing.now.state is State.ACTIVE


async def test_a_lost_database_comes_back_from_a_mirror(tmp_path: Path) -> None:
    await _published(tmp_path)
    async with opened(tmp_path) as house:
        copier = house.reader("copier")
        mirror(copier, Folder(house.public), tmp_path / "mirror", lambda _: None)
    for path in (tmp_path / "registry").glob("registry.db*"):
        path.unlink()
    await asyncio.to_thread(restore_database, tmp_path / "registry", str(tmp_path / "mirror"), "")
    with pytest.raises(ConfigError, match="the database has a log"):
        await asyncio.to_thread(restore_database, tmp_path / "registry", str(tmp_path / "mirror"), "")
    async with opened(tmp_path) as house:
        await house.publish("acme", wheel(version="1.1.0"), ALICE)
        reader = house.reader("old")
        reader.refresh()
        assert reader.resolve("acme", "greeter").listing.publication.version == "1.1.0"
        audit(reader, lambda _: None)


async def test_a_changed_mirror_restores_nothing(tmp_path: Path) -> None:
    await _published(tmp_path)
    public = tmp_path / "registry" / "public"
    tile = public / "log" / "tile" / "entries" / "000.p" / "3"
    tile.write_bytes(tile.read_bytes().replace(b"greeter", b"greetes"))
    for path in (tmp_path / "registry").glob("registry.db*"):
        path.unlink()
    with pytest.raises(VerificationError, match="do not give the signed root; take another mirror"):
        await asyncio.to_thread(restore_database, tmp_path / "registry", str(public), "")


async def test_a_lost_public_folder_is_written_again(tmp_path: Path) -> None:
    await _published(tmp_path)
    public = tmp_path / "registry" / "public"
    wheels, kept = public / "wheels", tmp_path / "kept"
    kept.mkdir()
    for name in ("1.root.json", "1.targets.json"):
        shutil.copy(public / "metadata" / name, kept / name)
    shutil.copytree(wheels, tmp_path / "wheels")
    shutil.rmtree(public)
    shutil.copytree(kept, public / "metadata")
    shutil.copytree(tmp_path / "wheels", wheels)
    async with opened(tmp_path) as house:
        reader = house.reader("newcomer")
        reader.refresh()
        audit(reader, lambda _: None)
        old = house.reader("old")
        with pytest.raises((VerificationError, StoreError), match="timestamp"):
            old.refresh()  # versions began anew: those who saw later ones wait for a rotation
    rotate_online(tmp_path / "registry", tmp_path / "ceremony", 1, SystemClock())
    async with opened(tmp_path) as house:
        old = house.reader("old")
        old.refresh()
        assert old.resolve("acme", "greeter").listing.now.state is State.ACTIVE


@pytest.mark.postgres
async def test_a_registry_in_postgresql(tmp_path: Path, server: Server) -> None:
    url = server.make("registry")
    async with opened(tmp_path, database=url) as house:
        await house.claim("acme", ALICE)
        await house.publish("acme", wheel(), ALICE)
        assert await house.registry.store.stage(STAGED, "one", LATER)
    async with opened(tmp_path, database=url) as house:
        assert not await house.registry.store.stage(replace(STAGED, digest=sha256(b"other")), "one", LATER)
        audit(house.reader(), lambda _: None)
        assert (house.registry.book.size, house.registry.book.origin) == (3, ORIGIN)
