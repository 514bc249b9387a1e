"""The endpoint file: what a running fabric tells the commands, read strictly."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.errors import FabricError, Malformed, NotFound
from fabric.core.ids import FabricId
from fabric.gateway.endpoint import (
    FILE_NAME,
    KEY_FILE,
    LEDGERS_NAME,
    Endpoint,
    OpenLedger,
    read_api_key,
    read_ledgers,
    write_ledgers,
)
from tests.support.proofs import ETHEREUM, NATIVE
from tests.support.trust_samples import word

ENDPOINT = Endpoint(
    "127.0.0.1:7070",
    FabricId(word("fabric")),
    4711,
    {"native": OpenLedger(NATIVE, {"path": "x"}), "ethereum": OpenLedger(ETHEREUM, {"finality": 4}, b"\1" * 20)},
)


def test_it_is_read_back(tmp_path: Path) -> None:
    ENDPOINT.write(tmp_path)
    assert Endpoint.read(tmp_path) == ENDPOINT
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_the_ledgers_stay_when_the_fabric_ends(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="cryptlet up --state"):
        read_ledgers(tmp_path)
    write_ledgers(tmp_path, ENDPOINT.ledgers)
    assert read_ledgers(tmp_path) == ENDPOINT.ledgers
    (tmp_path / LEDGERS_NAME).write_bytes(b"[]")
    with pytest.raises(Malformed, match="expected an object"):
        read_ledgers(tmp_path)


@pytest.mark.parametrize("data", [b"", b"garbage", b'{"a": 1}'])
def test_a_spoiled_file_is_named_with_what_mends_it(tmp_path: Path, data: bytes) -> None:
    for name, read in ((FILE_NAME, Endpoint.read), (LEDGERS_NAME, read_ledgers)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(Malformed, match=rf"{name}: .*cryptlet up"):
            read(tmp_path)


def test_where_no_fabric_runs_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="start one with `cryptlet up --state"):
        Endpoint.read(tmp_path)


def test_what_cannot_be_read_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(Malformed, match=FILE_NAME):
        Endpoint.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target", ""),
        ("target", 1),
        ("fabric", "00"),
        ("pid", 0),
        ("pid", True),
        ("ledgers", []),
        ("ledgers", {"native": {}}),
        ("ledgers", {"native": {"account": "", "destination": NATIVE.to_json(), "settings": []}}),
        ("ledgers", {"native": {"account": "0X", "destination": NATIVE.to_json(), "settings": {}}}),
        ("ledgers", {"native": {"account": "", "destination": {}, "settings": {}}}),
        ("more", 1),
    ],
    ids=repr,
)
def test_other_fields_are_malformed(tmp_path: Path, name: str, value: Any) -> None:  # noqa: ANN401
    ENDPOINT.write(tmp_path)
    path = tmp_path / FILE_NAME
    path.write_bytes(canonical.encode(canonical.decode_object(path.read_bytes()) | {name: value}))
    with pytest.raises(Malformed):
        Endpoint.read(tmp_path)


@given(st.binary(max_size=60))
def test_any_bytes_are_malformed(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("state")
    (folder / FILE_NAME).write_bytes(data)
    with pytest.raises(Malformed):
        Endpoint.read(folder)


def test_the_callers_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRYPTLET_API_KEY", raising=False)
    with pytest.raises(NotFound, match="no API key: set CRYPTLET_API_KEY"):
        read_api_key(tmp_path)
    (tmp_path / KEY_FILE).parent.mkdir()
    (tmp_path / KEY_FILE).write_text("from the folder\n")
    assert read_api_key(tmp_path) == "from the folder"
    monkeypatch.setenv("CRYPTLET_API_KEY", "from the environment")
    assert read_api_key(tmp_path) == "from the environment"


def test_a_key_that_is_no_text_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRYPTLET_API_KEY", raising=False)
    (tmp_path / KEY_FILE).parent.mkdir()
    (tmp_path / KEY_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(FabricError):
        read_api_key(tmp_path)
