"""Publish: a publisher signs that a bundle bears its name, and a registry takes it in.

The key is the publisher's own file, see ``fabric.signers.personal``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.bundles.bundle import Bundle, read_bundle
from fabric.core import canonical
from fabric.core.ids import Measurement
from fabric.signers.personal import open_personal_key
from fabric.trust.publication import Publication
from fabric.trust.schemes import ED25519, Signature
from registry.folder import FolderRegistry


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
    return Publisher(*open_personal_key(path, "publisher"))


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


def publish(
    wheel: bytes, registry: FolderRegistry, publisher: Publisher, dependencies: Sequence[bytes] = ()
) -> tuple[Measurement, Publication]:
    """Signs a wheel file and gives it to a registry, with the wheels that it locks.

    Raises:
        Malformed: the wheel is no bundle, or other dependencies are given than it locks.
        Refused: its name and version are taken by another measurement.
        StoreError: the registry cannot be written.
    """
    publication = sign_publication(read_bundle(wheel), publisher)
    return registry.publish(wheel, publication, dependencies), publication
