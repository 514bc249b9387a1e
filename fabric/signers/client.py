"""The P-256 key of a Hyperledger client, as its key process holds it: typed operations within a grant."""

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fabric.core.canonical import JsonObject, JsonValue
from fabric.signers.proposals import ClientGrant, envelope, parse_endorsed, parse_invocation, transaction_payload
from fabric.signers.proposals import write_base64 as _text
from fabric.signers.queries import parse_query

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class ClientSigner:
    """Signs proposals, transactions and questions of one client."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, grant: ClientGrant) -> None:
        """Takes the client's key and what it may be used for."""
        self._key = key
        self._grant = grant

    @property
    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return public_bytes(self._key)

    def sign_proposal(self, invocation: JsonValue) -> JsonObject:
        """Returns proposal and signature; raises ``Malformed`` and ``Refused``."""
        asked = parse_invocation(invocation)
        self._grant.check(asked.channel, asked.chaincode)
        return {"signed": _text(asked.proposal), "signature": _text(self._sign(asked.proposal))}

    def sign_transaction(self, invocation: JsonValue, endorsed: JsonValue) -> JsonValue:
        """Returns the envelope of a transaction, assembled here; raises ``Malformed`` and ``Refused``."""
        asked = parse_invocation(invocation)
        self._grant.check(asked.channel, asked.chaincode)
        payload = transaction_payload(asked, parse_endorsed(endorsed))
        return _text(envelope(payload, self._sign(payload)))

    def sign_query(self, query: JsonValue) -> JsonObject:
        """Returns a question's bytes and their signature; raises ``Malformed`` and ``Refused``."""
        asked = parse_query(query)
        asked.check(self._grant)
        return {"signed": _text(asked.signed), "signature": _text(self._sign(asked.signed))}

    def _sign(self, message: bytes) -> bytes:
        """Returns an ECDSA signature with SHA-256, DER; peers take only the one with s in the lower half."""
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return encode_dss_signature(r, min(s, P256_ORDER - s))


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Returns the public half as SubjectPublicKeyInfo, DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
