"""The two keys of one signer, Ed25519 and secp256k1, over typed structures of ``fabric.trust`` only.

Nothing here takes bytes to sign: each method takes a structure and computes what is signed itself.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self

import coincurve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.core.ids import Digest
from fabric.signers.files import ed25519_key, secp256k1_key
from fabric.trust.attestation import KeySet
from fabric.trust.batch import Header
from fabric.trust.destination import Destination
from fabric.trust.eip712 import header_digest
from fabric.trust.schemes import ED25519, EIP712, Signature, address_of

EVM_KINDS = frozenset({"ethereum"})
"""Ledger kinds whose contracts check EIP-712 signatures."""


class Typed(Protocol):
    """A fixed-width structure of ``fabric.trust``; its first word names the format, so none stands for another."""

    @property
    def encoded(self) -> bytes:
        """The words, which Ed25519 signs."""
        ...

    @property
    def typed_digest(self) -> Digest:
        """The EIP-712 digest, which secp256k1 signs."""
        ...


@dataclass(frozen=True)
class KeyPair:
    """Private keys; never printed, compared, pickled or copied out.

    Attributes:
        ed25519: RFC 8032 key.
        secp256k1: key of an EVM account.
    """

    ed25519: Ed25519PrivateKey = field(repr=False, compare=False)
    secp256k1: coincurve.PrivateKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls) -> Self:
        """Makes fresh keys from the system's entropy."""
        return cls(Ed25519PrivateKey.generate(), coincurve.PrivateKey())

    @classmethod
    def from_files(cls, ed25519: Path, secp256k1: Path) -> Self:
        """Reads two key files, created where missing; raises ``ConfigError``."""
        return cls(ed25519_key(ed25519), secp256k1_key(secp256k1))

    @cached_property
    def keys(self) -> KeySet:
        """The public keys."""
        point = self.secp256k1.public_key.format(compressed=False)
        return KeySet(self.ed25519.public_key().public_bytes_raw(), address_of(point))

    def sign(self, structure: Typed) -> tuple[Signature, Signature]:
        """Returns the signatures of both schemes over a structure that holds on every ledger."""
        return self._ed25519(structure.encoded), self._eip712(structure.typed_digest)

    def sign_header(self, header: Header, destination: Destination) -> tuple[Signature, ...]:
        """Returns an Ed25519 signature over a batch header and, for an EVM destination, an EIP-712 one.

        Raises:
            ValueError: the header is for another destination.
        """
        if header.destination != destination.id:
            message = "the header is for another destination"
            raise ValueError(message)
        signature = self._ed25519(header.encoded)
        if destination.kind not in EVM_KINDS:
            return (signature,)
        return signature, self._eip712(header_digest(header, destination))

    def _ed25519(self, message: bytes) -> Signature:
        return Signature(ED25519, self.keys.ed25519, self.ed25519.sign(message))

    def _eip712(self, digest: Digest) -> Signature:
        # libsecp256k1 returns r || s || recovery id with s in the lower half of the order (EIP-2).
        value = self.secp256k1.sign_recoverable(digest, hasher=None)
        return Signature(EIP712, self.keys.address, value[:64] + bytes([value[64] + 27]))
