"""The online half of TUF: versions that go up by one, a restart that goes on, and what is refused."""

import json
from pathlib import Path
from typing import Final

import pytest
from tuf.api.metadata import SuccinctRoles

from fabric.core.clock import FrozenClock
from fabric.core.errors import ConfigError, StoreError
from fabric.core.ids import sha256
from registry.files import Shelf
from registry.tuf import ceremony
from registry.tuf.pins import BIN_BITS, BIN_PREFIX
from registry.tuf.writer import KEPT_BINS, SNAPSHOT_SECONDS, TufWriter
from tests.support.memory_shelf import PINS, Memory, key

BINS: Final = SuccinctRoles([], 1, BIN_BITS, BIN_PREFIX)
ONLINE: Final = key("online")
KEYS: Final = ceremony.Keys([key("root")], [key("targets")], 1, ONLINE)


@pytest.fixture
def shelf(tmp_path: Path) -> Memory:
    Shelf(tmp_path).put("metadata/1.targets.json", ceremony.write_targets(KEYS, PINS, FrozenClock()))
    return Memory(tmp_path)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


def _bin(path: str) -> str:
    return BINS.get_role_for_target(path)


def test_versions_go_up_by_one(shelf: Memory, clock: FrozenClock) -> None:
    writer = TufWriter(shelf, ONLINE, clock)
    writer.publish({"bundles/one.json": b"one"})
    names = list(BINS.get_roles())
    assert all(shelf.versions(name) == [1] for name in names)
    writer.publish({"bundles/two.json": b"two"})
    changed = _bin("bundles/two.json")
    assert {name: shelf.versions(name) for name in names if shelf.versions(name) != [1]} == {changed: [1, 2]}
    assert shelf.versions("snapshot") == [1, 2]
    timestamp, snapshot = shelf.json("metadata/timestamp.json"), shelf.json("metadata/2.snapshot.json")
    assert timestamp["version"] == 2
    assert timestamp["meta"]["snapshot.json"]["version"] == 2
    assert snapshot["meta"][f"{changed}.json"]["version"] == 2
    assert snapshot["meta"]["targets.json"]["version"] == 1
    digest = sha256(b"two").hex()
    assert shelf.json(f"metadata/2.{changed}.json")["targets"]["bundles/two.json"] == {
        "hashes": {"sha256": digest},
        "length": 3,
    }
    assert shelf.files[f"targets/bundles/{digest}.two.json"] == b"two"


def test_of_what_is_the_same_only_the_timestamp_is_new(shelf: Memory, clock: FrozenClock) -> None:
    writer = TufWriter(shelf, ONLINE, clock, 600)
    writer.publish({"a/b": b"one"})
    before = dict(shelf.files)
    clock.advance(100)
    writer.publish({"a/b": b"one"})
    assert {path for path in shelf.files if shelf.files[path] != before.get(path)} == {"metadata/timestamp.json"}
    assert shelf.json("metadata/timestamp.json")["version"] == 2
    assert writer.expires == clock.seconds + 600


def test_a_restart_goes_on(shelf: Memory, clock: FrozenClock) -> None:
    TufWriter(shelf, ONLINE, clock).publish({"a/b": b"one"})
    writer = TufWriter(shelf, ONLINE, clock)
    assert writer.pins == PINS
    writer.publish({"a/c": b"two"})
    assert (shelf.versions("snapshot"), shelf.json("metadata/timestamp.json")["version"]) == ([1, 2], 2)
    kept = {name for name in BINS.get_roles() if shelf.versions(name) == [1]}
    assert len(kept) == 255
    assert "a/b" in shelf.json(f"metadata/{shelf.versions(_bin('a/b'))[-1]}.{_bin('a/b')}.json")["targets"]


def test_what_expires_is_signed_again_at_half_its_life(shelf: Memory, clock: FrozenClock) -> None:
    writer = TufWriter(shelf, ONLINE, clock)
    writer.publish({"a/b": b"one"})
    clock.advance(SNAPSHOT_SECONDS // 2)
    writer.publish({})
    assert shelf.versions("snapshot") == [1]
    clock.advance(1)
    writer.publish({})
    assert shelf.versions("snapshot") == [1, 2]
    assert all(shelf.versions(name) == [1, 2] for name in BINS.get_roles())


def test_old_versions_are_taken_away(shelf: Memory, clock: FrozenClock) -> None:
    writer = TufWriter(shelf, ONLINE, clock)
    for number in range(KEPT_BINS + 3):
        writer.publish({"a/b": b"%d" % number})
    assert shelf.versions(_bin("a/b")) == list(range(4, KEPT_BINS + 4))
    assert len([path for path in shelf.files if path.startswith("targets/")]) == KEPT_BINS + 3


def test_new_targets_have_all_signed_again(shelf: Memory, clock: FrozenClock) -> None:
    TufWriter(shelf, ONLINE, clock).publish({"a/b": b"one"})
    other = key("another online key")
    keys = ceremony.Keys(KEYS.root, KEYS.targets, 1, other)
    Shelf(shelf.root).put("metadata/2.targets.json", ceremony.write_targets(keys, PINS, clock, 2))
    with pytest.raises(ConfigError, match=r"does not name this online key: `cryptlet registry rotate`"):
        TufWriter(shelf, ONLINE, clock)
    writer = TufWriter(shelf, other, clock)
    writer.publish({})
    for role in (*BINS.get_roles(), "snapshot"):
        (signature,) = json.loads(shelf.files[f"metadata/2.{role}.json"])["signatures"]
        assert signature["keyid"] == other.signer.public_key.keyid
    assert shelf.json("metadata/2.snapshot.json")["meta"]["targets.json"]["version"] == 2


@pytest.mark.parametrize("role", ["snapshot", "bin-00"])
def test_what_is_lost_is_named_with_what_to_do(shelf: Memory, clock: FrozenClock, role: str) -> None:
    TufWriter(shelf, ONLINE, clock).publish({"a/b": b"one"})
    lost = shelf.files.pop(f"metadata/1.{role}.json")
    with pytest.raises(StoreError, match=rf"metadata/1\.{role}\.json is lost: put it back from a mirror; where there"):
        TufWriter(shelf, ONLINE, clock)
    shelf.files[f"metadata/1.{role}.json"] = b"{}"
    with pytest.raises(StoreError, match=rf"metadata/1\.{role}\.json: .*: put it back from a mirror"):
        TufWriter(shelf, ONLINE, clock)
    shelf.files[f"metadata/1.{role}.json"] = lost
    TufWriter(shelf, ONLINE, clock)
    del shelf.files[f"metadata/1.{role}.json"], shelf.files["metadata/timestamp.json"]
    TufWriter(shelf, ONLINE, clock).publish({"a/b": b"one"})
    assert shelf.versions(role) == [1]


def test_a_folder_that_nobody_founded_is_none(tmp_path: Path, clock: FrozenClock) -> None:
    with pytest.raises(ConfigError, match="no targets metadata; `cryptlet registry init` makes it"):
        TufWriter(Shelf(tmp_path), ONLINE, clock)


def test_what_is_not_among_all_is_taken_out_and_what_was_lost_comes_back(shelf: Memory, clock: FrozenClock) -> None:
    files = {"bundles/one.json": b"one", "bundles/two.json": b"two"}
    TufWriter(shelf, ONLINE, clock).publish(files)
    lost = f"targets/bundles/{sha256(b'one').hex()}.one.json"
    del shelf.files[lost]
    writer = TufWriter(shelf, ONLINE, clock)
    writer.publish({"bundles/one.json": b"one"}, is_all=True)
    assert shelf.files[lost] == b"one"
    changed, same = _bin("bundles/two.json"), _bin("bundles/one.json")
    assert changed != same
    assert (shelf.versions(changed), shelf.versions(same)) == ([1, 2], [1])
    assert shelf.json(f"metadata/2.{changed}.json")["targets"] == {}
    versions = shelf.versions("snapshot")
    writer.publish({"bundles/one.json": b"one"}, is_all=True)
    assert shelf.versions("snapshot") == versions
