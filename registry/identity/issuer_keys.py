"""The keys of issuers, found as OpenID Connect Discovery 1.0 says, and kept for a while."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from fabric.core.canonical import JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import Malformed, Unauthenticated
from registry.identity.comparison import shown
from registry.identity.fetch import DEADLINE_SECONDS, fetch_json
from registry.identity.issuer import TrustedIssuer, is_loopback, read_url
from registry.identity.keys import TokenKey, parse_keys
from registry.identity.oidc import Claims, open_token, verify_token
from registry.identity.seen import SeenTokens, use_once

DISCOVERY: Final = "/.well-known/openid-configuration"
MAX_AGE_SECONDS: Final = 3_600
REFRESH_SECONDS: Final = 30
"""Least time between two looks for a key that is not known: tokens with names of no keys must not make us a flood."""
MAX_ISSUERS: Final = 256


@dataclass(frozen=True)
class _Kept:
    keys: tuple[TokenKey, ...]
    at: float


@dataclass
class IssuerKeys:
    """Keys by issuer, fetched when they are asked for and kept for an hour. Blocks while it fetches.

    Attributes:
        clock: tells their age.
        loopback: whether an issuer may be on this machine: in development and in tests. Elsewhere whoever owns a
            namespace could have the registry ask what runs beside it.
        deadline_seconds: for each of the two documents.
    """

    clock: Clock
    loopback: bool = False
    deadline_seconds: float = DEADLINE_SECONDS
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def keys(self, issuer: str, wanted: str = "") -> tuple[TokenKey, ...]:
        """Returns the keys of an issuer.

        Args:
            issuer: its URL.
            wanted: name of a key; where it is not among those that are kept, they are fetched again, for issuers
                change keys; at most every 30 seconds.

        Raises:
            PlatformError: the issuer does not answer.
            Unauthenticated: its answer is not to be taken, or it may not be asked.
            Malformed: its answer is no key set.
        """
        with self._lock:
            kept = self._kept.get(issuer)
        if kept is None or not self._is_good(kept, wanted):
            kept = _Kept(self._fetch(issuer), self.clock.monotonic_seconds())
            self._keep(issuer, kept)
        return kept.keys

    def _is_good(self, kept: _Kept, wanted: str) -> bool:
        age = self.clock.monotonic_seconds() - kept.at
        known = not wanted or any(key.name == wanted for key in kept.keys)
        return age < (MAX_AGE_SECONDS if known else REFRESH_SECONDS)

    def _keep(self, issuer: str, kept: _Kept) -> None:
        with self._lock:
            if issuer not in self._kept and len(self._kept) >= MAX_ISSUERS:
                del self._kept[min(self._kept, key=lambda one: self._kept[one].at)]
            self._kept[issuer] = kept

    def _fetch(self, issuer: str) -> tuple[TokenKey, ...]:
        local = is_loopback(read_url(issuer, "issuer"))
        if local and not self.loopback:
            raise Unauthenticated(f"issuer {issuer} is on this machine, which only a registry for development asks")
        place = issuer.rstrip("/") + DISCOVERY
        document = fetch_json(place, deadline_seconds=self.deadline_seconds)
        url = _key_url(document, issuer)
        if is_loopback(read_url(url, "jwks_uri")) and not local:
            raise Unauthenticated(f"{place}: its keys would be on this machine, at {url}; the issuer lies")
        return parse_keys(fetch_json(url, deadline_seconds=self.deadline_seconds))


def _key_url(document: JsonValue, issuer: str) -> str:
    """Returns where the keys are, of a discovery document that is this issuer's own (section 4.3)."""
    if not isinstance(document, dict):
        raise Malformed("discovery", f"expected an object, got {type(document).__name__}")
    if document.get("issuer") != issuer:
        raise Unauthenticated(f"{issuer}: its discovery document is of another issuer: {shown(document.get('issuer'))}")
    url = document.get("jwks_uri")
    if not isinstance(url, str):
        raise Malformed("discovery.jwks_uri", "expected an URL")
    return url


@dataclass(frozen=True)
class TokenDoor:
    """Lets in who holds a token of an issuer that a namespace trusts, once a token.

    Attributes:
        keys: of issuers.
        seen: tokens that were used.
        clock: the time that tokens are judged at.
    """

    keys: IssuerKeys
    seen: SeenTokens
    clock: Clock

    def look(self, token: str, trusted: Sequence[TrustedIssuer]) -> Claims:
        """Returns what a token says, which is not used by that.

        Args:
            token: in compact form.
            trusted: what the namespace trusts. Of several entries for one issuer (two workflows) one must fit; where
                none does, the message shows the first.

        Raises:
            Unauthenticated: nothing that is trusted fits; the message shows expected and received claims.
            PlatformError: the issuer does not answer; retry is safe.
            Malformed: no token.
        """
        if not trusted:
            raise Unauthenticated("the namespace trusts no issuer: its owner adds one, or publishes with a key")
        opened = open_token(token)
        fitting = [one for one in trusted if one.issuer == opened.issuer]
        now = self.clock.unix_seconds()
        if not fitting:
            verify_token(token, trusted[0], (), now)  # its issuer differs, so it refuses, and shows how
        keys = self.keys.keys(opened.issuer, opened.key)
        return _first_fitting(token, fitting, keys, now)

    def admit(self, token: str, trusted: Sequence[TrustedIssuer]) -> Claims:
        """Returns what a token says; from now on it is used.

        Raises:
            Unauthenticated: as ``look``, or it was used before.
            PlatformError: as ``look``, or the use cannot be noted; retry is safe.
            Malformed: no token.
        """
        return use_once(self.look(token, trusted), self.seen, self.clock.unix_seconds())


def _first_fitting(token: str, trusted: Sequence[TrustedIssuer], keys: Sequence[TokenKey], now: int) -> Claims:
    refusals: list[Unauthenticated] = []
    for one in trusted:
        try:
            return verify_token(token, one, keys, now)
        except Unauthenticated as refusal:
            refusals.append(refusal)
    raise refusals[0]
