"""Organisations of a Hyperledger channel for tests: their authorities, members and keys."""

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from fabric.core.canonical import JsonObject, JsonValue
from fabric.signers.client import P256_ORDER, ClientSigner, public_bytes
from fabric.signers.process import Signed
from fabric.signers.proposals import ClientGrant, Endorsed, Identity, Invocation
from fabric.signers.queries import Query
from fabric.trust.fields import read_base64

DAY = 86_400
YEAR = 365 * DAY
Key = ec.EllipticCurvePrivateKey


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Member:
    """Someone with a key and a certificate."""

    msp: str
    certificate: x509.Certificate
    key: Key

    @cached_property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @cached_property
    def identity(self) -> Identity:
        return Identity(self.msp, self.pem)

    def sign(self, message: bytes, *, high: bool = False) -> bytes:
        """Returns a signature with s in the lower half of the order, or in the upper one."""
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        low = min(s, P256_ORDER - s)
        return encode_dss_signature(r, P256_ORDER - low if high else low)


@dataclass(frozen=True)
class Authority:
    """A certificate authority of an organisation; an intermediate one where it has a parent."""

    msp: str
    now: int
    parent: "Authority | None" = None
    key: Key = field(default_factory=new_key)

    @cached_property
    def certificate(self) -> x509.Certificate:
        wanted = _Wanted(self.name, self.key, is_authority=True, start=self.now - DAY, end=self.now + YEAR)
        return _make(self.parent or self, wanted)

    @cached_property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def name(self) -> x509.Name:
        return _name(self.msp, f"ca.{self.msp}{'.below' if self.parent else ''}", None)

    def issue(self, name: str, role: str | None, *, key: Key | None = None, ends: int | None = None) -> Member:
        """Makes a certificate out to somebody; it began a day ago and ends in a year, or when it is said."""
        held, end = key or new_key(), ends or self.now + YEAR
        subject = _name(self.msp, name, role)
        wanted = _Wanted(subject, held, is_authority=False, start=min(self.now, end) - DAY, end=end)
        return Member(self.msp, _make(self, wanted), held)

    @property
    def trusted(self) -> JsonObject:
        roots: list[JsonValue] = [self.pem]
        return {"roots": roots, "intermediates": []}


class LocalKeys:
    """``ClientKeys`` in this process: what a key process does, without the process."""

    def __init__(self, key: Key, channel: str, chaincode: str) -> None:
        self._signer = ClientSigner(key, ClientGrant(channel, frozenset({chaincode})))
        self._key = key
        self.signed: list[str] = []

    @property
    def client_key(self) -> bytes:
        return public_bytes(self._key)

    async def sign_proposal(self, invocation: Invocation) -> Signed:
        self.signed.append("proposal")
        return _signed(self._signer.sign_proposal(invocation.to_json()))

    async def sign_endorsed(self, invocation: Invocation, endorsed: Endorsed) -> bytes:
        self.signed.append("transaction")
        return read_base64(self._signer.sign_transaction(invocation.to_json(), endorsed.to_json()), "envelope")

    async def sign_query(self, query: Query) -> Signed:
        self.signed.append("query")
        return _signed(self._signer.sign_query(query.to_json()))


def _signed(value: JsonObject) -> Signed:
    return Signed(read_base64(value["signed"], "signed"), read_base64(value["signature"], "signature"))


def _name(msp: str, name: str, role: str | None) -> x509.Name:
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role)] if role else []
    ends = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, msp), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    return x509.Name([*units, *ends])


@dataclass(frozen=True)
class _Wanted:
    """What a certificate shall say."""

    subject: x509.Name
    key: Key
    is_authority: bool
    start: int
    end: int


def _make(issuer: Authority, wanted: _Wanted) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(wanted.subject)
        .issuer_name(issuer.name)
        .public_key(wanted.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime.fromtimestamp(wanted.start, dt.UTC))
        .not_valid_after(dt.datetime.fromtimestamp(wanted.end, dt.UTC))
        .add_extension(x509.BasicConstraints(ca=wanted.is_authority, path_length=None), critical=True)
    )
    return builder.sign(issuer.key, hashes.SHA256())
