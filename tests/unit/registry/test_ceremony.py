"""The offline keys: two of three sign, are replaced, and whoever trusted the first root follows."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Final

import pytest
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import Metadata, Root, Targets
from tuf.ngclient._internal.trusted_metadata_set import EnvelopeType, TrustedMetadataSet

from fabric.core.clock import FrozenClock
from fabric.core.errors import ConfigError, Malformed
from registry.tuf.ceremony import OFFLINE_SECONDS, Keys, version_of, write_root, write_targets
from registry.tuf.pins import FIELD, parse_pins, pins_of
from tests.support.memory_shelf import PINS, key

CLOCK: Final = FrozenClock()
OLD: Final = [key(f"old root {number}") for number in range(3)]
NEW: Final = [key(f"new root {number}") for number in range(3)]
TARGETS: Final = [key(f"targets {number}") for number in range(3)]
KEYS: Final = Keys(OLD, TARGETS, 2, key("online"))


def _follow(*roots: bytes) -> Root:
    """Returns the last root for a client that was given the first, as TUF's library goes from one to the next."""
    client = TrustedMetadataSet(roots[0], EnvelopeType.METADATA)
    for root in roots[1:]:
        client.update_root(root)
    return client.root


def test_the_first_root_says_who_signs_what() -> None:
    data = write_root(KEYS, CLOCK)
    root = _follow(data)
    online = KEYS.online.signer.public_key.keyid
    assert version_of(data) == 1
    thresholds = {name: role.threshold for name, role in root.roles.items()}
    assert thresholds == {"root": 2, "targets": 2, "snapshot": 1, "timestamp": 1}
    assert [root.roles[name].keyids for name in ("snapshot", "timestamp")] == [[online], [online]]
    assert root.expires == datetime.fromtimestamp(CLOCK.seconds + OFFLINE_SECONDS, UTC)
    assert root.consistent_snapshot


def test_a_root_of_fewer_keys_than_its_threshold_is_not_written() -> None:
    with pytest.raises(UnsignedMetadataError):
        write_root(replace(KEYS, root=OLD[:1]), CLOCK)


@pytest.mark.parametrize("present", [pair for size in (0, 1, 2, 3) for pair in combinations(range(3), size)], ids=str)
def test_a_rotation_takes_as_many_old_keys_as_the_threshold(present: tuple[int, ...]) -> None:
    first, keys = write_root(KEYS, CLOCK), replace(KEYS, root=NEW)
    old_keys = [OLD[number] for number in present]
    if len(old_keys) < 2:
        with pytest.raises(ConfigError, match=f"{len(old_keys)} of the 2 old root keys signed that it takes; name the"):
            write_root(keys, CLOCK, first, old_keys)
        return
    second = write_root(keys, CLOCK, first, old_keys)
    assert _follow(first, second).version == 2


def test_strangers_are_no_old_keys() -> None:
    with pytest.raises(ConfigError, match="0 of the 2 old root keys"):
        write_root(replace(KEYS, root=NEW), CLOCK, write_root(KEYS, CLOCK), TARGETS)


def test_a_client_follows_over_roots_and_none_is_left_out() -> None:
    first = write_root(KEYS, CLOCK)
    second = write_root(replace(KEYS, online=key("online 2")), CLOCK, first, OLD)
    third = write_root(replace(KEYS, root=NEW, threshold=3, online=key("online 3")), CLOCK, second, OLD[1:])
    root = _follow(first, second, third)
    assert (root.version, root.roles["root"].threshold) == (3, 3)
    assert root.roles["timestamp"].keyids == [key("online 3").signer.public_key.keyid]
    for skipped in ((first, third), (second, first)):
        with pytest.raises(RepositoryError):
            _follow(*skipped)


def test_targets_delegate_to_the_online_key_and_carry_the_pins() -> None:
    data = write_targets(KEYS, PINS, CLOCK, 7)
    metadata = Metadata[Targets].from_bytes(data)
    root = Metadata[Root].from_bytes(write_root(KEYS, CLOCK))
    root.signed.verify_delegate("targets", metadata.signed_bytes, metadata.signatures)
    assert (version_of(data), pins_of(metadata)) == (7, PINS)
    roles = metadata.signed.delegations
    assert roles is not None
    assert roles.succinct_roles is not None
    assert (roles.succinct_roles.bit_length, roles.succinct_roles.name_prefix) == (8, "bin")
    assert roles.succinct_roles.keyids == [KEYS.online.signer.public_key.keyid]
    metadata.signed.unrecognized_fields[FIELD]["origin"] = "elsewhere"
    with pytest.raises(UnsignedMetadataError):
        root.signed.verify_delegate("targets", metadata.signed_bytes, metadata.signatures)


@pytest.mark.parametrize("name", ["genesis", "log_key", "origin", "standing_key"])
def test_pins_are_read_strictly(name: str) -> None:
    whole = PINS.to_json()
    assert parse_pins(whole) == PINS
    for bad in ({**whole, name: ""}, {**whole, name: 7}, {**whole, "more": ""}, None):
        with pytest.raises(Malformed):
            parse_pins(bad)
    with pytest.raises(Malformed):
        parse_pins({key: value for key, value in whole.items() if key != name})
