"""The state folder: names of everything durable, one fabric at a time, the fabric's id, the local caller's key."""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from fabric.core.errors import ConfigError
from fabric.core.ids import WORD_BYTES, FabricId, parse_word
from fabric.gateway.endpoint import FILE_NAME, KEY_FILE

_PRIVATE: Final = 0o700
_KEY_BYTES: Final = 32


@dataclass(frozen=True)
class State:
    """Paths below one state folder; ``open_state`` makes it and locks it.

    Attributes:
        folder: the folder, absolute.
        lock: open handle that holds the lock for as long as the process lives.
    """

    folder: Path
    lock: IO[str]

    @property
    def keys(self) -> Path:
        """Private keys of gateway-side parts; hidden from Ray."""
        return self.folder / "keys"

    @property
    def appraiser(self) -> Path:
        """Folder of the embedded appraiser; hidden from Ray."""
        return self.folder / "appraiser"

    @property
    def database(self) -> Path:
        """The store."""
        return self.folder / "fabric.db"

    @property
    def blobs(self) -> Path:
        """Blobs by digest."""
        return self.folder / "blobs"

    @property
    def policy(self) -> Path:
        """The policy that ``cryptlet verify`` takes by default."""
        return self.folder / "policy.json"

    @property
    def endpoint(self) -> Path:
        """Where the running fabric listens; see ``fabric.gateway.endpoint``."""
        return self.folder / FILE_NAME

    def ledger(self, name: str) -> Path:
        """Folder of an embedded ledger."""
        return self.folder / "ledgers" / name

    @property
    def enclaves(self) -> Path:
        """Private folders of the enclaves, with their sockets; made anew at each start."""
        return self.folder / "enclaves"

    @property
    def facts(self) -> Path:
        """What enclaves of other machines are told; holds no secret."""
        return self.folder / "facts.json"

    @property
    def ray(self) -> Path:
        """What Ray writes."""
        return self.folder / "ray"

    def fabric_id(self) -> FabricId:
        """Returns the id of this deployment, made at its first start."""
        text = _once(self.folder / "fabric-id", lambda: secrets.token_hex(WORD_BYTES), mode=0o644)
        return FabricId(parse_word(text, str(self.folder / "fabric-id")))

    def local_key_digest(self) -> str:
        """Returns SHA-256 of the local caller's API key, made at the first start, as hexadecimal digits.

        Raises:
            ConfigError: the key's file is spoiled; of an empty one everybody has the key.
        """
        path = self.folder / KEY_FILE
        key = _once(path, lambda: secrets.token_urlsafe(_KEY_BYTES), mode=0o600)
        if len(key) < _KEY_BYTES:
            raise ConfigError(f"{path}: expected a key of {_KEY_BYTES} characters or more; remove it to have a new one")
        return hashlib.sha256(key.encode()).hexdigest()

    def next_epoch(self) -> int:
        """Returns a key epoch that was never used before; enclaves started together share it.

        Raises:
            ConfigError: the file of the last epoch is spoiled; starting at 1 again would use one twice.
        """
        path = self.folder / "epoch"
        text = path.read_text() if path.exists() else "0"
        if not (text.isascii() and text.isdecimal()):
            raise ConfigError(f"{path}: expected the last key epoch, got {text[:20]!r}")
        epoch = int(text) + 1
        _write(path, str(epoch), 0o644)
        return epoch


def open_state(folder: Path) -> State:
    """Makes the folder where it is missing and locks it.

    Raises:
        ConfigError: it cannot be made, or a fabric runs on it.
    """
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_uid == os.geteuid():
            # Private as a whole: the store holds what callers sent and got, and whoever can open the lock can hold it.
            folder.chmod(_PRIVATE)
        (folder / "keys").mkdir(mode=_PRIVATE, exist_ok=True)
        handle = (folder / "lock").open("a")
    except OSError as error:
        raise ConfigError(f"state folder {folder}: {error.strerror}; choose another with --state") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.close()
        raise ConfigError(
            f"state folder {folder} is in use by a running fabric; stop it, or choose another --state"
        ) from error
    return State(folder, handle)


def _once(path: Path, make: Callable[[], str], mode: int) -> str:
    if not path.exists():
        _write(path, make(), mode)
    return path.read_text(errors="replace").strip()


def _write(path: Path, text: str, mode: int) -> None:
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    # A rename is an entry of the folder: without this a loss of power may take an epoch or a key back.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
