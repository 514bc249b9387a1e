"""The revoker: has a revocation of code signed and written to every ledger, once.

A ledger then lets nobody act on what a fabric settles of that code, also a fabric that listens to no registry.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog

from fabric.attesters.appraiser.client import AppraiserProcess
from fabric.core.ids import DestinationId, Measurement
from fabric.store.store import Store
from fabric.store.values import RevokeBody
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import Signature

_LOG: Final = structlog.get_logger(__name__)
Sign = Callable[[CodeRevocation], Awaitable[tuple[Signature, ...]]]
"""Has a revocation signed by an appraiser, under both schemes."""


class Revoker:
    """Writes revocations of code to the ledgers of a fabric, by the outbox."""

    def __init__(self, sign: Sign, store: Store, places: Collection[DestinationId]) -> None:
        """Takes whose word it is, where it is stored first, and the ledgers that shall have it."""
        self._sign = sign
        self._store = store
        self._places = frozenset(places)

    async def revoke(self, measurement: Measurement, since: int, reason: str) -> CodeRevocation:
        """Has results of a bundle count for nothing on every ledger, if they are settled from a time on.

        It returns when the decision and its work are stored; dispatchers write it then, also after a restart. A repeat,
        and a later time, sign nothing and change nothing, but that ledgers which have joined since or have refused it
        are asked.

        Args:
            measurement: identity of the bundle.
            since: first ledger time of settlement whose results do not count, Unix seconds; 0 is taken for 1.
            reason: why, for people.

        Returns:
            The revocation that holds: this one, or an earlier one that covers it.

        Raises:
            AttestationFailed: the appraiser refused.
            PlatformError: the appraiser does not answer.
            StoreError: it was not stored.
        """
        # Whoever tells of a revocation must not be able to keep it off the ledgers by a time that is none.
        wanted = CodeRevocation(measurement, max(1, since))
        body = await self._store.revocations.of(measurement)
        if body is None or body.revocation.since > wanted.since:
            body = RevokeBody(wanted, await self._sign(wanted))
            _LOG.warning("code revoked", measurement=measurement.hex(), since=wanted.since, reason=reason)
        await self._store.revoke(body, reason, self._places)
        return body.revocation

    async def spread(self) -> None:
        """Writes every revocation to ledgers that do not have it: those that have joined the fabric since."""
        for body in await self._store.revocations.all():
            await self._store.revoke(body, "", self._places)


def signed_by(appraiser: AppraiserProcess) -> Sign:
    """Returns how a running appraiser signs revocations."""

    async def sign(revocation: CodeRevocation) -> tuple[Signature, ...]:
        async with appraiser.client() as client:
            return await client.sign_code_revocation(revocation)

    return sign
