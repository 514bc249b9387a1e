"""Identities: whose certificate it is, what it may do, and whether a signature is its own."""

from collections.abc import Mapping
from contextlib import suppress
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


_UNITS: Final = frozenset(ROLES[1:])
_BAD: Final = (InvalidSignature, UnsupportedAlgorithm, x509.DuplicateExtension)
MALFORMED: Final = "unknown, creator is malformed"


class IdentityRefused(Exception):
    """An identity that is nobody's here, or a signature that is not its own; the message says why.

    Attributes:
        about: what a peer tells the client, no more than the organisation.
    """

    def __init__(self, reason: str, about: str = MALFORMED) -> None:
        """Takes the reason, and what the client is told."""
        super().__init__(reason)
        self.about = about


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
        return role == MEMBER or role in _roles(self.certificate)

    @property
    def key(self) -> tuple[str, bytes]:
        """What makes two identities the same one, however each was written."""
        return self.msp, self.certificate.fingerprint(hashes.SHA256())

    def verify(self, message: bytes, signature: bytes) -> None:
        """Checks a signature; raises ``IdentityRefused``."""
        try:
            _verify(self.certificate.public_key(), message, signature)
        except (ValueError, *_BAD) as error:
            raise IdentityRefused(f"the signature of {self.msp} is invalid: {error}", f"[{self.msp}]") from error


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
            certificate.verify_directly_issued_by(root)
            _check(certificate, given.mspid)
            self._check_dates(certificate, given.mspid)
        except (DecodeError, ValueError, TypeError, *_BAD) as error:
            raise IdentityRefused(f"the identity is not valid: {error!r}") from error
        return Identity(given.mspid, certificate, encoded)

    def verified(self, encoded: bytes, message: bytes, signature: bytes) -> Identity:
        """Returns whose an identity is, once its signature over a message holds; raises ``IdentityRefused``."""
        identity = self.identify(encoded)
        identity.verify(message, signature)
        return identity

    def has_ended(self, encoded: bytes) -> bool:
        """Says whether an identity bears a certificate whose time is over; of one that cannot be read, it does not."""
        try:
            given = msp_pb2.SerializedIdentity.FromString(encoded)
            certificate = x509.load_pem_x509_certificate(given.id_bytes)
        except (DecodeError, ValueError, *_BAD):
            return False
        return self._now() > certificate.not_valid_after_utc

    def _check_dates(self, certificate: x509.Certificate, msp: str) -> None:
        if not certificate.not_valid_before_utc <= self._now() <= certificate.not_valid_after_utc:
            until = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M}"
            raise IdentityRefused(f"the certificate is valid until {until}", f"[{msp}]")

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.unix_seconds(), UTC)


def _check(certificate: x509.Certificate, msp: str) -> None:
    """Checks that a certificate is of nobody who makes certificates out, and of one role."""
    with suppress(x509.ExtensionNotFound):
        if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise IdentityRefused("the certificate of an authority is nobody's identity", f"[{msp}]")
    if len(_roles(certificate)) != 1:
        raise IdentityRefused(f"it must have one of the roles {', '.join(ROLES[1:])}", f"[{msp}]")


def _roles(certificate: x509.Certificate) -> set[str]:
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return {str(unit.value) for unit in units} & _UNITS


def _verify(key: object, message: bytes, signature: bytes) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
        return
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _ORDERS:
        raise ValueError("the key is neither of P-256 or P-384 nor of Ed25519")
    if decode_dss_signature(signature)[1] > _ORDERS[key.curve.name] // 2:
        raise ValueError("Invalid S. Must be smaller than half the order")
    key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
