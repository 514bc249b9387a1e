"""Publishing by a token that an issuer gave out (OpenID Connect Core 1.0): a short-lived word on who runs a workflow.

A namespace names issuers and what their tokens must say (``TrustedIssuer``); no secret is stored anywhere. Pure: keys
are fetched by ``registry.identity.issuer_keys``, and one use of a token is seen to by ``registry.identity.seen``.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, Unauthenticated
from fabric.core.ids import Digest, sha256
from registry.identity.comparison import NOTHING, Row, first_different, shown, table
from registry.identity.issuer import TrustedIssuer
from registry.identity.keys import ALGORITHMS, TokenKey

MAX_TOKEN: Final = 16_384
MAX_AGE_SECONDS: Final = 900
SKEW_SECONDS: Final = 30
"""How far an issuer's clock may be ahead of ours."""
_MAX_TEXT: Final = 255
_MAX_DEPTH: Final = 8
_TYPES: Final = ("", "jwt")
"""Not ``at+jwt`` (RFC 9068): an access token is for another door."""


@dataclass(frozen=True)
class Claims:
    """What a verified token says.

    Attributes:
        issuer: who says it.
        subject: of whom.
        token: the token's own id (``jti``), for one use.
        until: the last second in which the token could be used, Unix seconds.
        values: every claim of the token.
    """

    issuer: str
    subject: str
    token: str
    until: int
    values: Mapping[str, JsonValue]

    @property
    def id(self) -> Digest:
        """Names the token among those of all issuers."""
        return sha256(sha256(self.issuer.encode()), self.token.encode())


@dataclass(frozen=True)
class Unverified:
    """A token that was taken apart and is believed in nothing.

    Attributes:
        text: the token in compact form.
        header: its header.
        values: its claims.
    """

    text: str
    header: JsonObject
    values: JsonObject

    @property
    def issuer(self) -> str:
        """Who it says it is of; empty where it says nothing."""
        return _text(self.values.get("iss"))

    @property
    def key(self) -> str:
        """The name of the key that it says it is signed by (``kid``); empty where it says nothing."""
        return _text(self.header.get("kid"))


def open_token(token: str) -> Unverified:
    """Takes a token in compact form (RFC 7515 section 7.1) apart, without believing it; raises ``Malformed``."""
    if len(token) > MAX_TOKEN or not token.isascii():
        raise Malformed("token", f"expected at most {MAX_TOKEN} ASCII characters, got {len(token)}")
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        raise Malformed("token", f"expected three parts between dots, got {len(parts)}")
    header, values, _ = (_base64url(part) for part in parts)
    return Unverified(token, _object(header, "token.header"), _object(values, "token.claims"))


def verify_token(token: str, trusted: TrustedIssuer, keys: Sequence[TokenKey], now: int) -> Claims:
    """Verifies a token against what a namespace trusts.

    Args:
        token: in compact form.
        trusted: whose tokens are taken, and what they must say.
        keys: the issuer's keys, already fetched. Each carries its algorithm; the token's choice only has to agree.
        now: Unix seconds.

    Raises:
        Malformed: no token at all.
        Unauthenticated: a claim differs or the signature does not hold; the message shows every claim that was
            expected and every one that was received, side by side, and names the first that differs.
    """
    opened = open_token(token)
    rows = _rows(opened, trusted, keys, now)
    if different := first_different(rows):
        raise Unauthenticated(
            f"the token is refused, for its {different.name}: expected {different.expected}, got {different.received}; "
            f"publish from what the namespace trusts, or have its owner trust this\n{table(rows)}"
        )
    values = opened.values
    until = min(_integer(values["exp"]) - 1, _integer(values["iat"]) + MAX_AGE_SECONDS)
    return Claims(trusted.issuer, _text(values["sub"]), _text(values["jti"]), until, values)


def _rows(opened: Unverified, trusted: TrustedIssuer, keys: Sequence[TokenKey], now: int) -> list[Row]:
    values = opened.values
    trouble = _trouble(opened, keys)
    rows = [
        Row("iss", shown(trusted.issuer), _shown(values, "iss"), values.get("iss") == trusted.issuer),
        Row("signature", "of a key of the issuer", trouble or "holds", trouble is None),
        Row("aud", shown(trusted.audience), _shown(values, "aud"), _is_only(values.get("aud"), trusted.audience)),
    ]
    for name, (expected, holds) in _standard(now).items():
        if name not in trusted.claims:
            rows.append(Row(name, expected, _shown(values, name), holds(values.get(name))))
    for name, text in sorted(trusted.claims.items()):
        rows.append(Row(_label(name), shown(text), _shown(values, name), values.get(name) == text))
    told = {"iss", "aud", *_standard(now), *trusted.claims}
    return [
        *rows,
        *(Row(_label(name), NOTHING, shown(values[name]), holds=True) for name in sorted(set(values) - told)),
    ]


def _standard(now: int) -> dict[str, tuple[str, Callable[[JsonValue], bool]]]:
    """Returns what RFC 7519 section 4.1 and this registry ask of any token, in words and as a test."""
    oldest, newest = now - MAX_AGE_SECONDS, now + SKEW_SECONDS
    return {
        "exp": (f"after {now}", lambda value: _integer(value) > now),
        "nbf": (f"at most {newest}, or none", lambda value: value is None or 0 <= _integer(value) <= newest),
        "iat": (f"{oldest} to {newest}", lambda value: oldest <= _integer(value) <= newest),
        "sub": (f"1 to {_MAX_TEXT} characters", _is_name),
        "jti": (f"1 to {_MAX_TEXT} characters", _is_name),
    }


def _trouble(opened: Unverified, keys: Sequence[TokenKey]) -> str | None:
    """Says why the signature does not count; None where it does."""
    header = opened.header
    algorithm, kind = header.get("alg"), header.get("typ", "")
    if algorithm not in ALGORITHMS:
        return f"algorithm {shown(algorithm)}, not one of {', '.join(ALGORITHMS)}"
    if "crit" in header or not isinstance(kind, str) or kind.lower() not in _TYPES:
        return "a header of another kind of token"
    named = [key for key in keys if key.name == header.get("kid")] if "kid" in header else [*keys]
    if not named or ("kid" not in header and len(named) > 1):
        return f"key {shown(header.get('kid'))} is none of the issuer's {len(keys)}"
    fitting = [key for key in named if key.algorithm == algorithm]
    if not fitting:
        return f"algorithm {shown(algorithm)}, but the key is for {named[0].algorithm}"
    return None if any(key.is_signed(opened.text) for key in fitting) else "does not hold"


def _object(data: bytes, field: str) -> JsonObject:
    value = canonical.parse(data, max_bytes=MAX_TOKEN, max_depth=_MAX_DEPTH)
    if not isinstance(value, dict):
        raise Malformed(field, f"expected an object, got {type(value).__name__}")
    return value


def _base64url(text: str) -> bytes:
    """Reads base64url without padding (RFC 7515 section 2), in its one spelling."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("token", "not base64url") from error
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise Malformed("token", "base64url in another than its canonical spelling")
    return data


def _is_only(value: JsonValue, audience: str) -> bool:
    """Says whether a token is for us alone: who else it is for could use it here."""
    return value in (audience, [audience])


def _is_name(value: JsonValue) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= _MAX_TEXT


def _integer(value: JsonValue) -> int:
    """Returns a time, or one before all others where there is none."""
    return value if type(value) is int else -1


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _shown(values: JsonObject, name: str) -> str:
    return shown(values[name]) if name in values else NOTHING


def _label(name: str) -> str:
    return shown(name)[1:-1]
