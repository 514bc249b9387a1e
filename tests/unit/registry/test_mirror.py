"""A mirror is a plain folder; an audit finds what does not follow from the log, and two histories."""

import shutil
from pathlib import Path

import pytest

from fabric.core.errors import VerificationError
from fabric.trust.standing import State
from registry.client.audit import audit, compare_views
from registry.client.mirror import mirror
from registry.client.transport import Folder
from tests.support.registries import ALICE, BOB, opened, wheel


def hush(_: str) -> None:
    """Takes a line and does nothing with it."""


async def test_a_mirror_serves_what_the_registry_does(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        bundle = await house.publish("acme", wheel(), ALICE)
        told: list[str] = []
        audited = mirror(house.reader("copier"), Folder(house.public), tmp_path / "mirror", told.append)
        assert audited.checkpoint.size == 3
        assert [line.partition(":")[0] for line in told] == ["log", "rules", "records", "standings", "mirror"]
        await house.change(bundle, State.REVOKED, "leaks", ALICE)
        away = house.reader("away", Folder(tmp_path / "mirror"))
        away.refresh()
        assert away.resolve("acme", "greeter").listing.now.state is State.ACTIVE  # the mirror is of before
        assert away.wheel(away.resolve("acme", "greeter"))[0] == wheel()
        mirror(house.reader("copier"), Folder(house.public), tmp_path / "mirror", hush)
        away.refresh()
        assert away.resolve("acme", "greeter").listing.now.state is State.REVOKED


async def test_an_audit_finds_a_record_that_was_kept_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        bundle = await house.publish("acme", wheel(), ALICE)
        audit(house.reader("before"), hush)
        publisher = house.registry.publisher
        await house.change(bundle, State.YANKED, "wrong", ALICE)
        # A registry that hides the change from its records, but not from its log.
        old = [file.read_bytes() for file in house.public.glob("targets/bundles/*.json")]
        shorter = min(old, key=len)
        publisher.tuf.publish({f"bundles/{bundle.measurement.hex()}.json": shorter})
        with pytest.raises(VerificationError, match=r"records: bundles/.* is not what follows from the log"):
            audit(house.reader("after"), hush)


async def test_two_histories_are_named_as_a_split_view(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
    shutil.copytree(tmp_path / "registry", tmp_path / "twin" / "registry")
    shutil.copytree(tmp_path / "ceremony", tmp_path / "twin" / "ceremony")
    async with opened(tmp_path) as house, opened(tmp_path / "twin") as twin:
        await house.claim("bobs", BOB)
        await twin.publish("acme", wheel(), ALICE)
        await twin.publish("acme", wheel(version="1.0.1"), ALICE)
        one, other = house.reader(), twin.reader()
        one.refresh()
        other.refresh()
        with pytest.raises(VerificationError, match=r"views: split view of registry\.test/one: 3 entries.*4 entries"):
            compare_views(one, other)
        moved = house.reader(source=Folder(twin.public))  # the same client is shown the other history
        shutil.rmtree(tmp_path / "reader" / "state" / "metadata")  # and has lost what it knew of TUF
        with pytest.raises(VerificationError, match=r"two histories of registry\.test/one"):
            moved.refresh()
