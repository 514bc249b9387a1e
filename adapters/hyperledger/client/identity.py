"""Who a client of a channel is: an MSP id, a certificate, and a key that another process holds."""

from dataclasses import dataclass
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fabric.core.errors import ConfigError, LedgerError, Party
from fabric.signers.process import Signed
from fabric.signers.proposals import Endorsed, Identity, Invocation
from fabric.signers.queries import Query

WARN_SECONDS: Final = 30 * 86_400
"""How long before its end a certificate is warned of."""


class CertificateExpired(LedgerError):
    """The client's certificate has ended, so that the ordering service takes nothing under it."""

    code = "certificate-expired"
    party = Party.OPERATOR


class ClientKeys(Protocol):
    """Holds the client's key; signs typed values only."""

    @property
    def client_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        ...

    async def sign_proposal(self, invocation: Invocation) -> Signed:
        """Returns the proposal of an invocation; raises ``Refused`` and ``SigningFailed``."""
        ...

    async def sign_endorsed(self, invocation: Invocation, endorsed: Endorsed) -> bytes:
        """Returns the envelope of an endorsed invocation; raises ``Refused`` and ``SigningFailed``."""
        ...

    async def sign_query(self, query: Query) -> Signed:
        """Returns a signed question; raises ``Refused`` and ``SigningFailed``."""
        ...


@dataclass(frozen=True)
class Client:
    """The client of one deployment.

    Attributes:
        identity: MSP id and certificate.
        keys: who signs.
        not_before: when the certificate begins, Unix seconds.
        not_after: when it ends, Unix seconds.
    """

    identity: Identity
    keys: ClientKeys
    not_before: int
    not_after: int

    def check(self, now: int) -> None:
        """Refuses to prepare anything under a certificate that has ended; raises ``CertificateExpired``."""
        if now > self.not_after:
            message = (
                f"the client's certificate of {self.identity.msp} ended at {self.not_after}: have its authority make "
                "out a new one for the same key, set it as certificate, and start again"
            )
            raise CertificateExpired(message)

    def seconds_left(self, now: int) -> int:
        """Returns for how long the certificate is valid, 0 where it has ended."""
        return max(self.not_after - now, 0)


def client_of(msp: str, certificate: str, keys: ClientKeys) -> Client:
    """Returns the client of a certificate.

    Raises:
        ConfigError: not one certificate in PEM, or it is of another key.
    """
    found = read_certificate(certificate, "certificate")
    if found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != keys.client_key:
        message = "hyperledger: certificate: it is made out to another key than the client's"
        raise ConfigError(message)
    # The text is part of every signed header and of the transaction id, so that it has one spelling.
    identity = Identity(msp, found.public_bytes(Encoding.PEM).decode())
    return Client(identity, keys, int(found.not_valid_before_utc.timestamp()), end_of(found))


def read_certificate(pem: str, name: str) -> x509.Certificate:
    """Reads one certificate in PEM; raises ``ConfigError``."""
    try:
        (found,) = x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        message = f"hyperledger: {name}: expected one certificate in PEM: {error}"
        raise ConfigError(message) from error
    return found


def end_of(certificate: x509.Certificate) -> int:
    """Returns the end of a certificate, Unix seconds."""
    return int(certificate.not_valid_after_utc.timestamp())
