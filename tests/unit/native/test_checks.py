"""The test of a native ledger audits a copy of its file, also while its sequencer has it open."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.native.checks import check
from fabric.core.errors import ConfigError
from fabric.ledger.health import Check
from tests.support import native
from tests.support.native import genesis, open_native, settings


async def checked(folder: Path, name: str = "test ledger") -> dict[str, Check]:
    wanted = genesis().destination.id
    found = await check(settings(folder, genesis(name)), wanted, None)
    assert all(bool(item.fix) is not item.ok for item in found), found
    return {item.name: item for item in found}


async def test_a_ledger_at_work_is_well(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    await ledger.submit(await ledger.prepare([native.register(ledger.destination.id)], []))
    found = await checked(tmp_path)
    assert [(item.name, item.ok) for item in found.values()] == [
        ("destination id", True),
        ("genesis", True),
        ("log", True),
    ]
    assert "1 entries" in found["log"].found
    assert (await ledger.health())["size"] == 1
    await ledger.aclose()


async def test_what_is_not_well_is_told_with_its_fix(tmp_path: Path) -> None:
    assert not (await checked(tmp_path))["file"].ok
    ledger = await open_native(tmp_path)
    await ledger.submit(await ledger.prepare([native.register(ledger.destination.id)], []))
    await ledger.aclose()
    other = await checked(tmp_path, "another ledger")
    assert not other["destination id"].ok
    with closing(sqlite3.connect(tmp_path / "native.db")) as connection, connection:
        connection.execute("UPDATE entries SET entry = x'00'")
    tampered = (await checked(tmp_path))["log"]
    assert not tampered.ok
    assert "entry 0" in tampered.found
    (tmp_path / "native.db").write_bytes(b"no database" * 1_000)
    assert not (await checked(tmp_path))["file"].ok


async def test_settings_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="genesis"):
        await check({"path": str(tmp_path)}, b"", None)
