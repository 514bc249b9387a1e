"""Two processes on one registry, and two authors at one moment."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from fabric.core import canonical
from fabric.core.clock import SystemClock
from fabric.core.errors import FabricError, Refused
from fabric.core.ids import sha256
from fabric.trust.schemes import ED25519, Signature
from registry.book.bodies import Release
from registry.cli.operating import restore_database
from registry.client.api import Api, Told
from registry.client.audit import audit
from registry.client.transport import Web
from registry.house.founding import rotate_online, rotate_root
from registry.server.app import make_app
from tests.support.cut_wire import SERVE, served
from tests.support.projects import SOURCE
from tests.support.registries import ALICE, BOB, MALLORY, Person, opened, release, wheel
from tests.support.registry_server import serving

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.timeout(300)]

HELD: Final = r"registry: process {} works on this registry: stop it first, then do the same again"


async def test_a_second_process_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
    folder, offline, clock = tmp_path / "registry", tmp_path / "ceremony", SystemClock()
    async with served(folder) as first:
        told = HELD.format(first.process.pid)
        second = await asyncio.create_subprocess_exec(
            *SERVE, str(folder), "--port", "0", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        said, complained = await second.communicate()
        assert (second.returncode, said) == (3, b"")
        assert told in " ".join(complained.decode().split())
        before = {path: path.read_bytes() for path in (folder / "keys").iterdir()}
        for command in (
            partial(rotate_online, folder, offline, 1, clock),
            partial(rotate_root, folder, offline, tmp_path / "new", 1, clock),
            partial(restore_database, folder, str(folder / "public"), ""),
        ):
            with pytest.raises(Refused, match=told):
                await asyncio.to_thread(command)
        assert {path: path.read_bytes() for path in (folder / "keys").iterdir()} == before
        assert not (tmp_path / "new").exists()
    async with opened(tmp_path) as house:  # a dead holder bars nobody, though its name is in the file
        assert str(first.process.pid) not in (folder / ".lock").read_text()
        assert house.registry.book.size == 2


def _publish(url: str, data: bytes, person: Person = ALICE) -> Told:
    return Api(Web(url)).enter("acme", release(data, person), [person.key], data)


async def test_two_authors_at_one_moment_both_land(tmp_path: Path) -> None:
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:
        await house.claim("acme", ALICE, BOB)
        people = (ALICE, BOB, ALICE, BOB)
        wheels = [wheel(version=f"1.{number}.0") for number in range(len(people))]
        found = await asyncio.gather(
            *(asyncio.to_thread(_publish, url, *each) for each in zip(wheels, people, strict=True))
        )
        assert sorted(told.position or 0 for told in found) == [2, 3, 4, 5]
        again = await asyncio.gather(*(asyncio.to_thread(_publish, url, data) for data in wheels[::2]))
        assert [told.position for told in again] == [found[0].position, found[2].position]
        assert await house.registry.store.pending() == []
        audit(house.reader(), lambda _: None)


async def test_of_one_version_with_two_contents_one_lands(tmp_path: Path) -> None:
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:
        await house.claim("acme", ALICE, BOB)
        wheels = [wheel(), wheel(source=f"{SOURCE}# another\n")]
        found = await asyncio.gather(
            *(asyncio.to_thread(_publish, url, *each) for each in zip(wheels, (ALICE, BOB), strict=True)),
            return_exceptions=True,
        )
        (landed,) = [one for one in found if isinstance(one, Told)]
        (told,) = [one for one in found if isinstance(one, FabricError)]
        assert landed.position == 2
        assert isinstance(told, Refused)
        assert "1.0.0" in str(told)
        reader = house.reader()
        reader.refresh()
        assert reader.wheel(reader.resolve("acme", "greeter"))[0] == wheels[found.index(landed)]
        audit(reader, lambda _: None)


async def test_who_waits_for_somebody_elses_wheel_keeps_it_from_nobody(tmp_path: Path) -> None:
    """Mallory, who sees what waits, asks for Alice's file first, with a release that speaks of another."""
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:
        await house.claim("acme", ALICE)
        await house.claim("mallory", MALLORY)
        publication = replace(release(wheel(version="6.6.6"), MALLORY).publication, wheel=sha256(wheel()))
        value = MALLORY.key.sign(canonical.encode(publication.fields))
        lie = Release(replace(publication, signature=Signature(ED25519, MALLORY.key.public, value)), len(wheel()))
        await house.registry.submit(house.entry("mallory", lie, MALLORY))
        told = await asyncio.to_thread(_publish, url, wheel())
        assert told.position == 3
        assert [item.namespace for item in house.registry.book.listings.values()] == ["acme"]
