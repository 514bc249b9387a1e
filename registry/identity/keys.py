"""An issuer's public keys (RFC 7517): of each, the one algorithm that it may be used with.

The algorithm follows from the key. A token that names another one, such as HS256 over the public key's own bytes, or
none, finds no key.
"""

from dataclasses import dataclass
from typing import Final

import jwt

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed

MAX_KEYS: Final = 64
_MAX_NAME: Final = 255
_KINDS: Final = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
ALGORITHMS: Final = tuple(_KINDS.values())
_PUBLIC: Final = {"RS256": ("n", "e"), "ES256": ("x", "y"), "EdDSA": ("x",)}
_TEXT: Final = {"RS256": 700, "ES256": 44, "EdDSA": 44}
"""Longest number of a key in base64url: 4,096 bits of a modulus, 256 of a coordinate."""
_EXPONENT: Final = "AQAB"
"""65537; a long exponent would only cost the verifier time."""
_MIN_RSA_BITS: Final = 2048
_SIGNATURES: Final = jwt.PyJWS(algorithms=ALGORITHMS)


@dataclass(frozen=True)
class TokenKey:
    """A public key of an issuer.

    Attributes:
        name: its ``kid``; empty where it has none.
        algorithm: ``RS256``, ``ES256`` or ``EdDSA``.
    """

    name: str
    algorithm: str
    _key: jwt.PyJWK

    def is_signed(self, token: str) -> bool:
        """Says whether a token in compact form (RFC 7515) is signed by this key, with its algorithm."""
        try:
            _SIGNATURES.decode(token, self._key, algorithms=[self.algorithm])
        except jwt.PyJWTError:
            return False
        return True


def parse_keys(value: JsonValue) -> tuple[TokenKey, ...]:
    """Reads a key set (RFC 7517 section 5).

    Keys of another kind, algorithm or use are passed over, as are names that are not known; of a key only its public
    numbers are read.

    Raises:
        Malformed: no key set, more than 64 keys, or a key of a known kind that is none.
    """
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise Malformed("keys", f"expected an object with a list `keys` of at most {MAX_KEYS}")
    read = (_parse_key(one) for one in keys)
    return tuple(one for one in read if one is not None)


def _parse_key(value: JsonValue) -> TokenKey | None:
    if not isinstance(value, dict):
        raise Malformed("keys", f"expected objects, got {type(value).__name__}")
    algorithm = _algorithm(value)
    if algorithm is None or value.get("use", "sig") != "sig" or value.get("alg", algorithm) != algorithm:
        return None
    name = value.get("kid", "")
    if not isinstance(name, str) or len(name) > _MAX_NAME:
        raise Malformed("keys.kid", f"expected at most {_MAX_NAME} characters")
    numbers = {one: value.get(one) for one in _PUBLIC[algorithm]}
    if not all(isinstance(text, str) and len(text) <= _TEXT[algorithm] for text in numbers.values()):
        raise Malformed("keys", f"key {name!r}: expected {', '.join(numbers)} of at most {_TEXT[algorithm]} characters")
    return TokenKey(name, algorithm, _load({"kty": value["kty"], "crv": value.get("crv"), **numbers}, algorithm))


def _algorithm(value: JsonObject) -> str | None:
    kind, curve = value.get("kty"), value.get("crv")
    if not isinstance(kind, str) or not (curve is None or isinstance(curve, str)):
        return None
    return _KINDS.get((kind, curve))


def _load(key: JsonObject, algorithm: str) -> jwt.PyJWK:
    if key.get("e", _EXPONENT) != _EXPONENT:
        raise Malformed("keys", f"expected the RSA exponent {_EXPONENT}")
    try:
        loaded = jwt.PyJWK(key, algorithm)
    except (jwt.PyJWTError, ValueError) as error:
        raise Malformed("keys", f"no {algorithm} key: {error}") from error
    if getattr(loaded.key, "key_size", _MIN_RSA_BITS) < _MIN_RSA_BITS and algorithm == "RS256":
        raise Malformed("keys", f"expected an RSA key of at least {_MIN_RSA_BITS} bits")
    return loaded
