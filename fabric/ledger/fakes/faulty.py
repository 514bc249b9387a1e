"""``FaultyLedger``: a ledger between which and its caller things go wrong, reproducibly."""

from collections.abc import Callable, Sequence
from enum import StrEnum

from fabric.core.errors import LedgerUnavailable, SubmitError
from fabric.core.ids import BatchId, IntentId
from fabric.ledger.port import Ledger, Observation, Submission, Work
from fabric.trust.attestation import KeySet, KeyState
from fabric.trust.destination import Destination


class Fault(StrEnum):
    """What goes wrong with one call."""

    LOST_ACK = "lost ack"
    """Submissions arrive; the caller is told that the outcome is unknown."""
    LATE = "late"
    """The outcome is unknown, and the submissions arrive with a later call."""
    DUPLICATE = "duplicate"
    """Submissions arrive twice, the second time in the other order."""
    DROPPED = "dropped"
    """Submissions are acknowledged and never arrive."""
    REORG = "reorg"
    """The ledger's newest blocks are replaced before the call."""
    UNAVAILABLE = "unavailable"
    """No answer, and nothing arrives."""


FaultSource = Callable[[], Fault | None]
"""Says for each call what goes wrong with it."""


class FaultyLedger:
    """Wraps a ledger; every call asks the source what goes wrong with it."""

    def __init__(self, inner: Ledger, faults: FaultSource, reorg: Callable[[], None]) -> None:
        """Takes the ledger, the source of faults, and how to make the ledger replace blocks."""
        self._inner = inner
        self._faults = faults
        self._reorg = reorg
        self._late: list[Submission] = []

    @property
    def destination(self) -> Destination:
        """Which deployment this is."""
        return self._inner.destination

    async def prepare(self, work: Sequence[Work], pending: Sequence[Submission]) -> Sequence[Submission]:
        """Prepares, or is unavailable."""
        await self._read()
        return await self._inner.prepare(work, pending)

    async def submit(self, submissions: Sequence[Submission]) -> None:
        """Submits as the fault says; raises ``SubmitError`` where the caller cannot know."""
        fault = self._faults()
        await self._deliver_late()
        match fault:
            case Fault.LATE:
                self._late += submissions
            case Fault.LOST_ACK | Fault.DUPLICATE | None:
                await self._inner.submit(submissions)
            case Fault.REORG:
                await self._inner.submit(submissions)
                self._reorg()
            case Fault.DROPPED | Fault.UNAVAILABLE:
                pass
        if fault is Fault.DUPLICATE:
            await self._inner.submit(submissions[::-1])
        if fault in {Fault.LATE, Fault.LOST_ACK, Fault.UNAVAILABLE}:
            raise SubmitError(f"on purpose: {fault}")

    async def observe(self, work: Sequence[tuple[Work, Submission | None]]) -> Sequence[Observation]:
        """Observes, or is unavailable."""
        await self._read()
        return await self._inner.observe(work)

    async def key_state(self, keys: KeySet) -> KeyState | None:
        """Returns the state of an enclave's keys, or is unavailable."""
        await self._read()
        return await self._inner.key_state(keys)

    async def is_settled(self, batch: BatchId) -> bool:
        """Says whether a batch is anchored, or is unavailable."""
        await self._read()
        return await self._inner.is_settled(batch)

    async def is_spent(self, intent: IntentId) -> bool:
        """Says whether an intent was consumed, or is unavailable."""
        await self._read()
        return await self._inner.is_spent(intent)

    async def aclose(self) -> None:
        """Closes the ledger."""
        await self._inner.aclose()

    async def _read(self) -> None:
        fault = self._faults()
        await self._deliver_late()
        if fault is Fault.UNAVAILABLE:
            raise LedgerUnavailable(f"on purpose: {fault}")
        if fault is Fault.REORG:
            self._reorg()

    async def _deliver_late(self) -> None:
        late, self._late = self._late, []
        if late:
            await self._inner.submit(late)
