"""Keys of development: clients of a development network that stand beside the fabric, with a key in this process.

The fabric's own client key is in a key process; founders, integrators and correspondents of a development network have
nothing that anybody could want.
"""

import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from fabric.core.canonical import JsonObject, JsonValue
from fabric.signers.client import ClientSigner
from fabric.signers.files import p256_key
from fabric.signers.process import Signed
from fabric.signers.proposals import ClientGrant, Endorsed, Invocation
from fabric.signers.queries import Query


class DevelopmentKeys:
    """A client's key in this process (``adapters.hyperledger.client.identity.ClientKeys``)."""

    def __init__(self, path: Path, channel: str, chaincode: str) -> None:
        """Reads a key file, or makes it; raises ``ConfigError``."""
        self._signer = ClientSigner(p256_key(path), ClientGrant(channel, frozenset({chaincode})))

    @property
    def client_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return self._signer.public_key

    async def sign_proposal(self, invocation: Invocation) -> Signed:
        """Returns the proposal of an invocation."""
        return _signed(self._signer.sign_proposal(invocation.to_json()))

    async def sign_endorsed(self, invocation: Invocation, endorsed: Endorsed) -> bytes:
        """Returns the envelope of an endorsed invocation."""
        return _bytes(self._signer.sign_transaction(invocation.to_json(), endorsed.to_json()))

    async def sign_query(self, query: Query) -> Signed:
        """Returns a signed question."""
        return _signed(self._signer.sign_query(query.to_json()))


def public_pem(key: bytes) -> bytes:
    """Returns a public key, SubjectPublicKeyInfo in DER, as PEM."""
    found = load_der_public_key(key)
    assert isinstance(found, ec.EllipticCurvePublicKey)  # noqa: S101 - our own key process's
    return found.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _signed(value: JsonObject) -> Signed:
    return Signed(_bytes(value["signed"]), _bytes(value["signature"]))


def _bytes(value: JsonValue) -> bytes:
    return base64.b64decode(str(value))
