"""Signature schemes: a closed list of two. Verification only; who signs lives in processes of its own.

* ``ed25519``: RFC 8032 over the encoded structure. Key: 32 bytes, not of small order, since under such a key one
  signature fits every message. Signature: 64 bytes.
* ``eip712-secp256k1``: over the EIP-712 digest; key is the 20-byte address; signature r || s || v, 65 bytes, s in the
  lower half of the order (EIP-2), v 27 or 28.

Signature bytes are never used as an identifier.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import coincurve
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_hash.auto import keccak

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.trust.fields import read_hex

ED25519: Final = "ed25519"
EIP712: Final = "eip712-secp256k1"
HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ADDRESS_BYTES: Final = 20
_Y_BITS: Final = 2**255 - 1
_FIELD: Final = 2**255 - 19
_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
"""The y coordinate of a point of order 8; the other one is its negative."""
_SMALL_ORDER: Final = frozenset({0, 1, _FIELD - 1, _FIELD, _FIELD + 1, _ORDER_8, _FIELD - _ORDER_8})
"""Every y coordinate of the points of order 1, 2, 4 and 8, also those spelled beyond the field's prime."""
_KEY_BYTES: Final = {ED25519: 32, EIP712: ADDRESS_BYTES}
_SIGNATURE_BYTES: Final = {ED25519: 64, EIP712: 65}


@dataclass(frozen=True)
class Signature:
    """A signature with the key that is claimed to have made it.

    Attributes:
        scheme: ``ed25519`` or ``eip712-secp256k1``.
        key: public key (32 bytes) or address (20 bytes).
        value: the signature bytes of the scheme.
    """

    scheme: str
    key: bytes
    value: bytes

    def to_json(self) -> JsonObject:
        """Returns the signature as a JSON object."""
        return {"key": self.key.hex(), "scheme": self.scheme, "signature": self.value.hex()}


def parse_signature(value: JsonValue) -> Signature:
    """Reads a signature object; raises ``Malformed``."""
    if not isinstance(value, dict) or set(value) != {"key", "scheme", "signature"}:
        raise Malformed("signature", "expected an object with key, scheme, signature")
    scheme = value["scheme"]
    if not isinstance(scheme, str) or scheme not in _KEY_BYTES:
        raise Malformed("signature.scheme", f"expected one of {', '.join(_KEY_BYTES)}")
    return Signature(
        scheme,
        read_hex(value["key"], "signature.key", _KEY_BYTES[scheme]),
        read_hex(value["signature"], "signature.signature", _SIGNATURE_BYTES[scheme]),
    )


def address_of(public_key: bytes) -> bytes:
    """Returns the EVM address of an uncompressed secp256k1 key (65 bytes)."""
    return keccak(public_key[1:])[-ADDRESS_BYTES:]


def recover_address(digest: bytes, signature: bytes) -> bytes | None:
    """Returns the address that made a recoverable signature, or None where no key can have made it."""
    if len(signature) != _SIGNATURE_BYTES[EIP712] or signature[64] not in (27, 28):
        return None
    if int.from_bytes(signature[32:64], "big") > HALF_ORDER:
        return None
    compact = signature[:64] + bytes([signature[64] - 27])
    try:
        key = coincurve.PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except ValueError:
        return None
    except Exception as error:
        if type(error) is not Exception:
            raise
        return None
    return address_of(key.format(compressed=False))


def is_valid(signature: Signature, message: bytes, digest: Callable[[], bytes]) -> bool:
    """Says whether the signature is of its key.

    Args:
        signature: what to check.
        message: the encoded structure, which Ed25519 signs.
        digest: gives the EIP-712 digest; called only where the scheme needs it.
    """
    if signature.scheme == ED25519:
        return is_ed25519(signature.key, signature.value, message)
    if signature.scheme == EIP712:
        return recover_address(digest(), signature.value) == signature.key
    return False


def is_ed25519(key: bytes, signature: bytes, message: bytes) -> bool:
    """Says whether an Ed25519 signature (RFC 8032) of a message is of the key."""
    if int.from_bytes(key, "little") & _Y_BITS in _SMALL_ORDER:
        return False
    try:
        _ed25519_key(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=256)
def _ed25519_key(key: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(key)
