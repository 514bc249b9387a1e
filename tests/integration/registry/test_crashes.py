"""A registry that is killed, or whose disk is full, while it publishes: readers see the old state or the new."""

import asyncio
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

import pytest

from fabric.core.clock import SystemClock
from fabric.core.errors import NotFound, Refused, StoreError
from registry.client.audit import audit
from registry.client.reader import Reader
from registry.client.transport import Folder
from registry.client.trusted import Trusted
from registry.house.founding import open_house
from tests.support.full_disk import disk, needs_mount
from tests.support.registries import ALICE, admit_all, opened, wheel

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

STEPS: Final = 24
"""More than a publish has durable steps: the last ones are not reached."""


async def _killed(folder: Path, number: int) -> bool:
    """Publishes in a process that is killed before a step; returns whether it came so far."""
    command = [sys.executable, "-m", "tests.support.registry_writer", str(folder), str(number)]
    process = await asyncio.create_subprocess_exec(*command)
    code = await process.wait()
    assert code in {0, -signal.SIGKILL}
    return code != 0


async def test_killed_before_each_durable_step(tmp_path: Path) -> None:
    async with opened(tmp_path / "first") as house:
        await house.claim("acme", ALICE)
    seen = set()
    for number in range(1, STEPS):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "first", folder)
        killed = await _killed(folder, number)
        async with opened(folder) as house:  # which publishes what the killed one had logged
            published = bool(house.registry.book.listings)
            await house.publish("acme", wheel(), ALICE)  # as its author does, who heard no answer
            audit(house.reader("after"), lambda _: None)
        seen.add((killed, published))
        if not killed:
            break
        shutil.rmtree(folder)
    assert seen == {(True, False), (True, True), (False, True)}


async def test_a_reader_of_a_killed_registry_sees_the_old_state_or_the_new(tmp_path: Path) -> None:
    async with opened(tmp_path / "first") as house:
        await house.claim("acme", ALICE)
        house.reader("reader").refresh()
    seen = set()
    for number in range(1, STEPS):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "first", folder)
        if not await _killed(folder, number):
            break
        seen.add(await _state_for_a_reader(tmp_path / "first", folder))
    assert seen == {"old", "new"}


async def _state_for_a_reader(home: Path, folder: Path) -> str:
    """Reads with what is left, with nobody serving; nothing may contradict itself."""
    place = Folder(folder / "registry" / "public")
    root = (home / "ceremony" / "root.json").read_bytes()
    state = folder / "reader" / "state"
    reader = Reader(place, Trusted(place, root, state, folder / "cache"), SystemClock())
    reader.refresh()
    try:
        found = reader.resolve("acme", "greeter")
    except NotFound:
        return "old"
    assert reader.wheel(found)[0] == wheel()
    return "new"


@needs_mount
async def test_a_full_disk_refuses_and_the_rest_follows_when_there_is_room(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", 64) as small:
        async with opened(small.folder) as house:
            await house.claim("acme", ALICE)
            reader = house.reader("reader")
            reader.refresh()
            small.fill()
            with pytest.raises(StoreError, match=r"No space left|database or disk is full|unable to"):
                await house.publish("acme", wheel(), ALICE)
            small.free()
            reader.refresh()  # the former state, whole
            await house.publish("acme", wheel(), ALICE)
            audit(reader, lambda _: None)
            assert reader.resolve("acme", "greeter").listing.ref == "acme/greeter@1.0.0"


async def test_one_process_serves_a_folder(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        second = open_house(tmp_path / "registry", house.clock, admit_all)
        with pytest.raises(Refused, match="another process serves this registry"), second:
            pass
