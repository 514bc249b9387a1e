"""A registry that is killed, or loses its power, while it publishes: readers see the old state or the new."""

import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from fabric.bundles.bundle import read_bundle
from fabric.core import canonical
from fabric.core.clock import SystemClock
from fabric.core.errors import NotFound
from fabric.core.ids import sha256
from registry.client.api import Api
from registry.client.audit import audit
from registry.client.reader import Reader
from registry.client.transport import Folder, Source, Web
from registry.client.trusted import Trusted
from registry.house.founding import Plan, found, rotate_online
from registry.house.staging import STAGED
from registry.house.store import Pending
from registry.server.app import make_app
from tests.support.depth import DEPTH
from tests.support.durable_steps import chosen
from tests.support.registries import ALICE, ORIGIN, House, opened, release, wheel
from tests.support.registry_server import serving

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(300 * DEPTH)]

LEAST: Final = 40
"""A publish has more steps that must last than this: fewer counted would mean that the count is broken."""


async def _write(home: Path, copies: Path, how: str, *numbers: int) -> list[list[str]]:
    """Publishes in processes of which each dies before a step; returns which steps each came to."""
    command = [sys.executable, "-m", "tests.support.registry_writer", str(home), str(copies), how, *map(str, numbers)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in said.splitlines()]


@dataclass(frozen=True)
class Scene:
    """A registry before a bundle is published, and a reader who knows it.

    Attributes:
        home: the house's folder.
        copies: where it is copied to for each death.
    """

    home: Path
    copies: Path

    def reader(self, source: Source, state: Path, name: str) -> Reader:
        root = (self.home / "ceremony" / "root.json").read_bytes()
        return Reader(source, Trusted(source, root, state / name / "state", state / name / "cache"), SystemClock())


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path / "first", tmp_path / "copies")
    made.copies.mkdir()
    async with opened(made.home) as house:
        await house.claim("acme", ALICE)
        house.reader("reader").refresh()
    return made


def _state(reader: Reader, *, has_standings: bool = True) -> str:
    """Returns what a reader sees, all of it verified; nothing may contradict itself.

    Standings come last: where a registry died just before them, a new bundle is there and nobody vouches for it yet.
    """
    reader.refresh()
    try:
        found = reader.resolve("acme", "greeter")
    except NotFound:
        return "old"
    assert reader.wheel(found)[0] == wheel()
    assert reader.standings([found.listing.measurement]) or not has_standings
    return "new"


def _after_the_restart(scene: Scene, house: House, url: str) -> str:
    """Reads and repeats over HTTP, as those do who heard no answer; returns what readers saw before the repeat."""
    web = Web(url)
    seen = {_state(scene.reader(web, house.folder, name)) for name in ("reader", "newcomer")}
    api = Api(web)
    told = api.submit(api.make("acme", release(wheel(), ALICE), [ALICE.key]), wheel())
    again = api.submit(api.make("acme", release(wheel(), ALICE), [ALICE.key]), wheel())
    assert (told.position, again.position, house.registry.book.size) == (2, 2, 3)
    reader = scene.reader(web, house.folder, "reader")
    assert _state(reader) == "new"
    audit(reader, lambda _: None)
    (found,) = seen  # both see the same
    return found


async def _look(scene: Scene, folder: Path) -> tuple[str, str]:
    """Returns what readers of a dead registry's files see, and what those of its restarted server do."""
    public = Folder(folder / "registry" / "public")
    before = _state(scene.reader(public, folder, "reader"), has_standings=False)
    async with opened(folder) as house, serving(make_app(house.registry)) as url:
        after = await asyncio.to_thread(_after_the_restart, scene, house, url)
        assert len(await house.registry.store.leaves(0)) == 3
        assert await house.registry.store.pending() == []
    async with opened(folder):
        places = [path for path in (folder / "registry").rglob("*") if path.is_file()]
        assert [path for path in places if path.name.endswith(".new") or "staged" in path.parts] == []
        assert len([path for path in places if path.suffix == ".whl"]) == 1
    return before, after


@pytest.mark.parametrize("how", ["keep", "lose"])
async def test_killed_before_each_step_that_must_last(scene: Scene, how: str) -> None:
    (steps,) = await _write(scene.home, scene.copies, how, 0)
    assert len(steps) > LEAST
    numbers, seen = chosen(steps), {}
    reached = await _write(scene.home, scene.copies, how, *numbers)
    assert reached == [steps[:number] for number in numbers]
    for number in numbers:
        folder = scene.copies / str(number)
        seen[number] = await _look(scene, folder)
        shutil.rmtree(folder)
    commits = [number for number, name in enumerate(steps, 1) if name == "after a commit"]
    logged = commits[-1]  # before it nothing is published, after it everything will be
    assert {after for number, (_, after) in seen.items() if number < logged} == {"old"}
    assert {after for number, (_, after) in seen.items() if number >= logged} == {"new"}
    assert {before for before, _ in seen.values()} == {"old", "new"}


async def _bring(house: House) -> str:
    """Has a wheel wait for an owner as if a token had brought it; returns what names it."""
    bundle = read_bundle(wheel())
    size, digest = len(wheel()), bundle.wheel_digest.hex()
    body = canonical.encode({"namespace": "acme", "provenance": {}, "size": size, "wheel": digest})
    item = Pending(sha256(body), STAGED, "acme", body, bundle.wheel_digest, house.clock.unix_seconds())
    assert await house.registry.stage(item, bundle, wheel(), ("a token", house.clock.unix_seconds()))
    return item.digest.hex()


async def test_killed_while_an_owner_signs_what_a_token_brought(scene: Scene) -> None:
    async with opened(scene.home) as house:
        name = await _bring(house)
    (steps,) = await _write(scene.home, scene.copies, "keep", 0)
    commit = steps.index("after a commit") + 1
    assert "rename wheel" in steps[:commit]
    await _write(scene.home, scene.copies, "keep", *range(1, commit + 1))
    for number in range(1, commit + 1):
        folder = scene.copies / str(number)
        async with opened(folder) as house, serving(make_app(house.registry)) as url:
            if number < commit:  # whoever signs it measures it first
                api = Api(Web(url))
                assert await asyncio.to_thread(api.waiting_wheel, name, ALICE.key) == wheel()
                assert await asyncio.to_thread(api.staged, name)
                await house.publish("acme", wheel(), ALICE)
            assert await house.registry.store.pending() == []
            assert house.registry.book.size == 3
            assert house.registry.catalogue.search("greets")
            audit(house.reader(), lambda _: None)
        shutil.rmtree(folder)


async def _founded(home: Path) -> None:
    await found(Plan(home / "registry", home / "ceremony", ORIGIN), SystemClock())


async def _rotated(home: Path) -> None:
    async with opened(home) as house:
        await house.claim("acme", ALICE)
        await house.publish("acme", wheel(), ALICE)
        house.reader("reader").refresh()
    rotate_online(home / "registry", home / "ceremony", 1, SystemClock())


@pytest.mark.parametrize("prepare", [_founded, _rotated])
async def test_killed_in_a_start_that_signs_every_bin(
    tmp_path: Path, prepare: Callable[[Path], Awaitable[None]]
) -> None:
    """Eight threads write them: which step is the one is up to them, and nothing may hang on it."""
    home, copies = tmp_path / "first", tmp_path / "copies"
    copies.mkdir()
    await prepare(home)
    (steps,) = await _write(home, copies, "start", 0)
    assert steps.count("rename bin") == 256
    numbers = [*range(1, len(steps), len(steps) // (6 * DEPTH)), len(steps) - 4]
    await _write(home, copies, "start", *numbers)
    for number in numbers:
        folder = copies / str(number)
        async with opened(folder) as house:
            for name in ("reader", "newcomer"):
                audit(house.reader(name), lambda _: None)
        assert [*(folder / "registry").rglob("*.new")] == []
        shutil.rmtree(folder)
