"""The flow of invocations: batcher -> pool -> store, put together for callers and for ledger events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Final

from fabric.core import canonical
from fabric.core.clock import Clock
from fabric.core.crashpoint import Reached
from fabric.core.errors import FabricError
from fabric.core.ids import Account, BindingVersion, Digest
from fabric.core.model import Invocation, Outcome
from fabric.gateway.config import Config
from fabric.invoke.acceptor import Acceptor, Keyed, Settled
from fabric.invoke.catalogue import Catalogue
from fabric.invoke.watch import Watch
from fabric.runtime.batcher import Batcher, Limits
from fabric.runtime.pool import Pool
from fabric.store.store import Store
from fabric.trust.binding import Binding
from fabric.wire.codec import Load, Run, RunResult

MAX_BATCH_BYTES: Final = 16 << 20
Lane = tuple[BindingVersion, Account]
"""Whose invocations travel together: those of one caller under one binding."""


@dataclass(frozen=True)
class Flow:
    """What callers and triggers run invocations with."""

    acceptor: Acceptor
    batcher: "Batcher[Lane, Keyed, Settled]"
    bindings: dict[BindingVersion, Binding]

    async def gather(self, binding: Binding, items: Sequence[Keyed]) -> Sequence[Outcome | FabricError]:
        """Joins invocations with others of their caller; gives each what became of it, in order.

        Callers share no batch: what one sends may run long, and nobody else shall wait for it.
        """
        self.bindings[binding.version] = binding
        return await self.batcher.submit((binding.version, items[0].invocation.caller), items)


def open_flow(
    config: Config,
    runs: tuple[Pool, Watch],
    store: Store,
    key_ids: Mapping[bytes, Digest],
    clock: Clock,
    reached: Reached,
) -> Flow:
    """Returns the flow over a pool, whose work the watch lets start, and a store."""
    pool, watch = runs
    acceptor = Acceptor(store, partial(_run, pool, watch), key_ids, clock, reached)
    bindings: dict[BindingVersion, Binding] = {}

    async def accept(lane: Lane, batch: tuple[Keyed, ...]) -> Sequence[Settled]:
        return await acceptor.accept(bindings[lane[0]], batch)

    batcher: Batcher[Lane, Keyed, Settled] = Batcher(
        accept,
        lambda item: len(item.invocation.input),
        lambda: pool.slots,
        Limits(count=config.gateway.max_batch, size=MAX_BATCH_BYTES),
        lane=itemgetter(1),
    )
    return Flow(acceptor, batcher, bindings)


async def bundle_of(catalogue: Catalogue, document: bytes) -> Load:
    """Returns the bundle that a binding document names, for an enclave that lacks it.

    Raises:
        CodeRevoked, NotVouched: nothing of it starts now; an enclave may lack it because it was unloaded.
        NotFound: the registry does not have it.
        VerificationError: the registry gave another one.
    """
    binding = Binding.parse(document)
    catalogue.watch.check_start(binding.measurement)
    listed = await catalogue.fetch(binding.measurement)
    return Load(listed.wheel, canonical.encode(listed.publication.to_json()), listed.dependencies)


async def _run(pool: Pool, watch: Watch, binding: Binding, invocations: Sequence[Invocation]) -> RunResult:
    watch.check_start(binding.measurement)
    result = await pool.run(Run(binding.document, tuple(invocations)))
    watch.check_result(binding.measurement)
    return result
