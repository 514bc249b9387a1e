"""Organisations of a channel from fixed seeds: their certificates and signatures are the same every time."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from adapters.hyperledger.proto import msp_pb2
from fabric.core.ids import sha256

START: Final = 1_800_000_000
YEAR: Final = 31_536_000
P256: Final = ec.SECP256R1()
P384: Final = ec.SECP384R1()
ORDERS: Final = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def seeded_key(name: str, curve: ec.EllipticCurve | None = P256) -> PrivateKey:
    """Returns a key derived from a name: of a curve, or Ed25519 where none is given."""
    seed = sha256(f"cryptlet-fabric/test/msp/{name}".encode())
    if curve is None:
        return ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    return ec.derive_private_key(int.from_bytes(seed, "big") % (ORDERS[curve.name] - 1) + 1, curve)


def sign(key: PrivateKey, message: bytes, *, high: bool = False) -> bytes:
    """Signs as Hyperledger's identities do: ECDSA with SHA-256 and the low S (or the high one), or Ed25519."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    order = ORDERS[key.curve.name]
    low = min(s, order - s)
    return encode_dss_signature(r, order - low if high else low)


@dataclass(frozen=True)
class Member:
    """Somebody of an organisation: MSP id, certificate and key."""

    msp: str
    certificate: x509.Certificate
    key: PrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def identity(self) -> bytes:
        """The serialised identity."""
        return msp_pb2.SerializedIdentity(mspid=self.msp, id_bytes=self.pem).SerializeToString(deterministic=True)

    def sign(self, message: bytes, *, high: bool = False) -> bytes:
        return sign(self.key, message, high=high)


@dataclass(frozen=True)
class Authority:
    """A certificate authority: a root, or an intermediate of its parent.

    Attributes:
        msp: the MSP id of its organisation.
        name: of its key; authorities of one name and MSP have one key.
        parent: None of a root.
    """

    msp: str
    name: str = "root"
    parent: "Authority | None" = None

    @cached_property
    def key(self) -> PrivateKey:
        return seeded_key(f"{self.msp}/{self.name}")

    @cached_property
    def certificate(self) -> x509.Certificate:
        issuer = self.parent or self
        return issuer.certify(self.subject(), self.key, authority=True)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def subject(self) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.msp),
                x509.NameAttribute(NameOID.COMMON_NAME, f"ca {self.name}"),
            ]
        )

    def member(self, name: str, role: str = "peer", curve: ec.EllipticCurve | None = P256, **options: Any) -> Member:  # noqa: ANN401
        """Issues a certificate; options as in ``certify``."""
        key = seeded_key(f"{self.msp}/{name}", curve)
        units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, each) for each in role.split("+") if each]
        subject = x509.Name([*units, x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return Member(self.msp, self.certify(subject, key, **options), key)

    def certify(  # noqa: PLR0913 - what a test may want otherwise
        self,
        subject: x509.Name,
        key: PrivateKey,
        *,
        authority: bool = False,
        start: int = START - YEAR,
        end: int = START + 10 * YEAR,
        host: str | None = None,
        path_length: int | None = None,
    ) -> x509.Certificate:
        """Issues a certificate of this authority; with ``host`` one of a server at an IP address."""
        serial = int.from_bytes(sha256(subject.public_bytes(), str((start, end)).encode())[:16], "big") | 1
        usage = dict.fromkeys(_USAGES, False) | {("key_cert_sign" if authority else "digital_signature"): True}
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject())
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(_moment(start))
            .not_valid_after(_moment(end))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=path_length), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
        )
        if host:
            name = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
            builder = builder.add_extension(name, critical=False)
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return builder.sign(self.key, None)
        return builder.sign(self.key, hashes.SHA256(), ecdsa_deterministic=True)


_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _moment(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
