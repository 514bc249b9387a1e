"""Lock: one process at a time works on a registry's folder.

The kernel lets go of it when the process ends, however it ends: a dead holder bars nobody.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fabric.core.errors import ConfigError, Refused, StoreError

FILE: Final = ".lock"
_WIDTH: Final = 20


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Bars other processes from a registry's folder for as long as the block lasts.

    Raises:
        ConfigError: there is no registry.
        Refused: another process works on it; the message names it.
        StoreError: the lock cannot be written.
    """
    if not (folder / "public").is_dir():
        raise ConfigError(f"{folder}: no registry; `cryptlet registry init {folder}` makes one")
    handle = _take(folder)
    try:
        yield
    finally:
        os.close(handle)


def _take(folder: Path) -> int:
    try:
        handle = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{folder / FILE}: {error.strerror or error}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Of one width, so that it takes no room on a full disk where one was written before.
        os.pwrite(handle, str(os.getpid()).ljust(_WIDTH).encode() + b"\n", 0)
    except BlockingIOError as error:
        holder = os.pread(handle, _WIDTH, 0).decode(errors="replace").strip()
        os.close(handle)
        who = f"process {holder}" if holder.isdecimal() else "another process"
        raise Refused(f"{folder}: {who} works on this registry: stop it first, then do the same again") from error
    except OSError as error:
        os.close(handle)
        raise StoreError(f"{folder / FILE}: {error.strerror or error}") from error
    return handle
