"""The folder of a node: its attester's key, its enclaves, what Ray writes; one node at a time."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from fabric.core.errors import ConfigError
from fabric.signers.create import ED25519, KeyFile, public_keys

_PRIVATE: Final = 0o700


@dataclass(frozen=True)
class NodeFolder:
    """Paths below one node's folder, which is private as a whole.

    Attributes:
        path: the folder, absolute.
    """

    path: Path

    @property
    def attester(self) -> Path:
        """Key file of this machine's attester; it never leaves the machine."""
        return self.path / "keys" / "attester.key"

    @property
    def enclaves(self) -> Path:
        """Folders of the enclaves, by number; couriers find their sockets there."""
        return self.path / "enclaves"

    @property
    def ray(self) -> Path:
        """What Ray writes."""
        return self.path / "ray"

    @property
    def ready(self) -> Path:
        """Is there while Ray runs; for health checks."""
        return self.path / "ready"

    async def attester_key(self) -> bytes:
        """Returns the attester's public key, 32 bytes, made at the first call; raises ``ConfigError``."""
        return (await public_keys((KeyFile(ED25519, self.attester),)))[0]

    def lock(self) -> IO[str]:
        """Returns a handle that bars other nodes from the folder for as long as the process lives.

        Raises:
            ConfigError: a node runs on it.
        """
        handle = (self.path / "lock").open("a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.close()
            raise ConfigError(
                f"node folder {self.path} is in use by a running node; stop it, or choose another"
            ) from error
        return handle


def open_folder(path: Path) -> NodeFolder:
    """Makes the folder where it is missing; raises ``ConfigError``."""
    folder = NodeFolder(path.resolve())
    try:
        folder.path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        if folder.path.stat().st_uid == os.geteuid():
            folder.path.chmod(_PRIVATE)
        for part in (folder.attester.parent, folder.enclaves):
            part.mkdir(mode=_PRIVATE, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"node folder {path}: {error.strerror}; choose another with --folder") from error
    return folder
