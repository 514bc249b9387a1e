"""X.509 certificates of a channel's organisations: whose they are, what they may sign, where they lead. Pure.

A certificate is parsed once and kept by its bytes, since every proof of a ledger shows the same few.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID, NameOID, SignatureAlgorithmOID

from fabric.core.errors import Malformed
from fabric.trust.schemes import is_ed25519

MAX_PEM: Final = 16 << 10
MAX_INTERMEDIATES: Final = 4
"""Between a certificate and its root."""
_E = TypeVar("_E", bound=x509.ExtensionType)
ROLES: Final = frozenset({"admin", "client", "peer", "orderer"})
NOT_MADE: Final = "a signature is not of the key of its certificate, or its s is in the upper half of the order"
_FIELD: Final = "certificate"
_HALF_ORDERS: Final = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 >> 1,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
    >> 1,
}
_SOUND: Final = frozenset(
    {
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512,
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
        SignatureAlgorithmOID.ED25519,
    }
)
"""What may sign certificates."""
_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)
"""What may be critical; what nobody here understands must not be passed over."""
_UNREADABLE: Final = (
    *(ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension),
    Warning,  # of what a later release refuses, where somebody makes errors of warnings
)


@dataclass(frozen=True)
class Certificate:
    """What a certificate says; equal to another of the same bytes.

    Attributes:
        der: the certificate.
        whole: the same, parsed.
        key: its public key.
        public_key: SubjectPublicKeyInfo, DER.
        roles: the roles among the organisational units of its subject.
        start: beginning of validity, Unix seconds.
        end: end of validity, Unix seconds.
        is_authority: whether it says that it is one (CA).
        may_certify: whether it is one that may sign certificates.
        path_length: how many intermediates may follow an authority, None without bound.
    """

    der: bytes
    whole: x509.Certificate = field(compare=False, repr=False)
    key: object = field(compare=False, repr=False)
    public_key: bytes = field(compare=False)
    roles: frozenset[str] = field(compare=False)
    start: int = field(compare=False)
    end: int = field(compare=False)
    is_authority: bool = field(compare=False)
    may_certify: bool = field(compare=False)
    path_length: int | None = field(compare=False)

    def is_valid_at(self, time: int | None) -> bool:
        """Says whether a time lies within its validity, both ends included; None is a time that does not matter."""
        return time is None or self.start <= time <= self.end

    def made(self, signature: bytes, message: bytes) -> bool:
        """Says whether its key made a signature as identities do: ECDSA, SHA-256, low S; or Ed25519."""
        key = self.key
        if isinstance(key, ed25519.Ed25519PublicKey):
            return is_ed25519(key.public_bytes_raw(), signature, message)
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HALF_ORDERS:
            return False
        try:
            _, s = decode_dss_signature(signature)
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return s <= _HALF_ORDERS[key.curve.name]


@lru_cache(maxsize=512)
def read_certificate(pem: bytes) -> Certificate:
    """Reads one certificate in PEM; raises ``Malformed``."""
    if len(pem) > MAX_PEM:
        raise Malformed(_FIELD, f"at most {MAX_PEM} bytes")
    try:
        (whole,) = x509.load_pem_x509_certificates(pem)
        return _read(whole)
    except _UNREADABLE as error:
        raise Malformed(_FIELD, f"expected one certificate in PEM: {error}") from error


def leads_to_root(
    certificate: Certificate, roots: Iterable[Certificate], between: Iterable[Certificate], time: int | None
) -> bool:
    """Says whether a certificate leads to a root, over authorities that are all valid at a time.

    Args:
        certificate: whose issuer is looked for.
        roots: where a path may end.
        between: authorities that it may pass, at most ``MAX_INTERMEDIATES``.
        time: Unix seconds; None where their validity does not matter.
    """
    ends = tuple(each for each in roots if each.is_valid_at(time))
    return _leads(certificate, ends, tuple(each for each in between if each.is_valid_at(time)), 0)


def _leads(
    certificate: Certificate, roots: tuple[Certificate, ...], between: tuple[Certificate, ...], passed: int
) -> bool:
    if any(_issued(root, certificate, passed) for root in roots):
        return True
    if passed == MAX_INTERMEDIATES:
        return False
    issuers = (each for each in between if _issued(each, certificate, passed))
    return any(_leads(each, roots, tuple(set(between) - {each}), passed + 1) for each in issuers)


@lru_cache(maxsize=1024)
def _issued(issuer: Certificate, certificate: Certificate, passed: int) -> bool:
    """Says whether an authority issued a certificate, below which so many intermediates stand."""
    if not issuer.may_certify or (issuer.path_length is not None and passed > issuer.path_length):
        return False
    if certificate.whole.signature_algorithm_oid not in _SOUND:
        return False
    try:
        certificate.whole.verify_directly_issued_by(issuer.whole)
    except (InvalidSignature, *_UNREADABLE):
        return False
    return True


def _read(whole: x509.Certificate) -> Certificate:
    if whole.serial_number <= 0:
        raise Malformed(_FIELD, "a serial number that is not positive")
    if any(each.critical and each.oid not in _UNDERSTOOD for each in whole.extensions):
        raise Malformed(_FIELD, "a critical extension that is not understood")
    constraints = _extension(whole, x509.BasicConstraints)
    usage = _extension(whole, x509.KeyUsage)
    is_authority = constraints is not None and constraints.ca
    units = {unit.value for unit in whole.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)}
    key = whole.public_key()
    return Certificate(
        der=whole.public_bytes(Encoding.DER),
        whole=whole,
        key=key,
        public_key=key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        roles=frozenset(role for role in ROLES if role in units),
        start=int(whole.not_valid_before_utc.timestamp()),
        end=int(whole.not_valid_after_utc.timestamp()),
        is_authority=is_authority,
        may_certify=is_authority and (usage is None or usage.key_cert_sign),
        path_length=constraints.path_length if constraints else None,
    )


def _extension(whole: x509.Certificate, kind: type[_E]) -> _E | None:
    found = (each.value for each in whole.extensions if isinstance(each.value, kind))
    return next(found, None)
