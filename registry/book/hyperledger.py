"""Identities of Hyperledger: the MSP id and the key whose digest an account is (docs/spec/accounts.md).

The log holds no certificate, and no reader parses one. MSP id, key and signature have one spelling each and are checked
by arithmetic alone, so that readers of any year decide alike.
"""

import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import Account, sha256
from fabric.trust.fields import read_hex, read_object, read_text

ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256 (FIPS 186-5, SP 800-186). Of the two signatures that each one gives, the one with the lower s counts."""
_PREFIX: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
"""Of the SubjectPublicKeyInfo of a P-256 key (RFC 5480); a point follows."""
_POINT_BYTES: Final = 65
_KEY_BYTES: Final = len(_PREFIX) + _POINT_BYTES
_UNCOMPRESSED: Final = b"\x04"
_SIGNATURE_BYTES: Final = 64
_TAG: Final = b"cryptlet-fabric/hyperledger-account/v1"
_MSP: Final = re.compile(r"[!-~]+")
"""A zero character would end it in the account's digest, and a foreign letter can look like one of another's name."""
_NAMES: Final = frozenset(("msp", "public_key"))


@dataclass(frozen=True)
class Identity:
    """A client of a channel, as its certificate names it.

    Attributes:
        msp: id of the MSP that it says it is of.
        public_key: its SubjectPublicKeyInfo, DER: P-256, uncompressed, 91 bytes.
    """

    msp: str
    public_key: bytes

    @property
    def account(self) -> Account:
        """What the ledger's rules know it by (docs/spec/hyperledger.md, Accounts); it outlives its certificates."""
        return Account(sha256(_TAG, b"\0", self.msp.encode(), b"\0", self.public_key))

    def to_json(self) -> JsonObject:
        """Returns it as a JSON object."""
        return {"msp": self.msp, "public_key": self.public_key.hex()}

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Says whether a signature of a message is its key's: ECDSA, SHA-256, r || s, s in the order's lower half."""
        if len(signature) != _SIGNATURE_BYTES:
            return False
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if not (0 < r < ORDER and 0 < s <= ORDER // 2):
            return False
        try:
            _load(self.public_key).verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def parse_identity(value: JsonValue) -> Identity:
    """Reads what ``Identity.to_json`` writes; raises ``Malformed``."""
    fields = read_object(value, _NAMES, "link.identity")
    msp = read_text(fields["msp"], "link.identity.msp")
    if not _MSP.fullmatch(msp):
        raise Malformed("link.identity.msp", f"expected printable ASCII without space, got {ascii(msp)[:80]}")
    key = read_hex(fields["public_key"], "link.identity.public_key", _KEY_BYTES)
    _load(key)
    return Identity(msp, key)


def _load(key: bytes) -> ec.EllipticCurvePublicKey:
    """Returns a key; raises ``Malformed`` where it is none. Not parsed: a key of this curve has one beginning."""
    point = key[len(_PREFIX) :]
    if not key.startswith(_PREFIX + _UNCOMPRESSED) or len(point) != _POINT_BYTES:
        raise Malformed("link.identity.public_key", "expected the SubjectPublicKeyInfo of a P-256 key, uncompressed")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise Malformed("link.identity.public_key", "no point of P-256") from error
