"""Authorities: who makes out certificates, and the files in which an organisation's keys lie."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from adapters.hyperledger.embedded.identities import Member, PrivateKey
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError

CA_DAYS: Final = 3_650
DAYS: Final = 365
HOSTS: Final = ("localhost",)
ADDRESSES: Final = (ipaddress.ip_address("127.0.0.1"),)
_SLACK: Final = timedelta(minutes=5)
_CONSTRAINTS: Final = x509.BasicConstraints(ca=False, path_length=None)
_CA_CONSTRAINTS: Final = x509.BasicConstraints(ca=True, path_length=0)


@dataclass(frozen=True)
class Authority:
    """An authority: its certificate, its key, and whom it makes certificates out for."""

    name: str
    certificate: x509.Certificate
    key: PrivateKey
    clock: Clock

    @classmethod
    def create(cls, name: str, clock: Clock) -> "Authority":
        """Makes a new authority of an organisation."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(name, None, f"ca.{name}")
        builder = _builder(subject, subject, key.public_key(), _now(clock), CA_DAYS)
        builder = builder.add_extension(_CA_CONSTRAINTS, critical=True)
        builder = builder.add_extension(_usage(ca=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return cls(name, builder.sign(key, hashes.SHA256()), key, clock)

    def issue(self, name: str, role: str | None, public: CertificatePublicKeyTypes) -> x509.Certificate:
        """Makes a certificate out for a public key.

        Args:
            name: common name.
            role: the organisational unit; None for a server or client of TLS, reached as localhost.
            public: the key.
        """
        subject = _subject(self.name, role, name)
        builder = _builder(subject, self.certificate.subject, public, _now(self.clock), DAYS)
        builder = builder.add_extension(_CONSTRAINTS, critical=True)
        builder = builder.add_extension(_usage(ca=False), critical=True)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if role is None:
            names = [*map(x509.DNSName, HOSTS), *map(x509.IPAddress, ADDRESSES)]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            ends = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.ExtendedKeyUsage(ends), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def member(self, name: str, role: str | None) -> Member:
        """Makes a key and a certificate for it."""
        key = ec.generate_private_key(ec.SECP256R1())
        return Member(self.name, self.issue(name, role, key.public_key()), key)


def save(folder: Path, name: str, certificate: x509.Certificate, key: PrivateKey) -> None:
    """Writes ``NAME.pem`` and ``NAME.key``; the key can be read by its owner alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    place = folder / f"{name}.key"
    place.touch(mode=0o600)
    place.write_bytes(secret)
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))


def load(folder: Path, name: str, msp: str) -> Member:
    """Reads what ``save`` wrote; raises ``ConfigError`` naming the file."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
        key = load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{folder / name}: certificate or key cannot be used: {error}") from error
    if not isinstance(key, PrivateKey):
        raise ConfigError(f"{folder / name}.key: expected a key of P-256, P-384 or Ed25519")
    return Member(msp, certificate, key)


def load_authority(folder: Path, name: str, clock: Clock, *, file: str = "ca") -> Authority:
    """Reads an authority."""
    found = load(folder, file, name)
    return Authority(name, found.certificate, found.key, clock)


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.unix_seconds(), UTC)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: CertificatePublicKeyTypes, now: datetime, days: int
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - _SLACK).not_valid_after(now + timedelta(days=days))


def _subject(organisation: str, unit: str | None, name: str) -> x509.Name:
    parts = [(NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, name)]
    if unit:
        parts.insert(1, (NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
