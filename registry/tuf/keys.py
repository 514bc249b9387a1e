"""The registry's keys: who signs what, and where the keys lie.

Offline, in the folder of the ceremony, which is taken away from the server: ``root`` and ``targets`` of TUF, and
``authority``, which approves namespaces and revokes. Online: ``online`` signs bins, snapshot and timestamp, ``log``
checkpoints, ``standing`` the standings; whoever steals them can hide what is new, and can make no new bundle run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from fabric.core.errors import ConfigError
from fabric.signers.personal import open_personal_key

ONLINE: Final = ("online", "log", "standing")
OFFLINE: Final = ("root", "targets", "authority")


@dataclass(frozen=True)
class Key:
    """An Ed25519 key of the registry."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """32 bytes."""
        return self.private.public_key().public_bytes_raw()

    @property
    def sign(self) -> Callable[[bytes], bytes]:
        """Gives the signature of a message."""
        return self.private.sign

    @property
    def signer(self) -> CryptoSigner:
        """The key as TUF's library wants it."""
        return CryptoSigner(self.private)


def make_key(path: Path) -> Key:
    """Makes a key file that only its owner can read.

    Raises:
        ConfigError: the file is there already, or cannot be made.
    """
    if path.exists():
        raise ConfigError(f"{path}: is there already, and a key is never written over")
    return Key(open_personal_key(path, "registry").key)


def open_key(path: Path) -> Key:
    """Reads a key file; raises ``ConfigError``."""
    return Key(open_personal_key(path, "registry", may_make=False).key)


def open_keys(folder: Path, role: str) -> list[Key]:
    """Returns the keys of an offline role: the files ``role-1.key``, ``role-2.key``, and so on.

    Raises:
        ConfigError: there is none, or one cannot be read.
    """
    found = sorted(folder.glob(f"{role}-*.key"))
    if not found:
        raise ConfigError(f"{folder}: no {role}-*.key; name the folder that `cryptlet registry init --ceremony` made")
    return [open_key(path) for path in found]
