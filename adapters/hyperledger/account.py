"""Accounts of a channel's clients: MSP id and public key, so that an account outlives its certificate. Pure."""

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fabric.core.errors import Malformed
from fabric.core.ids import Account, sha256

_TAG: Final = b"cryptlet-fabric/hyperledger-account/v1"
_FIELD: Final = "creator"
_MAX_PEM: Final = 16 << 10


def account_of(msp: str, public_key: bytes) -> Account:
    """Returns the account of a client.

    Args:
        msp: its MSP id.
        public_key: its SubjectPublicKeyInfo, DER.
    """
    return Account(sha256(_TAG, b"\0", msp.encode(), b"\0", public_key))


def certificate_account(msp: str, pem: bytes) -> Account:
    """Returns the account of a client by its certificate in PEM; raises ``Malformed``."""
    if not msp or "\0" in msp or len(pem) > _MAX_PEM:
        raise Malformed(_FIELD, "expected an MSP id and a certificate")
    try:
        (certificate,) = x509.load_pem_x509_certificates(pem)
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed(_FIELD, f"not one certificate in PEM: {error}") from error
    return account_of(msp, key)
