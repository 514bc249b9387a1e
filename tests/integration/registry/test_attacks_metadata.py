"""Attacks on what is current, through a real client over HTTP; each refusal says what happened and what to do.

The table of TUF (its section 1.5.2) and of docs/spec/registry.md, 5.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import urllib3
from tuf.api.metadata import Metadata, MetaFile, Snapshot, SuccinctRoles, TargetFile, Targets, Timestamp
from typing_extensions import override

from fabric.bundles.bundle import Bundle
from fabric.core.clock import FrozenClock, SystemClock
from fabric.core.errors import FabricError, Oversize, StoreError, VerificationError
from fabric.trust.standing import State
from registry.client.audit import audit
from registry.client.reader import Reader
from registry.client.transport import Web
from registry.house.founding import rotate_online
from registry.tuf.keys import open_key
from registry.tuf.pins import BIN_BITS, BIN_PREFIX
from tests.support.evil_mirror import Mirror
from tests.support.registries import ALICE, House, opened, wheel
from tests.support.registry_server import serving

pytestmark = pytest.mark.e2e


@dataclass
class Scene:
    """A registry with a mirror of it.

    Attributes:
        house: the registry.
        mirror: hands out its public folder.
        url: of the mirror.
        bundle: one that is published.
    """

    house: House
    mirror: Mirror
    url: str
    bundle: Bundle

    def reader(self, name: str = "victim") -> Reader:
        return self.house.reader(name, Web(self.url))

    def copy(self) -> Path:
        """Keeps the public folder as it is now."""
        place = self.house.folder / "before"
        shutil.copytree(self.house.public, place)
        return place

    async def refused(self, reader: Reader, pattern: str, kind: type[FabricError] = VerificationError) -> None:
        with pytest.raises(kind, match=pattern):
            await asyncio.to_thread(self.look, reader)

    def look(self, reader: Reader) -> State:
        """Does what a fabric does at a poll and a start."""
        reader.refresh()
        found = reader.find(self.bundle.measurement)
        reader.standings([self.bundle.measurement])
        return found.listing.now.state


class Counting(Web):
    """Counts the bytes of the longest answer that was read."""

    most = 0

    @override
    def _receive(self, answer: urllib3.BaseHTTPResponse, limit: int, url: str) -> bytes:
        data = super()._receive(answer, limit, url)
        self.most = max(self.most, len(data))
        return data


@asynccontextmanager
async def scene(tmp_path: Path, clock: FrozenClock | None = None) -> AsyncIterator[Scene]:
    async with opened(tmp_path, clock) as house:
        await house.claim("acme", ALICE)
        bundle = await house.publish("acme", wheel(), ALICE)
        mirror = Mirror(house.public)
        async with serving(mirror.app()) as url:
            yield Scene(house, mirror, url, bundle)


async def _revoked(at: Scene) -> Path:
    """Revokes the bundle; returns the folder of before."""
    before = at.copy()
    await at.house.change(at.bundle, State.REVOKED, "leaks", ALICE)
    return before


async def test_rollback_is_refused_after_a_restart_and_without_the_cache(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        before = await _revoked(at)
        assert await asyncio.to_thread(at.look, at.reader()) is State.REVOKED
        at.mirror.take(before, "metadata/timestamp.json")
        await at.refused(at.reader(), r"tuf: .*timestamp.*What was trusted before stays trusted")
        shutil.rmtree(at.house.folder / "victim" / "cache")
        await at.refused(at.reader(), r"tuf: .*timestamp")


async def test_rollback_of_the_log_is_refused_even_where_tuf_has_forgotten(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        before = await _revoked(at)
        assert await asyncio.to_thread(at.look, at.reader()) is State.REVOKED
        shutil.rmtree(at.house.folder / "victim" / "state" / "metadata")
        at.mirror.take(before, "metadata/*", "log/checkpoint", "standings/*")
        await at.refused(
            at.reader(), r"log: the log has 3 entries, and had 4 when it was last seen: it was rolled back"
        )


async def test_freeze_ends_with_the_timestamp(tmp_path: Path) -> None:
    clock = FrozenClock(SystemClock().unix_seconds() - 7_200)
    async with scene(tmp_path, clock) as at:
        await at.refused(at.reader(), r"tuf: timestamp.json is expired: .*signing job is dead.*take another mirror")


async def test_an_old_standing_under_new_metadata_is_refused(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        before = await _revoked(at)
        at.mirror.take(before, "standings/*")
        reader = at.reader()
        await asyncio.to_thread(reader.refresh)
        told = await asyncio.to_thread(reader.standings, [at.bundle.measurement])
        found = await asyncio.to_thread(reader.find, at.bundle.measurement)
        assert (told[at.bundle.measurement].state, found.listing.now.state) == (State.ACTIVE, State.REVOKED)
        assert (
            told[at.bundle.measurement].expires - told[at.bundle.measurement].issued <= 3_600
        )  # so long, and no longer
        at.house.clock = FrozenClock(SystemClock().unix_seconds() + 3_601)
        late = at.reader("late")
        late._trusted = reader._trusted
        with pytest.raises(VerificationError, match=r"standing: it ended \d+ s ago: .*this mirror is old"):
            await asyncio.to_thread(late.standings, [at.bundle.measurement])


async def test_mix_and_match_is_refused(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        before = await _revoked(at)
        old = {path.name.partition(".")[2]: path for path in before.glob("metadata/*.bin-*.json")}
        for path in at.house.public.glob("metadata/*.bin-*.json"):
            known = old.get(path.name.partition(".")[2])
            if known is not None:
                at.mirror.files[f"metadata/{path.name}"] = known.read_bytes()
        await at.refused(at.reader(), r"record: the metadata here do not hold: Observed hash .* take another mirror")


async def test_an_old_snapshot_under_a_new_timestamp_is_refused(tmp_path: Path) -> None:
    """With the stolen online key; after a restart too, and without the cache."""
    async with scene(tmp_path) as at:
        (old,) = at.house.public.glob("metadata/2.snapshot.json")
        data = old.read_bytes()
        await _revoked(at)
        assert await asyncio.to_thread(at.look, at.reader()) is State.REVOKED
        forged = Metadata[Timestamp].from_bytes((at.house.public / "metadata" / "timestamp.json").read_bytes())
        forged.signed.version += 1
        forged.signed.snapshot_meta = MetaFile.from_data(2, data, ["sha256"])
        forged.sign(open_key(tmp_path / "registry" / "keys" / "online.key").signer)
        at.mirror.files["metadata/timestamp.json"] = forged.to_bytes()
        at.mirror.files["metadata/2.snapshot.json"] = data
        await at.refused(at.reader(), r"tuf: .*snapshot.*What was trusted before stays trusted")
        shutil.rmtree(at.house.folder / "victim" / "cache")
        await at.refused(at.reader(), r"tuf: .*snapshot")


@pytest.mark.parametrize("what", ["metadata/2.snapshot.json", "metadata/1.targets.json", "log/checkpoint"])
async def test_a_file_that_is_kept_back_is_named(tmp_path: Path, what: str) -> None:
    async with scene(tmp_path) as at:
        for path in at.house.public.glob("metadata/*.snapshot.json"):
            at.mirror.files[f"metadata/{path.name}"] = None if "snapshot" in what else path.read_bytes()
        at.mirror.files[what] = None
        with pytest.raises(FabricError, match=r"snapshot|targets|checkpoint"):
            await asyncio.to_thread(at.look, at.reader())


async def test_endless_data_costs_no_more_than_the_file_may_have(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.mirror.endless("metadata/timestamp.json")
        counting = Counting(at.url)
        reader = at.house.reader("victim", counting)
        await at.refused(reader, r"more than the 16384 bytes that it may have; the rest was not read", StoreError)
        assert counting.most == 16_385
        at.mirror.answers.clear()
        await asyncio.to_thread(reader.refresh)
        found = await asyncio.to_thread(reader.find, at.bundle.measurement)
        at.mirror.endless(f"wheels/{found.listing.publication.wheel.hex()}.whl")
        with pytest.raises((VerificationError, Oversize), match=rf"more than the {found.listing.size} bytes"):
            await asyncio.to_thread(reader.wheel, found)


async def test_a_slow_mirror_meets_the_deadline(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        clock = FrozenClock()
        at.mirror.drip("metadata/timestamp.json", lambda: clock.advance(1))
        reader = at.house.reader("victim", Web(at.url, clock))
        await at.refused(reader, r"bytes in 30 s, which is too slow; take a mirror", StoreError)


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.mirror.redirect("metadata/timestamp.json", f"{at.url}/elsewhere")
        await at.refused(at.reader(), r"metadata/timestamp.json: status 307", StoreError)
        assert "elsewhere" not in at.mirror.asked


async def test_fast_forward_by_a_stolen_key_ends_with_a_rotation(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        reader = at.reader()
        await asyncio.to_thread(at.look, reader)
        path = at.house.public / "metadata" / "timestamp.json"
        forged = Metadata[Timestamp].from_bytes(path.read_bytes())
        forged.signed.version = 2**31 - 1
        forged.sign(open_key(tmp_path / "registry" / "keys" / "online.key").signer)
        at.mirror.files["metadata/timestamp.json"] = forged.to_bytes()
        await asyncio.to_thread(at.look, at.reader())  # it is signed: from now on nothing older is taken
        at.mirror.files.clear()
        await at.refused(at.reader(), r"tuf: .*timestamp")
    rotate_online(tmp_path / "registry", tmp_path / "ceremony", 1, SystemClock())
    async with opened(tmp_path) as house:
        mirror = Mirror(house.public)
        async with serving(mirror.app()) as url:
            again = Scene(house, mirror, url, at.bundle)
            assert await asyncio.to_thread(again.look, again.reader()) is State.ACTIVE


FAR: Final = 2**31 - 1
RUBBISH: Final = "names/acme/rubbish.json"


def _rubbish(name: str) -> dict[str, TargetFile]:
    """Returns what a thief lists in a bin besides: nothing that the log says."""
    role = SuccinctRoles([], 1, BIN_BITS, BIN_PREFIX).get_role_for_target(RUBBISH)
    return {RUBBISH: TargetFile.from_data(RUBBISH, b"{}", ["sha256"])} if name == f"{role}.json" else {}


def _forward(public: Path, key: Path) -> dict[str, bytes]:
    """Returns snapshot, bins and timestamp as a thief of the online key signs them: far ahead of all honest ones."""
    signer, folder = open_key(key).signer, public / "metadata"
    timestamp = Metadata[Timestamp].from_bytes((folder / "timestamp.json").read_bytes())
    place = folder / f"{timestamp.signed.snapshot_meta.version}.snapshot.json"
    snapshot = Metadata[Snapshot].from_bytes(place.read_bytes())
    files = {}
    for name, meta in snapshot.signed.meta.items():
        if name.startswith("bin-"):
            role = Metadata[Targets].from_bytes((folder / f"{meta.version}.{name}").read_bytes())
            role.signed.version = FAR
            role.signed.targets |= _rubbish(name)
            role.sign(signer)
            files[f"metadata/{FAR}.{name}"] = data = role.to_bytes()
            snapshot.signed.meta[name] = MetaFile.from_data(FAR, data, ["sha256"])
    snapshot.signed.version = FAR
    snapshot.sign(signer)
    files[f"metadata/{FAR}.snapshot.json"] = snapshot.to_bytes()
    timestamp.signed.snapshot_meta = MetaFile.from_data(FAR, snapshot.to_bytes(), ["sha256"])
    timestamp.signed.version = FAR
    timestamp.sign(signer)
    files["metadata/timestamp.json"] = timestamp.to_bytes()
    return files


@pytest.mark.parametrize("is_inside", [False, True], ids=["on a mirror", "in the registry's own folder"])
async def test_fast_forward_of_snapshot_and_bins_ends_with_a_rotation(tmp_path: Path, *, is_inside: bool) -> None:
    key = tmp_path / "registry" / "keys" / "online.key"
    async with scene(tmp_path) as at:
        await asyncio.to_thread(at.look, at.reader())
        forged = _forward(at.house.public, key)
        at.mirror.files.update(forged)
        assert await asyncio.to_thread(at.look, at.reader()) is State.ACTIVE  # followed, for it is signed
        at.mirror.files.clear()
        await at.refused(at.reader(), r"tuf: .*timestamp")
        if is_inside:
            for path, data in forged.items():
                (at.house.public / path).write_bytes(data)
            for place in at.house.public.glob("targets/*/*.json"):
                place.unlink()
    rotate_online(tmp_path / "registry", tmp_path / "ceremony", 1, SystemClock(), ("online",))
    async with opened(tmp_path) as house:
        mirror = Mirror(house.public)
        await house.publish("acme", wheel(version="1.1.0"), ALICE)
        async with serving(mirror.app()) as url:
            again = Scene(house, mirror, url, at.bundle)
            for name in ("victim", "newcomer"):
                assert await asyncio.to_thread(again.look, again.reader(name)) is State.ACTIVE
                await asyncio.to_thread(audit, reader := again.reader(name), lambda _: None)
                assert await asyncio.to_thread(reader.target, RUBBISH) is None  # not signed anew by the honest key
            mirror.files.update(forged)  # what the thief signed is worth nothing any more
            await again.refused(again.reader(), r"tuf: .*timestamp")
            mirror.files.clear()
            assert await asyncio.to_thread(again.look, again.reader()) is State.ACTIVE


FLIPPED: dict[str, str] = {
    "timestamp": "metadata/timestamp.json",
    "targets": "metadata/1.targets.json",
    "checkpoint": "log/checkpoint",
    "record": "targets/bundles/*.json",
    "namespace": "targets/namespaces/*.acme.json",
    "tile": "log/tile/0/000.p/3",
    "standing": "standings/*.json",
}


@pytest.mark.parametrize("name", FLIPPED)
async def test_a_flipped_byte_is_refused_or_changes_nothing(tmp_path: Path, name: str) -> None:
    async with scene(tmp_path) as at:
        (place,) = at.house.public.glob(FLIPPED[name])
        path, data = place.relative_to(at.house.public).as_posix(), place.read_bytes()
        refused = 0
        for offset in range(0, len(data), max(1, len(data) // 12)):
            at.mirror.files[path] = data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]
            try:
                state = await asyncio.to_thread(at.look, at.reader(f"{name}-{offset}"))
            except FabricError:
                refused += 1
            else:
                assert state is State.ACTIVE
        assert refused > 0
