"""Staging by token: a build server brings a wheel with an OIDC token, and an owner signs it later with a key.

A token alone never makes a bundle run: whoever steals one, or the issuer's key, can at most have an owner look at it.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from fabric.bundles.bundle import Bundle, read_bundle
from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.clock import Clock
from fabric.core.errors import Unauthenticated
from fabric.core.ids import Digest, sha256
from registry.home import check_home
from registry.house.registry import Registry
from registry.house.store import Pending
from registry.identity.issuer import TrustedIssuer
from registry.identity.issuer_keys import IssuerKeys, TokenDoor
from registry.identity.oidc import Claims

STAGED: Final = "staged"


@dataclass(frozen=True)
class Admitted:
    """Who may stage one bundle in a namespace.

    Attributes:
        namespace: that trusts the token.
        claims: the token's.
        provenance: what of them an owner sees: issuer, subject, and what the namespace asks for.
    """

    namespace: str
    claims: Claims
    provenance: dict[str, str]


@dataclass(frozen=True)
class Staged:
    """What waits for an owner.

    Attributes:
        digest: names it.
        bundle: what was brought.
        provenance: who brought it, as the token says.
    """

    digest: Digest
    bundle: Bundle
    provenance: dict[str, str]


class Staging:
    """Takes in wheels from those whose tokens a namespace trusts."""

    def __init__(self, registry: Registry, keys: IssuerKeys, clock: Clock) -> None:
        """Takes the registry, and where issuers' keys come from."""
        self._registry = registry
        self._door = TokenDoor(keys, clock)
        self._clock = clock

    async def admit(self, namespace: str, token: str) -> Admitted:
        """Lets in who holds a token that a namespace trusts; the token is not used up by that.

        Raises:
            NotFound: nobody has the namespace.
            Unauthenticated: nothing that it trusts fits the token, whose claims are shown beside those expected.
            Malformed: no token.
            PlatformError: the issuer does not answer.
        """
        issuers = self._registry.book.holding(namespace).owners.issuers
        trusted = [TrustedIssuer(item.url, item.audience, item.claims) for item in issuers]
        claims = await asyncio.to_thread(self._door.admit, token, trusted)
        return Admitted(namespace, claims, _provenance(claims, trusted))

    async def stage(self, admitted: Admitted, wheel: bytes) -> Staged:
        """Keeps a wheel until an owner signs it, and uses up the token; a refused one leaves the token as it was.

        Raises:
            Unauthenticated: the token was used for something else before.
            Malformed: the file is no bundle.
            Refused: too much waits, or the bundle is of another namespace.
            StoreError: it was not kept.
        """
        bundle = await asyncio.to_thread(read_bundle, wheel)
        check_home(bundle, admitted.namespace)
        body = canonical.encode(_body(admitted, bundle, len(wheel)))
        now = self._clock.unix_seconds()
        item = Pending(sha256(body), STAGED, admitted.namespace, body, bundle.wheel_digest, now)
        if not await self._registry.stage(item, bundle, wheel, (admitted.claims.id.hex(), admitted.claims.until)):
            raise Unauthenticated("the token was used before (its jti is known): ask its issuer for a new one")
        return Staged(item.digest, bundle, admitted.provenance)


def _body(admitted: Admitted, bundle: Bundle, size: int) -> JsonObject:
    """Returns what waits; its digest names the namespace too, for one wheel may wait in several."""
    provenance: JsonObject = {**admitted.provenance}
    wheel = bundle.wheel_digest.hex()
    return {"namespace": admitted.namespace, "provenance": provenance, "size": size, "wheel": wheel}


def _provenance(claims: Claims, trusted: list[TrustedIssuer]) -> dict[str, str]:
    """Returns issuer, subject, and the claims that the namespace asks for."""
    asked = {name for item in trusted if item.issuer == claims.issuer for name in item.claims}
    told = {name: str(claims.values[name]) for name in sorted(asked) if name in claims.values}
    return {"issuer": claims.issuer, "subject": claims.subject, **told}
