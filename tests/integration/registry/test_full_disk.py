"""A disk that gets full while a registry publishes: it says so, serves reads, and goes on when there is space."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from fabric.core.errors import NotFound, StoreError
from registry.client.api import Api
from registry.client.audit import audit
from registry.client.reader import Reader
from registry.client.transport import Web
from registry.server.app import make_app
from tests.support.depth import DEPTH
from tests.support.durable_steps import Steps, chosen
from tests.support.full_disk import Disk, disk, needs_mount
from tests.support.registries import ALICE, House, opened, release, wheel
from tests.support.registry_server import serving

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(300 * DEPTH), needs_mount]

FULL = r"No space left on device|database or disk is full"
MEGABYTES = 16


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    async with opened(tmp_path / "first") as house:
        await house.claim("acme", ALICE)
        house.reader("reader").refresh()
    return tmp_path / "first"


def _publish(api: Api) -> int | None:
    return api.submit(api.make("acme", release(wheel(), ALICE), [ALICE.key]), wheel()).position


def _told(api: Api) -> str:
    """Publishes; returns what the server says where it cannot."""
    try:
        _publish(api)
    except StoreError as error:
        return str(error)
    return ""


def _state(reader: Reader) -> str:
    reader.refresh()
    try:
        return reader.resolve("acme", "greeter").listing.ref
    except NotFound:
        return "old"


def _reader(home: Path, house: House, number: int, url: str) -> Reader:
    """Returns a reader with a memory of its own, on a disk with room."""
    shutil.copytree(home / "reader", home / f"reader-{number}")
    return House(home, house.registry, house.clock).reader(f"reader-{number}", Web(url))


async def _full_at(home: Path, small: Disk, number: int) -> tuple[list[str], str, str]:
    """Publishes while the disk gets full before a step.

    Returns:
        The steps that were made, what the author was told, and what readers saw while it was full.
    """
    steps = Steps(number, lambda *_: small.fill())
    shutil.copytree(home, small.folder / "house")
    async with opened(small.folder / "house") as house, serving(make_app(house.registry)) as url:
        reader, api = _reader(home, house, number, url), Api(Web(url))
        with steps.counted():
            told = await asyncio.to_thread(_told, api)
        seen = await asyncio.to_thread(_state, reader)
        if number:
            small.free()
        assert await asyncio.to_thread(_publish, api) == 2  # the same server takes it when there is room
        assert await asyncio.to_thread(_state, reader) == "acme/greeter@1.0.0"
        assert len(await house.registry.store.leaves(0)) == 3
        await asyncio.to_thread(audit, reader, lambda _: None)
    return steps.names, told, seen


async def _once(home: Path, number: int) -> tuple[list[str], str, str]:
    with disk(home.parent / f"disk-{number}", MEGABYTES) as small:
        return await _full_at(home, small, number)


async def test_a_disk_that_gets_full_before_any_step(home: Path) -> None:
    steps, told, seen = await _once(home, 0)
    assert (told, seen) == ("", "acme/greeter@1.0.0")
    found = {number: (await _once(home, number))[1:] for number in chosen(steps)}
    assert {seen for _, seen in found.values()} == {"old", "acme/greeter@1.0.0"}
    refused = {number: told for number, (told, _) in found.items() if told}
    assert all(re.search(FULL, told) for told in refused.values()), refused
    logged = [number for number, name in enumerate(steps, 1) if name == "after a commit"][-1]
    assert all(
        told.startswith("logged at position 2; it is published as soon as")
        for number, told in refused.items()
        if number > logged
    )
    assert min(refused) < logged < max(refused)
    # Where nobody was told anything, it was published: nothing more had to be written than the disk had room for.
    assert {seen for told, seen in found.values() if not told} == {"acme/greeter@1.0.0"}
