"""Any published file, spoiled anyhow on its way: refused, or the answer is the same. A property, over HTTP."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabric.core.clock import SystemClock
from fabric.core.errors import FabricError
from fabric.trust.standing import State
from registry.client.audit import audit
from registry.client.transport import Web
from registry.house.founding import rotate_online
from tests.support.evil_mirror import Mirror
from tests.support.registries import ALICE, House, opened, wheel
from tests.support.registry_server import serving

pytestmark = pytest.mark.e2e

SPOIL: Final[dict[str, Callable[[bytes, int], bytes | None]]] = {
    "flip": lambda data, at: data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :],
    "cut": lambda data, at: data[:at],
    "double": lambda data, at: data[:at] + data[at : at + 1] + data[at:],
    "swap": lambda data, at: data[at:] + data[:at],
    "drop": lambda _data, _at: None,
}


@dataclass
class Victim:
    """A client that forgets everything between two looks.

    Attributes:
        house: the registry.
        url: of the mirror.
        looks: how many there were.
    """

    house: House
    url: str
    looks: int = 0

    def look(self) -> tuple[object, ...]:
        """Returns all that a client would act on."""
        self.looks += 1
        reader = self.house.reader(f"victim-{self.looks}", Web(self.url))
        audited = audit(reader, lambda _: None)
        found = reader.resolve("acme", "greeter")
        told = reader.standings([found.listing.measurement])[found.listing.measurement]
        return audited.checkpoint, found.listing, reader.wheel(found)[0], told.state, told.position


async def test_a_spoiled_file_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        await house.publish("acme", wheel(), ALICE)
        root = house.root
    rotate_online(tmp_path / "registry", tmp_path / "ceremony", 1, SystemClock())
    async with opened(tmp_path) as house:
        assert house.root == root  # what clients have; the next root is fetched
        bundle = await house.publish("acme", wheel(version="1.1.0"), ALICE)
        await house.change(bundle, State.DEPRECATED, "old", ALICE)
        mirror = Mirror(house.public)
        async with serving(mirror.app()) as url:
            await asyncio.to_thread(_spoil, Victim(house, url), mirror)


def _spoil(victim: Victim, mirror: Mirror) -> None:
    whole = victim.look()
    paths = sorted({path for path in mirror.asked if (mirror.root / path).is_file()})

    def is_refused(path: str, kind: str, place: int) -> bool:
        data = (mirror.root / path).read_bytes()
        mirror.files = {path: SPOIL[kind](data, place % len(data))}
        try:
            assert victim.look() == whole, f"{kind} of {path} at {place % len(data)}"
        except FabricError:
            return True
        return False

    @settings(suppress_health_check=[HealthCheck.too_slow], max_examples=min(1_000, settings().max_examples))
    @given(path=st.sampled_from(paths), kind=st.sampled_from(sorted(SPOIL)), place=st.integers(0, 2**20))
    def check(path: str, kind: str, place: int) -> None:
        is_refused(path, kind, place)

    check()
    assert {path.partition("/")[0] for path in paths} == {"metadata", "targets", "log", "standings", "wheels"}
    assert [path for path in paths if not is_refused(path, "cut", len(path))] == []
