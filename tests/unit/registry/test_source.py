"""Served registries as a fabric's source: by measurement, from a cache where they are silent, with standings."""

from pathlib import Path

import pytest
from typing_extensions import override

from fabric.bundles.source import BundleSource, StandingSource
from fabric.core.clock import FrozenClock
from fabric.core.errors import ConfigError, NotFound, StoreError
from fabric.core.ids import Measurement
from fabric.trust.standing import State
from registry.client.reader import Reader
from registry.client.source import ServedSource, open_source
from registry.client.transport import Folder
from registry.client.trusted import Trusted
from tests.support.registries import ALICE, House, opened, wheel


class Silent(Folder):
    """A registry that may be cut off."""

    is_cut = False

    @override
    def read(self, path: str, limit: int) -> bytes:
        if self.is_cut:
            raise StoreError(f"{self.name}: no answer")
        return super().read(path, limit)


def _source(house: House, clock: FrozenClock) -> tuple[ServedSource, Silent]:
    place = Silent(house.public)
    trusted = Trusted(place, house.root, house.folder / "fabric" / "state", house.folder / "fabric" / "cache")
    return ServedSource({"one": Reader(place, trusted, house.clock)}, house.folder / "fabric" / "bundles", clock), place


async def test_a_fabric_that_is_cut_off_still_has_what_it_had(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        bundle = await house.publish("acme", wheel(), ALICE)
        other = await house.publish("acme", wheel(version="1.1.0"), ALICE)
        clock = FrozenClock()
        source, place = _source(house, clock)
        port: BundleSource = source
        assert isinstance(source, StandingSource)
        data, publication = port.get(bundle.measurement)
        assert (data, publication.version) == (wheel(), "1.0.0")
        assert port.resolve("acme/greeter") == other.measurement
        place.is_cut = True
        clock.advance(60)
        assert port.get(bundle.measurement) == (data, publication)
        with pytest.raises(StoreError, match="no answer"):
            port.get(other.measurement)
        with pytest.raises(StoreError, match="no answer"):
            source.standings([bundle.measurement])


async def test_a_spoiled_cache_is_no_source(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        bundle = await house.publish("acme", wheel(), ALICE)
        clock = FrozenClock()
        source, place = _source(house, clock)
        source.get(bundle.measurement)
        (kept,) = (house.folder / "fabric" / "bundles").glob("*.whl")
        kept.write_bytes(wheel(version="6.6.6"))
        place.is_cut = True
        clock.advance(60)
        with pytest.raises(StoreError):
            source.get(bundle.measurement)


async def test_a_revocation_reaches_the_next_poll(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        bundle = await house.publish("acme", wheel(), ALICE)
        clock = FrozenClock()
        source, _ = _source(house, clock)
        assert source.standings([bundle.measurement])[bundle.measurement].state is State.ACTIVE
        await house.change(bundle, State.REVOKED, "leaks", ALICE)
        clock.advance(30)
        assert source.standings([bundle.measurement])[bundle.measurement].state is State.REVOKED
        assert source.standings([Measurement(bytes(32))]) == {}
        with pytest.raises(NotFound):
            source.get(Measurement(bytes(32)))


def test_a_configuration_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="registries"):
        open_source({"registries": {}, "state": str(tmp_path)})
    with pytest.raises(ConfigError, match="comes from the registry's operator"):
        open_source({"registries": {"x": {"url": "https://r.example", "root": str(tmp_path / "no")}}, "state": "."})
    with pytest.raises(ConfigError, match="plain http is for this machine alone"):
        open_source({"registries": {"x": {"url": "http://r.example", "root": "r"}}, "state": "."})
