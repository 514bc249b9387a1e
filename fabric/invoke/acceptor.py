"""The part of the pipeline behind the batcher: run -> enqueue, a whole batch at a time.

Accepted means stored: an outcome leaves here only after the enqueue transaction. The loser of a race is discarded,
signatures and all, and given the winner's result.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fabric.core.clock import Clock
from fabric.core.crashpoint import CrashPoint, Reached
from fabric.core.errors import NoCapacity, Refused
from fabric.core.ids import Digest, InvocationId, sha256
from fabric.core.model import Invocation, Outcome
from fabric.store.accepting import Acceptance
from fabric.store.store import Store
from fabric.store.values import Accepted, AlreadyStored, StoredResult
from fabric.trust.batch import SignedBatch
from fabric.trust.binding import Binding
from fabric.trust.schemes import ED25519
from fabric.wire.codec import RunResult

FINAL_FAILURES: Final = frozenset(
    {
        "cryptlet-raised",
        "limit-exceeded",
        "malformed",
        "not-found",
        "refused",
        "unauthorized",
        "oversize",
        "source-refused",
    }
)
"""Failures that are a result of the invocation; any other may be retried and is not stored."""

Run = Callable[[Binding, Sequence[Invocation]], Awaitable[RunResult]]
"""Places and runs a batch; raises a ``PlatformError`` when nothing ran."""
Settled = Outcome | Refused
"""What becomes of one item of a batch: its stored outcome, or why its idempotency key was refused."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """An invocation with the caller's idempotency key; None when a ledger event asked."""

    invocation: Invocation
    key: str | None


class Acceptor:
    """Runs batches and stores them."""

    def __init__(self, store: Store, run: Run, key_ids: Mapping[bytes, Digest], clock: Clock, reached: Reached) -> None:
        """Takes the store, the pool and, by Ed25519 key, the ids of the registered enclaves."""
        self._store = store
        self._run = run
        self._key_ids = key_ids
        self._clock = clock
        self._reached = reached

    async def accept(self, binding: Binding, batch: Sequence[Keyed]) -> list[Settled]:
        """Returns what becomes of each item of a batch, in order; what was accepted before is not run again.

        An outcome whose failure may be retried is returned and not stored.

        Raises:
            PlatformError: nothing ran or nothing was stored; repeating is safe.
        """
        asked: dict[InvocationId, Keyed] = {}
        for item in batch:
            asked.setdefault(item.invocation.id, item)
        earlier = await self._store.results(list(asked))
        fresh = [item for name, item in asked.items() if name not in earlier]
        ran, lost = await self._run_and_store(binding, fresh) if fresh else ({}, {})
        known = earlier | lost
        return [_settle(item, known.get(item.invocation.id), asked, ran) for item in batch]

    async def _run_and_store(
        self, binding: Binding, waiting: list[Keyed]
    ) -> tuple[dict[InvocationId, Outcome], dict[InvocationId, StoredResult]]:
        """Runs what nobody ran before; gives its outcomes, and the results of those who were faster."""
        lost: dict[InvocationId, StoredResult] = {}
        while waiting:
            result = await self._run(binding, [item.invocation for item in waiting])
            self._reached(CrashPoint.AFTER_SIGN)
            ran = {outcome.invocation: outcome for outcome in result.outcomes}
            try:
                await self._store.enqueue(self._acceptance(binding, waiting, ran, result.batches))
            except AlreadyStored as race:
                lost |= await self._store.results(list(race.invocations))
                waiting = [item for item in waiting if item.invocation.id not in race.invocations]
            else:
                self._reached(CrashPoint.AFTER_ENQUEUE)
                return ran, lost
        return {}, lost

    def _acceptance(
        self,
        binding: Binding,
        batch: Sequence[Keyed],
        ran: Mapping[InvocationId, Outcome],
        batches: Sequence[SignedBatch],
    ) -> Acceptance:
        accepted = [
            Accepted(item.invocation, ran[item.invocation.id], item.key)
            for item in batch
            if is_result(ran[item.invocation.id])
        ]
        return Acceptance(
            accepted=accepted,
            batches=batches,
            consumed_on={route.destination for route in binding.routes if route.consume},
            key_ids={batch.header.batch_id: self._key_id(batch) for batch in batches},
            created=self._clock.unix_seconds(),
        )

    def _key_id(self, batch: SignedBatch) -> Digest:
        """Returns the id of the enclave that signed; an enclave that was never registered signs nothing of worth."""
        keys = {item.key for item in batch.signatures if item.scheme == ED25519}
        if len(keys) != 1 or not keys <= self._key_ids.keys():
            raise NoCapacity("a batch was not signed by a registered enclave; it is discarded")
        return self._key_ids[keys.pop()]


def is_result(outcome: Outcome) -> bool:
    """Says whether an outcome is one that stands: an output, or a failure that repeating does not heal."""
    return outcome.failure is None or outcome.failure.code in FINAL_FAILURES


def retry_of(outcome: Outcome) -> str:
    """Returns what a caller is told of repeating: nothing on success, ``never`` or ``safe`` on failure."""
    if outcome.failure is None:
        return ""
    return "never" if is_result(outcome) else "safe"


def _settle(
    item: Keyed,
    known: StoredResult | None,
    asked: Mapping[InvocationId, Keyed],
    ran: Mapping[InvocationId, Outcome],
) -> Settled:
    """Gives an item its outcome, unless its key already stands for another call."""
    call = item.invocation
    if known is not None:
        same = (call.binding, call.method, sha256(call.input)) == (known.binding, known.method, known.input)
        return known.outcome if same else Refused("idempotency_key was used for another call; choose a new one")
    first = asked[call.id].invocation
    if (first.binding, first.method, first.input) != (call.binding, call.method, call.input):
        return Refused("idempotency_key is used for two different calls at once; choose a new one")
    if call.id not in ran:
        return Refused("idempotency_key was used under another fabric id; choose a new one")
    return ran[call.id]


async def submit_events(acceptor: Acceptor, binding: Binding, invocations: Sequence[Invocation]) -> None:
    """Runs event-born invocations and stores what came of them.

    Raises:
        NoCapacity: one of them could not run now; what did run is stored, the rest may be repeated.
    """
    settled = await acceptor.accept(binding, [Keyed(item, None) for item in invocations])
    left = [item for item in settled if isinstance(item, Refused) or not is_result(item)]
    if left:
        first = left[0] if isinstance(left[0], Refused) else left[0].failure
        raise NoCapacity(f"{len(left)} of {len(settled)} requests did not run: {first}")
