"""Publish: a publisher signs that a bundle bears its name, and a registry takes it in.

The key is the publisher's own file: PKCS #8 in PEM, or 32 bytes as 64 hexadecimal digits.
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from fabric.bundles.bundle import Bundle, read_bundle
from fabric.core import canonical
from fabric.core.errors import ConfigError
from fabric.core.ids import Measurement
from fabric.trust.publication import Publication
from fabric.trust.schemes import ED25519, Signature
from registry.folder import FolderRegistry

_HEX_KEY: Final = re.compile(rb"[0-9a-fA-F]{64}\s*")
_MAX_KEY_FILE: Final = 16_384


@dataclass(frozen=True)
class Publisher:
    """A publisher's key.

    Attributes:
        key: the private key.
        is_new: whether the file was made just now.
    """

    key: Ed25519PrivateKey
    is_new: bool = False

    @property
    def identity(self) -> bytes:
        """The public key, 32 bytes: what a verifier's policy names."""
        return self.key.public_key().public_bytes_raw()


def open_publisher(path: Path) -> Publisher:
    """Reads a publisher's key file; makes one that only its owner can read where there is none.

    Raises:
        ConfigError: the file is no Ed25519 key, others can read it, or it cannot be made.
    """
    try:
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return Publisher(_make_key(path), is_new=True)
        with os.fdopen(handle, "rb") as file:
            mode, data = os.fstat(file.fileno()).st_mode, file.read(_MAX_KEY_FILE)
    except OSError as error:
        raise ConfigError(f"publisher key {path}: {error.strerror or error}") from error
    if mode & 0o077:
        raise ConfigError(f"publisher key {path}: others may read it (mode {mode & 0o777:04o}); run: chmod 600 {path}")
    return Publisher(_parse_key(path, data))


def sign_publication(bundle: Bundle, publisher: Publisher) -> Publication:
    """Returns the publisher's signed word on a bundle."""
    identity = bundle.manifest.project.cryptlet
    unsigned = Publication(
        name=identity.name,
        version=identity.version,
        kind=identity.kind,
        wheel=bundle.wheel_digest,
        lock=bundle.lock_digest,
        signature=Signature(ED25519, publisher.identity, bytes(64)),
    )
    value = publisher.key.sign(canonical.encode(unsigned.fields))
    return replace(unsigned, signature=Signature(ED25519, publisher.identity, value))


def publish(wheel: bytes, registry: FolderRegistry, publisher: Publisher) -> tuple[Measurement, Publication]:
    """Signs a wheel file and gives it to a registry.

    Raises:
        Malformed: the wheel is no bundle.
        Refused: its name and version are taken by another measurement.
        StoreError: the registry cannot be written.
    """
    publication = sign_publication(read_bundle(wheel), publisher)
    return registry.publish(wheel, publication), publication


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


def _parse_key(path: Path, data: bytes) -> Ed25519PrivateKey:
    if _HEX_KEY.fullmatch(data):
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(data.decode()))
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"publisher key {path}: no unencrypted PKCS #8 PEM and no 64 hexadecimal digits") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"publisher key {path}: expected an Ed25519 key, got {type(key).__name__}")
    return key
