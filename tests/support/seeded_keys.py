"""Keys from fixed seeds, for vectors and tests. Both schemes are deterministic (RFC 8032, RFC 6979)."""

from dataclasses import dataclass
from functools import cached_property

import coincurve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.core.ids import sha256
from fabric.trust.attestation import KeySet
from fabric.trust.checkpoint import Checkpoint
from fabric.trust.schemes import ED25519, EIP712, Signature, address_of


@dataclass(frozen=True)
class SeededKeys:
    """One party's two private keys, derived from a name: ed25519 seed and secp256k1 scalar are SHA-256 of it."""

    name: str

    @cached_property
    def ed25519_seed(self) -> bytes:
        return sha256(f"cryptlet-fabric/test/ed25519/{self.name}".encode())

    @cached_property
    def secp256k1_secret(self) -> bytes:
        return sha256(f"cryptlet-fabric/test/secp256k1/{self.name}".encode())

    @cached_property
    def _ed25519(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.ed25519_seed)

    @cached_property
    def _secp256k1(self) -> coincurve.PrivateKey:
        return coincurve.PrivateKey(self.secp256k1_secret)

    @cached_property
    def public(self) -> KeySet:
        """The public halves."""
        address = address_of(self._secp256k1.public_key.format(compressed=False))
        return KeySet(self._ed25519.public_key().public_bytes_raw(), address)

    @property
    def key(self) -> bytes:
        """The public Ed25519 key, as the signer protocols of the adapters name it."""
        return self.public.ed25519

    def sign_message(self, message: bytes) -> bytes:
        """Signs with Ed25519."""
        return self._ed25519.sign(message)

    def sign_digest(self, digest: bytes) -> bytes:
        """Signs a 32-byte digest with secp256k1: r || s || v, v 27 or 28."""
        raw = self._secp256k1.sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes([raw[64] + 27])

    def signature(self, scheme: str, message: bytes, digest: bytes) -> Signature:
        """Signs a structure under a scheme."""
        if scheme == ED25519:
            return Signature(ED25519, self.public.ed25519, self.sign_message(message))
        return Signature(EIP712, self.public.address, self.sign_digest(digest))

    def signatures(self, message: bytes, digest: bytes) -> tuple[Signature, Signature]:
        """Signs a structure under both schemes."""
        return self.signature(ED25519, message, digest), self.signature(EIP712, message, digest)

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """Signs a checkpoint (``CheckpointSigner`` of the native ledger)."""
        return self.sign_message(checkpoint.body)
