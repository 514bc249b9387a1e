"""The folder of an embedded network: made once, whole or again; what is wrong in it is named."""

import json
from pathlib import Path

import pytest

from adapters.hyperledger.embedded.network import CONFIG, NetworkConfig, authority_for, init, open_network
from fabric.core.clock import FrozenClock
from fabric.core.errors import ConfigError

CLOCK = FrozenClock(1_800_000_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    init(tmp_path, NetworkConfig(), CLOCK)
    return tmp_path


def test_keys_are_read_by_their_owner_alone(folder: Path) -> None:
    keys = list(folder.rglob("*.key"))
    assert len(keys) == 8
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    assert (folder / "crypto").stat().st_mode & 0o777 == 0o700


def test_a_network_is_never_made_over_another(folder: Path) -> None:
    before = (folder / "crypto" / "tlsca.pem").read_bytes()
    with pytest.raises(ConfigError, match="never made over another"):
        init(folder, NetworkConfig(), CLOCK)
    assert (folder / "crypto" / "tlsca.pem").read_bytes() == before


def test_one_that_was_not_finished_is_made_again(folder: Path) -> None:
    (folder / CONFIG).rename(folder / "network.draft")
    (folder / "crypto" / "Org1MSP" / "peer.key").write_bytes(b"")
    init(folder, NetworkConfig(), CLOCK)
    assert set(open_network(folder, CLOCK).peers) == {"Org1MSP", "Org2MSP"}


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "unknown key": ({"colour": "red"}, "colour"),
    "no organisation": ({"organisations": []}, "organisations"),
    "name that leads elsewhere": ({"organisations": ["../x"]}, "organisations"),
    "channel that is none": ({"channel": "A B"}, "channel"),
    "address without a port": ({"chaincodes": {"kv": {"address": "x", "policy": "", "package": ""}}}, "address"),
    "blocks of nothing": ({"batch": {"count": 0}}, "count"),
}


@pytest.mark.parametrize(("changes", "key"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(folder: Path, changes: dict[str, object], key: str) -> None:
    place = folder / CONFIG
    place.write_text(json.dumps(json.loads(place.read_text()) | changes))
    with pytest.raises(ConfigError, match=key) as error:
        open_network(folder, CLOCK)
    assert str(place) in str(error.value)


def test_what_is_missing_or_spoiled_is_named(folder: Path) -> None:
    place = folder / "crypto" / "Org1MSP" / "peer.pem"
    place.write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="Org1MSP/peer"):
        open_network(folder, CLOCK)
    (folder / CONFIG).unlink()
    with pytest.raises(ConfigError, match="init"):
        open_network(folder, CLOCK)


@pytest.mark.parametrize("name", ["../OrdererMSP", "Org9MSP", "", "a/b"])
def test_authorities_of_nobody(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        authority_for(folder, name, CLOCK)
