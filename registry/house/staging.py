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
from fabric.core.errors import Refused, Unauthenticated
from fabric.core.ids import Digest, sha256
from registry.book.bodies import MAX_WHEEL_BYTES
from registry.house.registry import MAX_PENDING, Registry
from registry.house.store import Pending
from registry.identity.issuer import TrustedIssuer
from registry.identity.issuer_keys import IssuerKeys, TokenDoor
from registry.identity.oidc import Claims
from registry.identity.seen import MemoryTokens

STAGED: Final = "staged"


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
        self._door = TokenDoor(keys, MemoryTokens(), clock)
        self._clock = clock

    async def check(self, namespace: str, token: str) -> None:
        """Refuses whom ``stage`` would refuse for the token, before a wheel is taken; the token is not used by that.

        Raises:
            NotFound, Unauthenticated, Malformed, PlatformError: as ``stage``.
        """
        await asyncio.to_thread(self._door.look, token, self._trusted(namespace))

    def _trusted(self, namespace: str) -> list[TrustedIssuer]:
        issuers = self._registry.book.holding(namespace).owners.issuers
        return [TrustedIssuer(item.url, item.audience, item.claims) for item in issuers]

    async def stage(self, namespace: str, token: str, wheel: bytes) -> Staged:
        """Keeps a wheel until an owner signs it.

        Raises:
            NotFound: nobody has the namespace.
            Unauthenticated: nothing that it trusts fits the token, whose claims are shown beside those expected; or the
                token was used before.
            Malformed: no token, or the file is no bundle.
            Refused: too much waits.
            PlatformError: the issuer does not answer.
        """
        trusted = self._trusted(namespace)
        claims = await asyncio.to_thread(self._door.admit, token, trusted)
        if not await self._registry.store.use_token(claims.id.hex(), claims.until):
            raise Unauthenticated("the token was used before: ask its issuer for a new one")
        bundle = await asyncio.to_thread(read_bundle, wheel)
        provenance = _provenance(claims, trusted)
        body = canonical.encode(_body(namespace, bundle, len(wheel), provenance))
        return Staged(await self._keep(namespace, body, bundle, wheel), bundle, provenance)

    async def _keep(self, namespace: str, body: bytes, bundle: Bundle, wheel: bytes) -> Digest:
        store = self._registry.store
        if len(await store.pending()) >= MAX_PENDING or len(wheel) > MAX_WHEEL_BYTES:
            raise Refused(f"{MAX_PENDING} entries wait already; the registry's operator must clear some first")
        name = sha256(body)
        item = Pending(name, STAGED, namespace, body, bundle.wheel_digest, self._clock.unix_seconds())
        await self._registry.keep_staged(item, bundle, wheel)
        return name


def _body(namespace: str, bundle: Bundle, size: int, provenance: dict[str, str]) -> JsonObject:
    """Returns what waits; its digest names the namespace too, for one wheel may wait in several."""
    wheel = bundle.wheel_digest.hex()
    return {"namespace": namespace, "provenance": {**provenance}, "size": size, "wheel": wheel}


def _provenance(claims: Claims, trusted: list[TrustedIssuer]) -> dict[str, str]:
    """Returns issuer, subject, and the claims that the namespace asks for."""
    asked = {name for item in trusted if item.issuer == claims.issuer for name in item.claims}
    told = {name: str(claims.values[name]) for name in sorted(asked) if name in claims.values}
    return {"issuer": claims.issuer, "subject": claims.subject, **told}
