"""The fabric's ledgers at work: each opened with its signer, driven by its dispatcher, watched for requests."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, cast

import structlog

from fabric.core import plugins
from fabric.core.clock import Clock
from fabric.core.crashpoint import Reached
from fabric.core.errors import ForeignLedger
from fabric.core.ids import DestinationId, Digest
from fabric.gateway.founding import LedgerOpener, Standing, signing_keys
from fabric.gateway.loops import keep
from fabric.gateway.signing import Signer, open_signer
from fabric.gateway.state import State
from fabric.invoke.acceptor import Acceptor, submit_events
from fabric.ledger.dispatcher import Dispatcher, pace_of
from fabric.ledger.port import CallTaker, Ledger, RequestSource
from fabric.ledger.resume import Resumed, recall, resume
from fabric.ledger.watcher import Watcher, requests_of
from fabric.store.store import Store
from fabric.triggers.requests import RequestTrigger
from fabric.trust.binding import Binding
from fabric.trust.schemes import ADDRESS_BYTES

_LOG: Final = structlog.get_logger(__name__)
Loop = Callable[[], Coroutine[Any, Any, None]]
"""Begins a loop of a ledger."""


@dataclass(frozen=True)
class Working:
    """One ledger at work.

    Attributes:
        name: configured name.
        ledger: the ledger.
        signer: who signs for it.
        dispatcher: who takes work to it.
        asserted: whether what it tells can be asserted only.
        loops: its loops by name; each is started again when a halted ledger is resumed.
        tasks: the loops that run.
        resuming: held by whoever stops and starts the loops.
    """

    name: str
    ledger: Ledger
    signer: Signer
    dispatcher: Dispatcher
    asserted: bool
    loops: dict[str, Loop] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    resuming: asyncio.Lock = field(default_factory=asyncio.Lock)

    def run(self, name: str, loop: Loop) -> None:
        """Keeps a loop until ``stop``; one that breaks is told of."""
        self.loops[name] = loop
        self.tasks.append(keep(f"{self.name}: {name}", loop()))

    async def stop(self) -> None:
        """Ends the loops, wherever they are: each step of them may end by a crash."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()

    async def resume(self, store: Store, clock: Clock, who: str, why: str) -> Resumed:
        """Lets a halted ledger go on; raises as ``fabric.ledger.resume.resume``, and it then stays halted."""
        async with self.resuming:
            try:
                await self.stop()
                return await resume(self.ledger, store, clock, who=who, why=why)
            finally:
                for name, loop in self.loops.items():
                    self.run(name, loop)


@dataclass
class Ledgers:
    """All ledgers of the fabric; make it with ``open_ledgers``."""

    working: list[Working]
    store: Store
    clock: Clock
    triggers: list[RequestTrigger] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    wakers: dict[str, list[Callable[[], None]]] = field(default_factory=dict)

    @property
    def by_id(self) -> dict[DestinationId, Ledger]:
        """The ledgers by destination id."""
        return {item.ledger.destination.id: item.ledger for item in self.working}

    @property
    def takers(self) -> dict[str, CallTaker]:
        """Those that take signed calls of accounts, by configured name."""
        takers = {item.name: item.ledger for item in self.working if hasattr(item.ledger, "take_call")}
        return cast("dict[str, CallTaker]", takers)

    def look(self, name: str) -> None:
        """Has the watchers of a ledger look at once: something was done there."""
        for wake in self.wakers.get(name, ()):
            wake()

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
            self.wakers.setdefault(item.name, []).append(watcher.wake)
            self.triggers.append(trigger)
            item.run("trigger", trigger.run)
            item.run("watcher", watcher.run)

    def hasten(self) -> None:
        """Has requests that were put off taken up at once."""
        for trigger in self.triggers:
            trigger.hasten()

    async def input_arrived(self, digest: Digest) -> None:
        """Lets requests run that waited for a blob."""
        for trigger in self.triggers:
            await trigger.input_arrived(digest)

    def run(self, name: str, loop: Loop) -> None:
        """Keeps a loop that is of no one ledger until the end; one that breaks is told of."""
        self.tasks.append(keep(name, loop()))

    async def aclose(self) -> None:
        """Stops the loops, then closes ledgers and signers."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for item in self.working:
            await item.stop()
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
        working.run("dispatcher", working.dispatcher.run)
    return ledgers


async def _check_memory(name: str, ledger: Ledger, store: Store, clock: Clock) -> None:
    """Halts a ledger that replaced what was final while nobody looked, and refuses one that has forgotten it.

    A halted ledger is opened all the same: it stays halted, and the others work.

    Raises:
        ForeignLedger: the ledger was rolled back, or its node is behind; names the ledger and the batch.
    """
    destination = ledger.destination.id
    if halt := await store.halts.of(destination):
        _LOG.error(
            "ledger is halted", ledger=name, reason=halt.reason, fix=f"cryptlet ledger resume {name} --reason ..."
        )
        return
    stands = await recall(ledger, store)
    if stands:
        return
    row = await store.outbox.newest_final_batch(destination)
    batch = row.work_id.hex() if row else ""
    if stands is None:
        raise ForeignLedger(
            f"ledger {name!r} does not know batch {batch}, which was final on it: its node is behind, or it was rolled "
            f"back or replaced; let the node catch up, restore its data, or start a fabric with another state folder"
        )
    reason = f"the block of batch {batch} was final and is now another one"
    await store.halts.put(destination, reason, clock.unix_seconds())
    _LOG.error("ledger halted", ledger=name, reason=reason)


async def _open(item: Standing, store: Store, state: State, clock: Clock, reached: Reached) -> Working:
    signer = await open_signer(item.founded.signer, signing_keys(state))
    try:
        opener = cast("LedgerOpener", plugins.load(plugins.LEDGERS, item.kind))
        ledger = await opener(item.founded.settings, clock, signer)
        await _check_memory(item.name, ledger, store, clock)
    except BaseException:
        await signer.aclose()
        raise
    dispatcher = Dispatcher(ledger, store.outbox, clock, reached=reached, pace=pace_of(ledger))
    return Working(item.name, ledger, signer, dispatcher, item.founded.accept_asserted)
