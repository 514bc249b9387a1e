"""The QBFT network that is not run here: the form of its compose file, and what its generator writes for it."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import coincurve
import jsonschema  # type: ignore[import-untyped]
import pytest
import rlp
import yaml

from deploy.devnets.qbft import generate
from fabric.trust.schemes import address_of

FOLDER: Final = Path(generate.__file__).parent
COMPOSE: Final = FOLDER / "compose.yaml"
NAMES: Final = [f"validator-{number}" for number in range(1, 5)]
# Of the format of compose files, what this one uses.
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["name", "services", "networks", "volumes"],
    "patternProperties": {"^x-": {}},
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {"type": "object", "additionalProperties": {"$ref": "#/$defs/service"}, "minProperties": 1},
        "networks": {"type": "object"},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
    "$defs": {
        "strings": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "service": {
            "type": "object",
            "required": ["image", "command", "volumes", "networks"],
            "additionalProperties": False,
            "properties": {
                "image": {"type": "string"},
                "user": {"type": "string"},
                "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
                "command": {"$ref": "#/$defs/strings"},
                "volumes": {"$ref": "#/$defs/strings"},
                "ports": {"$ref": "#/$defs/strings"},
                "environment": {"type": "object", "additionalProperties": {"type": "string"}},
                "networks": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "required": ["ipv4_address"],
                        "additionalProperties": False,
                        "properties": {"ipv4_address": {"type": "string", "format": "ipv4"}},
                    },
                },
            },
        },
    },
}


@pytest.fixture
def compose() -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return value


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "network"
    assert generate.main(["--to", str(folder), "--chain-id", "4711"]) == 0
    return folder


def test_the_compose_file_has_the_form_of_one(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, SCHEMA)
    assert sorted(compose["services"]) == sorted(compose["volumes"]) == NAMES


def test_it_says_that_it_is_not_run_here() -> None:
    assert "NOT RUN HERE" in COMPOSE.read_text()
    assert "**Not run here.**" in (FOLDER / "README.md").read_text()


def test_every_validator_has_its_own_key_and_place(compose: dict[str, Any]) -> None:
    for name in NAMES:
        service = compose["services"][name]
        assert f"${{QBFT_FOLDER:-./network}}/{name}/key:/key:ro" in service["volumes"]
        assert f"{name}:/data" in service["volumes"]
        assert service["environment"]["BESU_P2P_HOST"] == service["networks"]["qbft"]["ipv4_address"]
    places = {service["environment"]["BESU_P2P_HOST"] for service in compose["services"].values()}
    assert len(places) == len(NAMES)


def test_it_is_reached_from_this_machine_alone(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:8545:8545"]


def test_what_it_mounts_is_made(compose: dict[str, Any], made: Path) -> None:
    for service in compose["services"].values():
        for volume in service["volumes"]:
            host, _, inside = volume.removesuffix(":ro").rpartition(":")
            if "QBFT_FOLDER" in host:
                assert (made / host.partition("}/")[2]).exists(), inside
    mounted = {option.partition("=/network/")[2] for option in compose["x-validator"]["command"]} - {""}
    assert mounted == {each.name for each in (made / "public").iterdir()}


def test_the_genesis_block_names_the_validators(made: Path) -> None:
    genesis = json.loads((made / "public/genesis.json").read_text())
    vanity, validators, vote, round_, seals = rlp.decode(bytes.fromhex(genesis["extraData"][2:]))
    assert (vanity, vote, round_, seals) == (bytes(32), [], b"", [])
    assert validators == sorted(map(address, keys(made)))
    assert len(set(validators)) == len(NAMES)
    assert genesis["config"]["chainId"] == 4711
    assert genesis["config"]["qbft"] == {"blockperiodseconds": 2, "epochlength": 30000, "requesttimeoutseconds": 4}
    assert genesis["config"]["londonBlock"] == 0
    assert not {"shanghaiTime", "terminalTotalDifficulty"} & set(genesis["config"])
    assert bytes.fromhex(genesis["mixHash"][2:]) == b"ctical byzantine fault tolerance"
    (funded,) = genesis["alloc"]
    assert bytes.fromhex(funded) == address((made / "faucet.key").read_text())


def test_extra_data_is_that_of_besu_s_own_sample() -> None:
    # Of the page "Configure QBFT consensus" of Besu's documentation: four validators, block header selection.
    sample = (
        "f87aa00000000000000000000000000000000000000000000000000000000000000000f854"
        "9464a702e6263b7297a96638cac6ae65e6541f4169943923390ad55e90c237593b3b0e401f3b08a03185"
        "94aefdb9a738c9f433e5b6b212a6d62f6370c2f69294c7eeb9a4e00ce683cf93039b212648e01c6c6b78c080c0"
    )
    listed = [
        "64a702e6263b7297a96638cac6ae65e6541f4169",
        "3923390ad55e90c237593b3b0e401f3b08a03185",
        "aefdb9a738c9f433e5b6b212a6d62f6370c2f692",
        "c7eeb9a4e00ce683cf93039b212648e01c6c6b78",
    ]
    assert generate.extra_data([bytes.fromhex(each) for each in listed]).hex() == sample


def test_peers_are_where_the_compose_file_puts_them(compose: dict[str, Any], made: Path) -> None:
    peers = json.loads((made / "public/static-nodes.json").read_text())
    places = [compose["services"][name]["environment"]["BESU_P2P_HOST"] for name in NAMES]
    port = next(each.partition("=")[2] for each in compose["x-validator"]["command"] if each.startswith("--p2p-port="))
    expected = [
        f"enode://{public(key)[1:].hex()}@{place}:{port}" for key, place in zip(keys(made), places, strict=True)
    ]
    assert peers == expected


def test_keys_are_secret_and_new_each_time(made: Path, tmp_path: Path) -> None:
    for path in (made / "faucet.key", *(made / name / "key" for name in NAMES)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert re.fullmatch(r"0x[0-9a-f]{64}", path.read_text())
    assert generate.main(["--to", str(tmp_path / "other")]) == 0
    assert not set(keys(made)) & set(keys(tmp_path / "other"))


def test_a_network_that_is_there_is_kept(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = keys(made)
    assert generate.main(["--to", str(made)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert keys(made) == before


def test_what_a_kill_left_half_made_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "network.draft/public").mkdir(parents=True)
    assert generate.main(["--to", str(tmp_path / "network")]) == 0
    assert [each.name for each in tmp_path.iterdir()] == ["network"]


def test_no_key_of_it_can_be_committed() -> None:
    place = FOLDER / "network/validator-1/key"
    done = subprocess.run(["git", "check-ignore", "-q", str(place)], cwd=FOLDER, check=False)  # noqa: S607 - git of PATH
    assert done.returncode == 0


def test_it_runs_as_a_script(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "generate.py"), "--to", str(tmp_path / "network")]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def keys(made: Path) -> list[str]:
    return [(made / name / "key").read_text() for name in NAMES]


def public(secret: str) -> bytes:
    return coincurve.PrivateKey(bytes.fromhex(secret[2:])).public_key.format(compressed=False)


def address(secret: str) -> bytes:
    return address_of(public(secret))
