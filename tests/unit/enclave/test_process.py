"""What the enclave's process may not have in it, and what is measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fabric.core import canonical
from fabric.core.errors import ConfigError, Malformed
from fabric.enclave.config import EnclaveConfig, parse_set_up
from fabric.enclave.launch import launch
from fabric.enclave.measure import LIBRARIES, fabric_manifest, fabric_measurement
from tests.support.enclaves import EPOCH, FABRIC, NATIVE, config

HEAVY = {"ray", "web3", "sqlalchemy", "grpc"}
PROBE = """\
import json, sys
import fabric.enclave.main
from fabric.enclave.kinds import kind_of
kind_of("native"), kind_of("ethereum")
print(json.dumps([name.partition(".")[0] for name in sys.modules]))
"""


def test_the_enclave_imports_nothing_that_it_does_not_need() -> None:
    """With every ledger kind loaded, as it is when it serves."""
    done = subprocess.run([sys.executable, "-I", "-c", PROBE], capture_output=True, check=True, text=True)
    assert HEAVY & set(json.loads(done.stdout)) == set()


def test_the_measurement_covers_the_code_that_decides() -> None:
    modules = fabric_manifest()["modules"]
    assert isinstance(modules, dict)
    for name in (
        "fabric/enclave/run.py",
        "fabric/enclave/sandbox/seccomp.py",
        "fabric/trust/record.py",
        "adapters/native/destination",
        "adapters/ethereum/destination",
        "adapters/ethereum/codec",
    ):
        assert name in modules
    assert not any(name.startswith("adapters/ethereum/plugin") for name in modules)


def test_the_measurement_names_the_libraries_that_sign() -> None:
    libraries = fabric_manifest()["libraries"]
    assert isinstance(libraries, dict)
    assert set(libraries) == set(LIBRARIES)
    assert {"cryptography", "coincurve"} < set(LIBRARIES)


def test_two_processes_measure_the_same() -> None:
    code = "from fabric.enclave.measure import fabric_measurement as m; print(m().hex())"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == fabric_measurement.__wrapped__().hex()


def set_up(config_: EnclaveConfig) -> canonical.JsonObject:
    """Returns a set-up as ``launch`` writes it."""
    return config_.to_json() | {"folder": "/folder", "parent": 2}


def test_the_set_up_is_read_back(tmp_path: Path) -> None:
    found = parse_set_up(set_up(config(tmp_path)))
    assert found.config == config(tmp_path)
    assert (found.folder, found.parent) == (Path("/folder"), 2)


def test_a_destination_twice_is_refused(tmp_path: Path) -> None:
    twice = EnclaveConfig(FABRIC, (NATIVE, NATIVE), EPOCH, tmp_path / "attester.key")
    with pytest.raises(Malformed, match="twice"):
        parse_set_up(set_up(twice))


@pytest.mark.parametrize("name", ["fabric", "destinations", "epoch", "attester_key", "folder", "parent"])
def test_a_missing_field_is_named(tmp_path: Path, name: str) -> None:
    fields = set_up(config(tmp_path))
    del fields[name]
    with pytest.raises(Malformed, match=name):
        parse_set_up(fields)


async def test_a_folder_too_deep_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="107 bytes"):
        await launch(tmp_path / ("deep" * 40), config(tmp_path))
