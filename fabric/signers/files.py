"""Key files: 64 hexadecimal digits and a line feed, readable by their owner only, written once.

A P-256 key may also be PKCS #8 in PEM, as the certificate authorities of Hyperledger hand it out.

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
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fabric.core.errors import ConfigError

_SECRET: Final = re.compile(rb"([0-9a-f]{64})\n")
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_PEM: Final = b"-----BEGIN "
_MAX_FILE: Final = 4_096


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


def p256_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The same for a P-256 key, in hexadecimal digits or PKCS #8 in PEM without a password."""
    content = _content(path)
    if content.startswith(_PEM):
        return _p256_from_pem(path, content)
    number = int.from_bytes(_digits(path, content), "big")
    if not 0 < number < _P256_ORDER:
        message = f"{path}: not a P-256 key"
        raise ConfigError(message)
    return ec.derive_private_key(number, ec.SECP256R1())


def _p256_from_pem(path: Path, content: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = f"key file {path}: no PKCS #8 key in PEM without a password"
        raise ConfigError(message) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        message = f"key file {path}: expected a key of the curve P-256"
        raise ConfigError(message)
    return key


def _secret(path: Path) -> bytes:
    return _digits(path, _content(path))


def _content(path: Path) -> bytes:
    try:
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        message = f"key file {path}: {error.strerror}"
        raise ConfigError(message) from error


def _digits(path: Path, content: bytes) -> bytes:
    match = _SECRET.fullmatch(content)
    if match is None:
        message = f"key file {path}: expected 64 hexadecimal digits and a line feed"
        raise ConfigError(message)
    return bytes.fromhex(match[1].decode())


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
            message = f"key file {path} must belong to this user with mode 0600; fix it with chmod 600"
            raise ConfigError(message)
        return file.read(_MAX_FILE)


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
    """Returns 32 random bytes that are a valid secret of every scheme; the order of P-256 is the smallest."""
    while True:
        secret = secrets.token_bytes(32)
        if 0 < int.from_bytes(secret, "big") < _P256_ORDER:
            return secret
