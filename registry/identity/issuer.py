"""Whose tokens a namespace takes: an issuer of OpenID Connect tokens, and what its tokens must say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.trust.fields import read_object, read_text

MAX_URL: Final = 255
MAX_CLAIMS: Final = 16
RESERVED: Final = frozenset(("aud", "exp", "iat", "iss", "jti", "nbf"))
"""Claims that every token must meet; a namespace cannot say more of them."""
_LOOPBACK: Final = frozenset(("127.0.0.1", "::1", "localhost"))
_NAMES: Final = frozenset(("audience", "claims", "issuer"))


@dataclass(frozen=True)
class TrustedIssuer:
    """An issuer that a namespace trusts, for tokens that say just this.

    Attributes:
        issuer: its URL, compared letter by letter with the token's ``iss``.
        audience: what ``aud`` must be: this registry and nobody else.
        claims: 1 to 16 claims and the text that each must be (such as the repository of a workflow). Without one,
            whoever the issuer serves could publish.
    """

    issuer: str
    audience: str
    claims: Mapping[str, str]

    def to_json(self) -> JsonObject:
        """Returns the trust as a JSON object."""
        return {"audience": self.audience, "claims": dict(self.claims), "issuer": self.issuer}


def parse_trusted_issuer(value: JsonValue) -> TrustedIssuer:
    """Reads what ``TrustedIssuer.to_json`` writes; raises ``Malformed``."""
    fields = read_object(value, _NAMES, "issuer")
    issuer = read_text(fields["issuer"], "issuer.issuer", MAX_URL)
    read_url(issuer, "issuer.issuer")
    claims = fields["claims"]
    if not isinstance(claims, dict) or not 1 <= len(claims) <= MAX_CLAIMS:
        raise Malformed("issuer.claims", f"expected an object of 1 to {MAX_CLAIMS} claims, or anybody could publish")
    if taken := RESERVED & set(claims):
        raise Malformed("issuer.claims", f"{', '.join(sorted(taken))}: checked of every token, not to be set")
    return TrustedIssuer(
        issuer,
        read_text(fields["audience"], "issuer.audience"),
        {read_text(name, "issuer.claims"): read_text(text, f"issuer.claims.{name}") for name, text in claims.items()},
    )


def read_url(text: str, field: str) -> SplitResult:
    """Returns the parts of an ``https`` URL, or of an ``http`` one whose host is this machine; raises ``Malformed``.

    Without user, query and fragment (OpenID Connect Discovery 1.0 section 4.1), ASCII, at most 255 characters.
    """
    if len(text) > MAX_URL or not text.isascii() or not text.isprintable() or set(" \\?#@") & set(text):
        raise Malformed(field, f"expected an URL of at most {MAX_URL} characters without user, query and fragment")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Malformed(field, f"no URL: {error}") from error
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts))):
        raise Malformed(field, "expected https://HOST..., or http:// where the host is this machine")
    return parts


def is_loopback(parts: SplitResult) -> bool:
    """Says whether an URL leads to this machine."""
    return parts.hostname in _LOOPBACK
