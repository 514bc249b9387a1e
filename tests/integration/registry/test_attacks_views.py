"""Two histories of one log, shown to two clients over HTTP: named, and both checkpoints kept as evidence."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fabric.core.clock import SystemClock
from fabric.core.errors import StoreError, VerificationError
from fabric.core.ids import Digest
from fabric.trust.checkpoint import Checkpoint, open_note, sign_note
from registry.client.audit import compare_views
from registry.client.reader import Reader
from registry.client.transport import Web
from registry.client.trusted import MAX_SPLITS
from registry.files import Shelf
from registry.house.founding import rotate_online
from registry.log.writer import LogWriter
from registry.tuf.keys import open_key
from tests.support.evil_mirror import Mirror
from tests.support.registries import ALICE, BOB, House, opened, wheel
from tests.support.registry_server import serving

pytestmark = pytest.mark.e2e


@asynccontextmanager
async def two_histories(folder: Path) -> AsyncIterator[tuple[House, House]]:
    """Yields a registry, and what somebody shows others who has a copy of its server; they part after two entries."""
    async with opened(folder) as house:
        await house.claim("acme", ALICE)
    for part in ("registry", "ceremony"):
        shutil.copytree(folder / part, folder / "twin" / part)
    async with opened(folder) as house, opened(folder / "twin") as twin:
        yield house, twin


def _check_evidence(state: Path, mine: Checkpoint, other: Checkpoint, key: bytes) -> None:
    """Finds both notes on the disk, each signed by the log's key: whoever sees them needs no word of ours."""
    name = f"split-{other.root.hex()[:8]}"
    assert open_note((state / f"{name}.note").read_text(), key) == other
    assert open_note((state / f"{name}-seen.note").read_text(), key) == mine


async def _parted(house: House, twin: House, more: int) -> None:
    await house.claim("bobs", BOB)
    for number in range(1 + more):
        await twin.publish("acme", wheel(version=f"6.6.{number}"), ALICE)


@pytest.mark.parametrize("more", [0, 1, 6])
async def test_a_split_view_is_named_and_kept(tmp_path: Path, more: int) -> None:
    async with two_histories(tmp_path) as (house, twin):
        await _parted(house, twin, more)
        mirror = Mirror(house.public)
        async with serving(mirror.app()) as url:
            reader = house.reader(source=Web(url))
            await asyncio.to_thread(reader.refresh)
            mirror.take(twin.public, "log/**/*", "log/checkpoint")
            again = house.reader(source=Web(url))  # another process on the same state
            with pytest.raises(
                VerificationError, match=r"log: split view, two histories of .* kept as .*split-.*\.note"
            ):
                await asyncio.to_thread(again.refresh)
            state = tmp_path / "reader" / "state"
            mine, other = reader.checkpoint, twin.registry.publisher._log.checkpoint
            _check_evidence(state, mine, other, reader.pins.log_key)
            mirror.files.clear()
            await asyncio.to_thread(again.refresh)  # its own history goes on
            _check_evidence(state, mine, other, reader.pins.log_key)


async def test_two_clients_tell_each_other(tmp_path: Path) -> None:
    async with two_histories(tmp_path) as (house, twin):
        await _parted(house, twin, 2)
        async with serving(Mirror(house.public).app()) as one, serving(Mirror(twin.public).app()) as two:

            def look() -> None:
                readers = [house.reader("one", Web(one)), twin.reader("two", Web(two))]
                for reader in readers:
                    reader.refresh()
                with pytest.raises(VerificationError, match=r"views: split view of registry\.test/one: 3 .* and 5 .*"):
                    compare_views(*readers)

            await asyncio.to_thread(look)


async def test_a_spoiled_tile_accuses_nobody_of_a_split_view(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        mirror = Mirror(house.public)
        async with serving(mirror.app()) as url:
            reader = house.reader(source=Web(url))
            await asyncio.to_thread(reader.refresh)
            await house.publish("acme", wheel(), ALICE)
            (place,) = house.public.glob("log/tile/0/000.p/3")
            path, data = place.relative_to(house.public).as_posix(), place.read_bytes()
            for at in range(0, len(data), 7):
                mirror.files[path] = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                with pytest.raises(
                    VerificationError, match=r"log: the tiles here do not give the signed root .*another"
                ):
                    await asyncio.to_thread(reader.refresh)
            mirror.files[path] = None
            with pytest.raises(StoreError, match=r"which its log needs: this mirror is not whole, take another"):
                await asyncio.to_thread(reader.refresh)
            assert not [*(tmp_path / "reader" / "state").glob("split-*")]


async def test_evidence_does_not_fill_the_disk(tmp_path: Path) -> None:
    """Whoever has the log's key can sign another history at every poll."""
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        mirror, key = Mirror(house.public), open_key(tmp_path / "registry" / "keys" / "log.key")
        async with serving(mirror.app()) as url:
            reader = house.reader(source=Web(url))
            await asyncio.to_thread(reader.refresh)
            for number in range(MAX_SPLITS + 2):
                forged = Checkpoint(reader.checkpoint.origin, reader.checkpoint.size, Digest(bytes([number]) * 32))
                mirror.files["log/checkpoint"] = sign_note(forged, key.public, key.sign(forged.body)).encode()
                told = "kept as" if number < MAX_SPLITS else f"not kept, {MAX_SPLITS} others are in"
                with pytest.raises(VerificationError, match=told):
                    await asyncio.to_thread(reader.refresh)
            assert len([*(tmp_path / "reader" / "state").glob("split-*")]) == 2 * MAX_SPLITS


async def test_a_log_that_a_thief_made_longer_is_followed_until_a_person_says_so(tmp_path: Path) -> None:
    """Fast-forward of the log: after the key was replaced the honest log is shorter, and the refusal says what to do.

    A rotation alone does not have it forgotten: else whoever runs a registry could replace a key to rewrite its log.
    """
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        mirror, key = Mirror(house.public), open_key(tmp_path / "registry" / "keys" / "log.key")
        forged = LogWriter(Shelf(tmp_path / "forged" / "log"), house.registry.book.origin, key.public, key.sign)
        forged.extend([*house.registry.leaves, *(b"x" for _ in range(300))])
        forged.emit(0)
        async with serving(mirror.app()) as url:
            reader = house.reader("victim", Web(url))
            await asyncio.to_thread(reader.refresh)
            mirror.take(tmp_path / "forged", "log/**/*")
            await asyncio.to_thread(reader.refresh)
            assert reader.checkpoint.size == 302
            mirror.files.clear()
            with pytest.raises(VerificationError, match=r"302 when it was last seen.*Take another mirror$"):
                await asyncio.to_thread(reader.refresh)
    rotate_online(tmp_path / "registry", tmp_path / "ceremony", 1, SystemClock())
    async with opened(tmp_path) as house:
        async with serving(Mirror(house.public).app()) as url:
            reader = house.reader("victim", Web(url))
            await asyncio.to_thread(_recover, reader, tmp_path / "victim" / "state" / "checkpoint")
        assert reader.checkpoint.size == 2


def _recover(reader: Reader, checkpoint: Path) -> None:
    with pytest.raises(VerificationError, match=rf"says that the log's former key was stolen, move {checkpoint} away"):
        reader.refresh()
    checkpoint.replace(checkpoint.with_name("checkpoint-of-a-thief"))
    reader.refresh()
