"""Organisations' authorities: whose certificate counts for which organisation and role, and what its key signed. Pure.

What is well-formed and does not hold is a ``VerificationError`` of the step ``settlement``.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.trust.fields import read_list, read_object, read_text

MEMBER: Final = "member"
ROLES: Final = (MEMBER, "admin", "client", "peer", "orderer")
MAX_MSPS: Final = 64
_MAX_AUTHORITIES: Final = 16
_MAX_PEM: Final = 16_384
_MSP: Final = frozenset({"intermediates", "roots"})
_STEP: Final = "settlement"
_ORDERS: Final = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}
_Key = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True)
class Holder:
    """Who holds a certificate: an organisation's member, the roles it has there, and its key."""

    msp: str
    roles: frozenset[str]
    key: _Key


@dataclass(frozen=True)
class Msp:
    """The authorities of one organisation."""

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]

    def vouches_for(self, certificate: x509.Certificate, time: int | None) -> bool:
        """Says whether a certificate chains to a root, over intermediates that are valid at a time."""
        for _ in range(len(self.intermediates) + 1):
            if any(_is_issued_by(certificate, root) for root in self.roots):
                return True
            issuer = next((each for each in self.intermediates if _is_issued_by(certificate, each)), None)
            if issuer is None or not _is_valid(issuer, time) or not _is_authority(issuer):
                return False
            certificate = issuer
        return False


def parse_msps(value: JsonValue, field: str) -> dict[str, Msp]:
    """Reads authorities by MSP id, an object of ``roots`` and ``intermediates``, PEM; raises ``Malformed``."""
    if not isinstance(value, dict) or not 1 <= len(value) <= MAX_MSPS:
        raise Malformed(field, f"expected 1 to {MAX_MSPS} organisations")
    return {name: _msp(each, f"{field}.{name}") for name, each in value.items()}


def check_holder(msps: Mapping[str, Msp], msp: str, pem: bytes, time: int | None) -> Holder:
    """Returns the holder of a certificate that an organisation's authorities vouch for.

    Args:
        msps: the authorities.
        msp: the organisation that it claims.
        pem: the certificate.
        time: when it must have been valid, Unix seconds; None where its time is unknown and does not matter.

    Raises:
        VerificationError: it does not hold.
        Malformed: not one certificate in PEM.
    """
    certificate = read_certificate(pem, "certificate")
    known = msps.get(msp)
    if known is None:
        _fail(f"organisation {msp!r} is not among the trusted ones")
    if _is_authority(certificate):
        _fail(f"an authority's certificate of {msp} stands for a member")
    if not _is_valid(certificate, time):
        _fail(f"a certificate of {msp} was not valid at {time}")
    if not known.vouches_for(certificate, time):
        _fail(f"a certificate does not chain to a root of {msp}")
    return holder_of(msp, certificate)


def holder_of(msp: str, certificate: x509.Certificate) -> Holder:
    """Returns what a certificate says of its holder, whoever made it; raises ``VerificationError`` for other keys."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    named = {str(unit.value) for unit in units}
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        _fail(f"a certificate of {msp} has a key that is neither ECDSA nor Ed25519")
    return Holder(msp, frozenset({MEMBER, *(role for role in ROLES if role in named)}), key)


def check_signature(key: _Key, signature: bytes, message: bytes) -> None:
    """Checks an Ed25519 signature, or an ECDSA one with SHA-256 whose s is in the lower half of the order.

    Raises:
        VerificationError: it does not hold.
    """
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
            return
        order = _ORDERS.get(key.curve.name)
        if order is None or decode_dss_signature(signature)[1] > order // 2:
            _fail("a signature whose s is in the upper half of the order, or of an unknown curve")
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        _fail("a signature is not of the key of its certificate")


def read_certificate(pem: bytes, field: str) -> x509.Certificate:
    """Reads one certificate in PEM; raises ``Malformed``."""
    try:
        (found,) = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise Malformed(field, f"expected one certificate in PEM: {error}") from error
    return found


def _msp(value: JsonValue, field: str) -> Msp:
    fields: JsonObject = read_object(value, _MSP, field)
    roots = _certificates(fields["roots"], f"{field}.roots")
    if not roots:
        raise Malformed(f"{field}.roots", "expected at least one")
    return Msp(tuple(roots), tuple(_certificates(fields["intermediates"], f"{field}.intermediates")))


def _certificates(value: JsonValue, field: str) -> Sequence[x509.Certificate]:
    return read_list(
        value,
        lambda each: read_certificate(read_text(each, field, _MAX_PEM).encode(), field),
        field,
        _MAX_AUTHORITIES,
    )


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _is_valid(certificate: x509.Certificate, time: int | None) -> bool:
    if time is None:
        return True
    at = dt.datetime.fromtimestamp(time, dt.UTC)
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _fail(reason: str) -> NoReturn:
    raise VerificationError(_STEP, reason)
