"""The committed artefacts: readable without a compiler or a node, and small enough to be deployed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.ethereum import contracts
from adapters.ethereum.contracts import load
from adapters.ethereum.contracts.build import MAX_CODE_BYTES, SETTINGS
from fabric.core import canonical

ARTIFACTS = sorted((Path(contracts.__file__).parent / "artifacts").rglob("*.json"))


def test_an_artefact_is_loaded_by_name() -> None:
    names = {entry.get("name") for entry in load("Settlement").abi}
    assert {"register", "setKeyStatus", "revokeCode", "settle", "consume", "request", "verify"} <= names
    assert len(load("ShipmentContract").bytecode) > 1_000
    assert load("Settlement") is load("Settlement")


def test_another_name_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="Nothing"):
        load("Nothing")


def test_loading_takes_neither_web3_nor_a_compiler() -> None:
    script = (
        "import sys; from adapters.ethereum.contracts import load; load('Settlement');"
        " assert not {'web3', 'eth_abi', 'subprocess'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: path.stem)
def test_artefacts_are_canonical_and_can_be_deployed(path: Path) -> None:
    data = path.read_bytes()
    value = json.loads(data)
    assert canonical.encode(value) + b"\n" == data
    assert value["settings"] == SETTINGS
    assert value["deployed_bytes"] <= MAX_CODE_BYTES
    assert value["compiler"].startswith("0.8.37+commit.")


def test_only_a_deployer_of_contracts_needs_the_tests_contracts() -> None:
    production = [path.stem for path in ARTIFACTS if path.parent.name != "test"]
    assert production == ["InsuredShipment", "Settlement", "ShipmentContract"]
