"""The test of a native ledger for people: a copy of its file is audited from its first entry, beside a running fabric.

Entry point of the group ``cryptlet.checks``.
"""

import asyncio
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from adapters.native.audit import audit
from adapters.native.database import Database
from adapters.native.errors import Tampered
from adapters.native.genesis import GenesisDocument
from fabric.core.canonical import JsonValue
from fabric.core.errors import ConfigError, LedgerUnavailable, Malformed
from fabric.ledger.health import Check


async def check(settings: Mapping[str, JsonValue], destination: bytes, account: bytes | None) -> list[Check]:
    """Tests a ledger; see ``fabric.ledger.health.Checker``."""
    del account
    path, genesis = _read(settings)
    if not path.exists():
        fix = "start the fabric once, or restore the file from a backup"
        return [Check("file", ok=False, found=f"no {path}", fix=fix)]
    return await asyncio.to_thread(_checks, path, genesis, destination)


def _read(settings: Mapping[str, JsonValue]) -> tuple[Path, GenesisDocument]:
    try:
        return Path(str(settings.get("path"))), GenesisDocument.parse(settings.get("genesis"))
    except Malformed as error:
        raise ConfigError(f"native ledger: {error}") from error


def _checks(path: Path, genesis: GenesisDocument, destination: bytes) -> list[Check]:
    ok = genesis.destination.id == destination
    fix = f"the genesis document is not the one of destination {destination.hex()}: restore it"
    found = [Check("destination id", ok, genesis.destination.id.hex(), "" if ok else fix)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            return [*found, *_audited(_copied(path, Path(folder)), genesis)]
    except (LedgerUnavailable, sqlite3.Error) as error:
        fix = "free the disk or restore the file from a backup"
        return [*found, Check("file", ok=False, found=str(error), fix=fix)]


def _copied(path: Path, folder: Path) -> Path:
    """Copies the file as of one moment, also while its sequencer writes."""
    copy = folder / "copy.db"
    with (
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy


def _audited(copy: Path, genesis: GenesisDocument) -> list[Check]:
    database = Database(copy)
    try:
        is_same = database.genesis() == genesis.encoded
        history = audit(database, genesis)
    except Tampered as error:
        fix = "stop the fabric and restore the file from a backup; nothing is appended to what was tampered with"
        return [Check("log", ok=False, found=str(error), fix=fix)]
    finally:
        database.close()
    fix = "the file is of another ledger: restore it, or the genesis document beside it"
    return [
        Check("genesis", is_same, genesis.destination.genesis.hex(), "" if is_same else fix),
        Check("log", ok=True, found=f"{history.size} entries under the newest checkpoint, each carried out again"),
    ]
