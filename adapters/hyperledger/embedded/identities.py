"""Identities: whose certificate it is, what it may do, and whether a signature is its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from google.protobuf.message import DecodeError

from adapters.hyperledger.proto import msp_pb2
from fabric.core.clock import Clock

MEMBER: Final = "member"
ROLES: Final = (MEMBER, "admin", "client", "peer", "orderer")
_ORDERS: Final = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class IdentityRefused(Exception):
    """An identity that is nobody's here, or a signature that is not its own; the message says why."""


@dataclass(frozen=True)
class Member:
    """Somebody of an organisation who signs: MSP id, certificate and key."""

    msp: str
    certificate: x509.Certificate
    key: PrivateKey

    @property
    def encoded(self) -> bytes:
        """``msp.SerializedIdentity``."""
        pem = self.certificate.public_bytes(Encoding.PEM)
        return msp_pb2.SerializedIdentity(mspid=self.msp, id_bytes=pem).SerializeToString()

    def sign(self, message: bytes) -> bytes:
        """Signs a message: ECDSA with SHA-256 and the low S, in DER, or Ed25519."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return encode_dss_signature(r, min(s, _ORDERS[self.key.curve.name] - s))


@dataclass(frozen=True)
class Identity:
    """Somebody whose certificate was checked.

    Attributes:
        msp: the organisation's MSP id.
        certificate: the certificate.
        encoded: the ``msp.SerializedIdentity`` that it came as.
    """

    msp: str
    certificate: x509.Certificate
    encoded: bytes

    def has_role(self, role: str) -> bool:
        """Says whether it has a role: every one is a member, the others are organisational units of the subject."""
        units = self.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        return role == MEMBER or role in {unit.value for unit in units}

    def verify(self, message: bytes, signature: bytes) -> None:
        """Checks a signature; raises ``IdentityRefused``."""
        try:
            _verify(self.certificate.public_key(), message, signature)
        except (InvalidSignature, ValueError) as error:
            raise IdentityRefused(f"the signature of {self.msp} is invalid: {error}") from error


@dataclass(frozen=True)
class Identities:
    """Knows the organisations of a channel by the certificates of their authorities.

    Attributes:
        roots: certificate of each organisation's authority by MSP id.
        clock: for validity.
    """

    roots: Mapping[str, x509.Certificate]
    clock: Clock

    def identify(self, encoded: bytes) -> Identity:
        """Returns whose an ``msp.SerializedIdentity`` is; raises ``IdentityRefused``."""
        try:
            given = msp_pb2.SerializedIdentity.FromString(encoded)
            root = self.roots.get(given.mspid)
            if root is None:
                raise IdentityRefused(f"MSP {given.mspid} is unknown")
            certificate = x509.load_pem_x509_certificate(given.id_bytes)
            self._check(certificate, root)
        except (DecodeError, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
            raise IdentityRefused(f"the identity is not valid: {error!r}") from error
        return Identity(given.mspid, certificate, encoded)

    def verified(self, encoded: bytes, message: bytes, signature: bytes) -> Identity:
        """Returns whose an identity is, once its signature over a message holds; raises ``IdentityRefused``."""
        identity = self.identify(encoded)
        identity.verify(message, signature)
        return identity

    def _check(self, certificate: x509.Certificate, root: x509.Certificate) -> None:
        certificate.verify_directly_issued_by(root)
        now = datetime.fromtimestamp(self.clock.unix_seconds(), UTC)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise IdentityRefused(f"the certificate is valid until {certificate.not_valid_after_utc:%Y-%m-%d %H:%M}")
        try:
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            return
        if constraints.ca:
            raise IdentityRefused("the certificate of an authority is nobody's identity")


def _verify(key: object, message: bytes, signature: bytes) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
        return
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _ORDERS:
        raise IdentityRefused("the key is neither of P-256 or P-384 nor of Ed25519")
    if decode_dss_signature(signature)[1] > _ORDERS[key.curve.name] // 2:
        raise IdentityRefused("Invalid S. Must be smaller than half the order")
    key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
