"""The fabric's ledgers at work: each opened with its signer, driven by its dispatcher, watched for requests."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

import structlog

from fabric.core import plugins
from fabric.core.clock import Clock
from fabric.core.crashpoint import Reached
from fabric.core.errors import ForeignLedger
from fabric.core.ids import DestinationId, Digest
from fabric.gateway.founding import LedgerOpener, Standing, relayer_key, sequencer_key
from fabric.gateway.signing import LogSigner, Relayer, open_signer
from fabric.gateway.state import State
from fabric.invoke.acceptor import Acceptor, submit_events
from fabric.ledger.dispatcher import Dispatcher
from fabric.ledger.port import Ledger, RequestSource
from fabric.ledger.watcher import Watcher, requests_of
from fabric.store.store import Store
from fabric.triggers.requests import RequestTrigger
from fabric.trust.binding import Binding
from fabric.trust.schemes import ADDRESS_BYTES

_LOG: Final = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Working:
    """One ledger at work.

    Attributes:
        name: configured name.
        ledger: the ledger.
        signer: who signs for it.
        dispatcher: takes work to it.
        asserted: whether what it tells can be asserted only.
    """

    name: str
    ledger: Ledger
    signer: LogSigner | Relayer
    dispatcher: Dispatcher
    asserted: bool


@dataclass
class Ledgers:
    """All ledgers of the fabric; make it with ``open_ledgers``."""

    working: list[Working]
    store: Store
    clock: Clock
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    triggers: list[RequestTrigger] = field(default_factory=list)

    @property
    def by_id(self) -> dict[DestinationId, Ledger]:
        """The ledgers by destination id."""
        return {item.ledger.destination.id: item.ledger for item in self.working}

    async def allow(self, binding: Binding) -> None:
        """Lets each relayer write to the recipients of a binding's delivered routes."""
        for item in self.working:
            recipients = [
                route.recipient[-ADDRESS_BYTES:]
                for route in binding.routes
                if route.consume and route.destination == item.ledger.destination.id
            ]
            await item.signer.allow(recipients)

    def watch(self, acceptor: Acceptor) -> None:
        """Starts watching every ledger whose contracts can ask for invocations."""
        for item in self.working:
            if not hasattr(item.ledger, "requests"):
                continue
            watched = requests_of(item.ledger.destination.id, cast("RequestSource", item.ledger))
            trigger = RequestTrigger(watched, self.store, partial(submit_events, acceptor), self.clock)
            watcher = Watcher(watched, self.store, trigger.accept, self.clock)
            self.triggers.append(trigger)
            self.run(f"{item.name}: trigger", asyncio.create_task(trigger.run()))
            self.run(f"{item.name}: watcher", asyncio.create_task(watcher.run()))

    async def input_arrived(self, digest: Digest) -> None:
        """Lets requests run that waited for a blob."""
        for trigger in self.triggers:
            await trigger.input_arrived(digest)

    def run(self, name: str, loop: "asyncio.Task[None]") -> None:
        """Keeps a loop of a ledger until the end; one that breaks is told of."""

        def ended(task: "asyncio.Task[None]") -> None:
            if not task.cancelled() and (error := task.exception()):
                _LOG.error("loop broke", loop=name, error=repr(error))

        loop.add_done_callback(ended)
        self.tasks.append(loop)

    async def aclose(self) -> None:
        """Stops the loops, then closes ledgers and signers."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for item in self.working:
            await item.ledger.aclose()
            await item.signer.aclose()


async def open_ledgers(
    standing: Sequence[Standing], store: Store, state: State, clock: Clock, reached: Reached
) -> Ledgers:
    """Opens every ledger and starts its dispatcher.

    Raises:
        LedgerError: a ledger does not answer, or is not the one that was founded.
        ConfigError: a key file cannot be used.
    """
    ledgers = Ledgers([], store, clock)
    try:
        for item in standing:
            ledgers.working.append(await _open(item, store, state, clock, reached))
        # Before the dispatchers: work of an earlier run may be for recipients of its bindings.
        for binding in await store.bindings.all():
            await ledgers.allow(binding)
    except BaseException:
        await ledgers.aclose()
        raise
    for working in ledgers.working:
        store.listen(working.ledger.destination.id, working.dispatcher.wake)
        ledgers.run(f"{working.name}: dispatcher", asyncio.create_task(working.dispatcher.run()))
    return ledgers


async def _check_memory(name: str, ledger: Ledger, store: Store) -> None:
    """Refuses a ledger that forgot what was final: it was rolled back or replaced under the same id.

    Raises:
        ForeignLedger: names the ledger and the batch that is gone.
    """
    batch = await store.outbox.newest_final_batch(ledger.destination.id)
    if batch is not None and not await ledger.is_settled(batch):
        raise ForeignLedger(
            f"ledger {name!r} does not know batch {batch.hex()}, which was final on it: rolled back or replaced; "
            f"restore its data, or start a fabric with another state folder"
        )


async def _open(item: Standing, store: Store, state: State, clock: Clock, reached: Reached) -> Working:
    signer = await open_signer(item.founded.signer, log_key=sequencer_key(state), account_key=relayer_key(state))
    try:
        opener = cast("LedgerOpener", plugins.load(plugins.LEDGERS, item.kind))
        ledger = await opener(item.founded.settings, clock, signer)
        await _check_memory(item.name, ledger, store)
    except BaseException:
        await signer.aclose()
        raise
    dispatcher = Dispatcher(ledger, store.outbox, clock, reached=reached)
    return Working(item.name, ledger, signer, dispatcher, item.founded.accept_asserted)
