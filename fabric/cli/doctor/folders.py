"""The folders: state with its keys and its database, and the registry. No key is read."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from fabric.core.errors import FabricError
from fabric.core.finding import Finding, fail, ok, warn

_OTHERS: Final = 0o077
_WORLD_WRITABLE: Final = 0o002
_KEY_FOLDERS: Final = ("keys", "appraiser")


def state(folder: Path) -> list[Finding]:
    """Looks at the state folder: whose it is, and who else may look into it."""
    if not folder.exists():
        return [ok("state", f"{folder} is not there yet; the first start makes it")]
    if not folder.is_dir():
        return [fail("state", f"{folder} is no folder", "choose another with --state")]
    about = folder.stat()
    if about.st_uid != os.geteuid():
        fix = "run as that user, or choose another folder with --state"
        return [fail("state", f"{folder} belongs to user {about.st_uid}, not to us ({os.geteuid()})", fix)]
    if about.st_mode & _OTHERS:
        return [fail("state", f"others may enter {folder} (mode {_mode(about)})", f"run: chmod 700 {folder}")]
    return [ok("state", f"{folder} is ours alone")]


def keys(folder: Path) -> list[Finding]:
    """Looks at every key file of a state folder: its owner alone may read it."""
    files = sorted(_key_files(folder))
    if not files:
        return [ok("keys", "none yet; the first start makes them")]
    found = []
    for path in files:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode):
            found.append(fail("keys", f"{path} is no plain file", f"find out what put it there, then: rm {path}"))
        elif about.st_uid != os.geteuid():
            fix = f"run as that user, or: chown {os.geteuid()} {path}"
            found.append(fail("keys", f"{path} belongs to user {about.st_uid}", fix))
        elif about.st_mode & _OTHERS:
            fix = f"run: chmod 600 {path}, and have a new key made if somebody else may have read this one"
            found.append(fail("keys", f"others may read {path} (mode {_mode(about)})", fix))
    return found or [ok("keys", f"{len(files)} files, readable by us alone")]


def database(path: Path) -> list[Finding]:
    """Asks SQLite whether the store's file is whole; changes nothing in it."""
    if not path.exists():
        return [ok("database", "none yet; the first start makes it")]
    restore = f"restore {path} from a copy, or start with another --state; the ledgers keep what they have"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("none",)
    except sqlite3.Error as error:
        return [fail("database", f"{path} cannot be read: {error}", restore)]
    if said != "ok":
        return [fail("database", f"{path} is damaged: {said}", restore)]
    return [ok("database", f"{path.stat().st_size / (1 << 20):.1f} MiB, whole, schema {revision}")]


def server(url: str) -> list[Finding]:
    """Asks a PostgreSQL server for the store's schema, and whether it keeps what it commits; changes nothing in it."""
    from fabric.store.database import look

    try:
        revision = look(url)
    except FabricError as error:
        fix = "start the server, or correct `store` in cryptlet-fabric.toml; nothing starts without its store"
        return [fail("database", str(error), fix)]
    return [ok("database", f"the server answers, {f'schema {revision}' if revision else 'nothing is stored yet'}")]


def registry(folder: Path) -> list[Finding]:
    """Looks at the registry folder: a fabric reads it, and checks whatever it reads."""
    if not folder.exists():
        return [ok("registry", f"{folder} is not there yet; `cryptlet publish --registry {folder}` makes it")]
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        return [fail("registry", f"{folder} cannot be read", "correct its mode, or `registry` in cryptlet-fabric.toml")]
    about = folder.stat()
    count = len(list((folder / "bundles").glob("*.whl")))
    if about.st_mode & _WORLD_WRITABLE:
        said = f"anybody may write into {folder} (mode {_mode(about)}), and so take bundles away"
        return [warn("registry", said, f"run: chmod o-w {folder}")]
    return [ok("registry", f"{count} bundles in {folder}")]


def _key_files(folder: Path) -> Iterator[Path]:
    for name in _KEY_FOLDERS:
        yield from (path for path in (folder / name).rglob("*.key"))


def _mode(about: os.stat_result) -> str:
    return f"{stat.S_IMODE(about.st_mode):04o}"
