"""What the door opens to an operator: the ledgers, how they are, and letting a halted one go on."""

import structlog

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import LedgerError, NotFound, Unauthorized
from fabric.core.ids import Digest
from fabric.core.plugins import nearest
from fabric.gateway.endpoint import LOCAL_CALLER
from fabric.gateway.ledgers import Ledgers, Working
from fabric.gateway.reporting import Reporter
from fabric.gateway.revoking import Revoker
from fabric.ledger.health import Healthy
from fabric.store.store import Store
from fabric.store.values import OutboxRow, Progress
from fabric.wire.operators import (
    CodeRevoked,
    Halted,
    LedgerInfo,
    LedgerList,
    LedgerResumed,
    ListLedgers,
    ResumeLedger,
    RevocationState,
    RevokeCode,
)
from fabric.wire.status import Status

_LOG = structlog.get_logger(__name__)


class Operator:
    """Answers the operator, who is the local caller; anybody else is refused."""

    def __init__(self, ledgers: Ledgers, store: Store, reporter: Reporter, revoker: Revoker, clock: Clock) -> None:
        """Takes the ledgers at work, the store, who reports on the whole, and who revokes code."""
        self._revoker = revoker
        self._reporter = reporter
        self._ledgers = ledgers
        self._store = store
        self._clock = clock

    async def status(self, caller: str) -> Status:
        """Returns what runs here; raises ``Unauthorized`` where the caller is not the operator."""
        _check(caller)
        return await self._reporter.status()

    async def ledgers(self, caller: str, request: ListLedgers) -> LedgerList:
        """Returns the ledgers, or the one of a name.

        Raises:
            Unauthorized: the caller is not the operator.
            NotFound: no ledger of that name.
        """
        _check(caller)
        chosen = [self._named(request.name)] if request.name else self._ledgers.working
        infos = [await self._info(item, is_asked=request.status) for item in sorted(chosen, key=lambda one: one.name)]
        return LedgerList(tuple(infos))

    async def resume(self, caller: str, request: ResumeLedger) -> LedgerResumed:
        """Lets a halted ledger go on; who, when, why and what it was halted for are kept.

        Raises:
            Unauthorized: the caller is not the operator.
            NotFound: no ledger of that name.
            Refused: it is not halted.
            LedgerUnavailable: it does not answer; it stays halted.
        """
        _check(caller)
        item = self._named(request.name)
        resumed = await item.resume(self._store, self._clock, caller, request.reason)
        _LOG.warning("ledger resumed", ledger=item.name, who=caller, why=request.reason, reopened=resumed.reopened)
        halt = resumed.entry.halt
        return LedgerResumed(Halted(halt.reason, halt.created), resumed.reopened)

    async def revoke_code(self, caller: str, request: RevokeCode) -> CodeRevoked:
        """Has results of a bundle count for nothing on every ledger, and says how far that has come on each.

        Raises:
            Unauthorized: the caller is not the operator.
            AttestationFailed: the appraiser refused.
        """
        _check(caller)
        reason = f"{caller}: {request.reason}"
        revocation = await self._revoker.revoke(request.measurement, request.since, reason)
        states = [await self._revocation(item, revocation.digest) for item in self._ledgers.working]
        return CodeRevoked(revocation.since, tuple(sorted(states, key=lambda one: one.ledger)))

    async def _revocation(self, item: Working, work: Digest) -> RevocationState:
        progress = await self._store.outbox.progress(item.ledger.destination.id, work) or Progress()
        return RevocationState(item.name, progress.state.value, progress.reason)

    def _named(self, name: str) -> Working:
        for item in self._ledgers.working:
            if item.name == name:
                return item
        known = [item.name for item in self._ledgers.working]
        raise NotFound(f"no ledger {name[:80]!r} in this fabric{nearest(name[:80], known)}")

    async def _info(self, item: Working, *, is_asked: bool) -> LedgerInfo:
        destination = item.ledger.destination
        halt = await self._store.halts.of(destination.id)
        halted = Halted(halt.reason, halt.created) if halt else None
        status = canonical.encode(await self._status(item)) if is_asked else b""
        return LedgerInfo(item.name, destination.kind, destination.id, halted, status)

    async def _status(self, item: Working) -> JsonObject:
        """Returns what docs/spec/api.md says of a ledger's status."""
        destination = item.ledger.destination.id
        newest = await self._store.outbox.newest_final_batch(destination)
        return {
            "ledger": await _health(item),
            "outbox": await self._outbox(item),
            "newest_final_batch": newest.work_id.hex() if newest else None,
            "refused": [_refusal(row) for row in await self._store.outbox.refused(destination, REFUSALS)],
            "resumptions": [
                {
                    "who": entry.who,
                    "why": entry.why,
                    "halted_for": entry.halt.reason,
                    "halted_at": entry.halt.created,
                    "resumed_at": entry.resumed,
                }
                for entry in await self._store.halts.resumptions(destination)
            ],
        }

    async def _outbox(self, item: Working) -> JsonObject:
        """Returns how many rows there are of each kind and state."""
        rows: dict[str, JsonValue] = {}
        for (place, kind, state), count in (await self._store.outbox.counts()).items():
            if place == item.ledger.destination.id:
                by_state = rows.setdefault(kind.value, {})
                assert isinstance(by_state, dict)  # noqa: S101 - set one line above
                by_state[state.value] = count
        return rows


REFUSALS = 10
"""Refused rows that a status tells of."""


def _check(caller: str) -> None:
    if caller != LOCAL_CALLER:
        raise Unauthorized(f"caller {caller!r} is no operator; what runs here is looked after by {LOCAL_CALLER!r}")


def _refusal(row: OutboxRow) -> JsonObject:
    return {"kind": row.kind.value, "work": row.work_id.hex(), "reason": row.progress.reason}


async def _health(item: Working) -> JsonObject:
    """Returns how a ledger says it is; that it does not answer is an answer too."""
    if not isinstance(item.ledger, Healthy):
        return {}
    try:
        return dict(await item.ledger.health())
    except LedgerError as error:
        return {"error": str(error)}
