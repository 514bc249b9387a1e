"""Personal keys: the file of somebody who signs with a command, a publisher or the owner of a ledger's account.

PKCS #8 in PEM, or 32 bytes as 64 hexadecimal digits. The command reads it, signs, and ends; the key is sent nowhere.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from fabric.core.errors import ConfigError

_HEX_KEY: Final = re.compile(rb"[0-9a-fA-F]{64}\s*")
_MAX_KEY_FILE: Final = 16_384


class PersonalKey(NamedTuple):
    """A key, and whether its file was made just now."""

    key: Ed25519PrivateKey
    is_new: bool


def open_personal_key(path: Path, role: str, *, may_make: bool = True) -> PersonalKey:
    """Reads a key file; makes one that only its owner can read where there is none.

    Args:
        path: the file.
        role: whose key it is, for messages: ``publisher``, ``account``.
        may_make: whether a missing file is made; otherwise it is an error.

    Raises:
        ConfigError: the file is no Ed25519 key, others can read it, or it cannot be made or is missing.
    """
    with _at(path, role):
        try:
            data = _read(path, role)
        except FileNotFoundError:
            if not may_make:
                raise
            return PersonalKey(_make_key(path), is_new=True)
    return PersonalKey(_parse_key(path, role, data), is_new=False)


def open_personal_p256(path: Path, role: str) -> ec.EllipticCurvePrivateKey:
    """Reads a file with a P-256 key in PEM, as the certificate authorities of Hyperledger hand it out.

    Raises:
        ConfigError: the file is missing, others can read it, or it is no such key, or one under a password.
    """
    with _at(path, role):
        data = _read(path, role)
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError as error:
        raise ConfigError(
            f"{role} key {path}: it is under a password, for which nobody is asked here; take it off in a copy of your"
            f" own, and remove the copy after: openssl pkcs8 -topk8 -nocrypt -in {path} -out COPY"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{role} key {path}: expected a private key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        curve = f" of the curve {key.curve.name}" if isinstance(key, ec.EllipticCurvePrivateKey) else ""
        raise ConfigError(f"{role} key {path}: expected a key of the curve P-256, got {type(key).__name__}{curve}")
    return key


@contextmanager
def _at(path: Path, role: str) -> Iterator[None]:
    """Names the file of whatever the system refuses; raises ``ConfigError``."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{role} key {path}: {error.strerror or error}") from error


def _read(path: Path, role: str) -> bytes:
    """Returns a key file; raises ``OSError``, and ``ConfigError`` where others can read it."""
    handle = os.open(path, os.O_RDONLY)
    with os.fdopen(handle, "rb") as file:
        mode, data = os.fstat(file.fileno()).st_mode, file.read(_MAX_KEY_FILE)
    if mode & 0o077:
        raise ConfigError(f"{role} key {path}: others may read it (mode {mode & 0o777:04o}); run: chmod 600 {path}")
    return data


def _make_key(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    # O_EXCL: a file that appeared meanwhile is someone's key, never to be written over.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    return key


def _parse_key(path: Path, role: str, data: bytes) -> Ed25519PrivateKey:
    if _HEX_KEY.fullmatch(data):
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(data.decode()))
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{role} key {path}: no unencrypted PKCS #8 PEM and no 64 hexadecimal digits") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{role} key {path}: expected an Ed25519 key, got {type(key).__name__}")
    return key
