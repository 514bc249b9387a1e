"""Key files: 64 hexadecimal digits and a line feed, readable by their owner only, written once.

Only processes that hold keys read them; ``fabric.signers.create`` makes them in a process of its own, so that set-up
never has a private key in its memory.
"""

import os
import re
import secrets
import stat
from pathlib import Path
from typing import Final

import coincurve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.core.errors import ConfigError

_SECRET: Final = re.compile(rb"([0-9a-f]{64})\n")
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def ed25519_key(path: Path) -> Ed25519PrivateKey:
    """Returns the Ed25519 key of a file, which is created where it is missing.

    Raises:
        ConfigError: the file cannot be used: others may read it, it is no key file, or the folder is not writable.
    """
    return Ed25519PrivateKey.from_private_bytes(_secret(path))


def secp256k1_key(path: Path) -> coincurve.PrivateKey:
    """The same for a secp256k1 key."""
    secret = _secret(path)
    if not 0 < int.from_bytes(secret, "big") < _ORDER:
        message = f"{path}: not a secp256k1 key"
        raise ConfigError(message)
    return coincurve.PrivateKey(secret)


def _secret(path: Path) -> bytes:
    try:
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        message = f"key file {path}: {error.strerror}"
        raise ConfigError(message) from error


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
            message = f"key file {path} must belong to this user with mode 0600; fix it with chmod 600"
            raise ConfigError(message)
        match = _SECRET.fullmatch(file.read(100))
    if match is None:
        message = f"key file {path}: expected 64 hexadecimal digits and a line feed"
        raise ConfigError(message)
    return bytes.fromhex(match[1].decode())


def _create(path: Path) -> None:
    """Writes a fresh key so that a crash leaves either no file or a whole one, and a race leaves one winner."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_fresh().hex().encode() + b"\n")
            file.flush()
            os.fsync(descriptor)
        _link(draft, path)
    finally:
        draft.unlink()


def _link(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return  # another process was first; its key is the key
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _fresh() -> bytes:
    """Returns 32 random bytes that are a valid secret of both schemes."""
    while True:
        secret = secrets.token_bytes(32)
        if 0 < int.from_bytes(secret, "big") < _ORDER:
            return secret
