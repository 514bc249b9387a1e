"""The parts of a gateway that work on one chain: store, dispatcher, watcher, trigger. They run, are killed, run again.

What an enclave does is done in memory: a request of the shipment contract is answered with a signed verdict.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from adapters.ethereum import abi, answers
from adapters.ethereum.integrator import EthereumContract
from fabric.core.canonical import JsonValue
from fabric.core.clock import SystemClock
from fabric.core.ids import Digest, IntentId, InvocationId, intent_id, sha256
from fabric.core.model import Invocation, Outcome
from fabric.ledger.dispatcher import Dispatcher, pace_of
from fabric.ledger.resume import Resumed, resume
from fabric.ledger.watcher import Watcher, requests_of
from fabric.store.accepting import Acceptance
from fabric.store.store import Store, open_store
from fabric.store.values import Accepted, WorkKind, WorkState
from fabric.triggers.requests import RequestTrigger
from fabric.trust import eip712
from fabric.trust.batch import Sealed, SignedBatch, header_of
from fabric.trust.binding import Binding, write_binding
from tests.support import batches
from tests.support.evm import VERDICT, World

FILE: Final = b"readings"
SECONDS: Final = 60
"""A bound against hanging."""
PAUSE_SECONDS: Final = 0.2
"""The longest that a loop backs off here."""


class Hurried:
    """The system's time, ahead by what a test has waited: so what was put off is due soon, however often it was."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self._ahead = 0

    def unix_seconds(self) -> int:
        return self._system.unix_seconds() + self._ahead

    def monotonic_seconds(self) -> float:
        return self._system.monotonic_seconds() + self._ahead

    def advance(self, seconds: int) -> None:
        self._ahead += seconds


async def _pause(seconds: float) -> None:
    """Backs off, though not for the half minute of a ledger that was long away: nobody would wait for it here."""
    await asyncio.sleep(min(seconds, PAUSE_SECONDS))


@dataclass
class Parts:
    """One fabric's work on one chain.

    Attributes:
        folder: where the store lies.
        chain: the chain; its ledger is what the parts work on.
        contract: a shipment contract that asks, bound to ``binding``.
        ran: how often each invocation ran.
        asked: every request that the contract made.
        clock: this fabric's time.
    """

    folder: Path
    chain: World
    contract: EthereumContract
    binding: Binding
    store: Store
    ran: Counter[InvocationId] = field(default_factory=Counter)
    asked: set[InvocationId] = field(default_factory=set)
    clock: Hurried = field(default_factory=Hurried)
    number: int = 0
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def start(self) -> None:
        """Starts the loops, as a gateway does."""
        place, ledger = self.chain.destination.id, self.chain.ledger
        pace = replace(pace_of(ledger), poll_seconds=0.02, gather_seconds=0.01)
        dispatcher = Dispatcher(ledger, self.store.outbox, self.clock, pause=_pause, pace=pace)
        watched = requests_of(place, ledger)
        trigger = RequestTrigger(watched, self.store, self.run, self.clock, pause=_pause)
        watcher = Watcher(watched, self.store, trigger.accept, self.clock, pause=_pause, poll_seconds=0.02)
        self.store.listen(place, dispatcher.wake)
        self.tasks = [asyncio.create_task(loop) for loop in (dispatcher.run(), watcher.run(), trigger.run())]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()

    async def restart(self, **settings: JsonValue) -> None:
        """Ends everything, opens everything anew, with other settings of the ledger if any, and starts again."""
        await self.stop()
        await self.store.aclose()
        self.chain.settings |= settings
        await self.chain.reopen()
        self.store = await _open(self.folder, self.clock)
        self.start()

    async def resume(self, why: str) -> Resumed:
        """Lets the halted chain go on, as the gateway does."""
        await self.stop()
        resumed = await resume(self.chain.ledger, self.store, self.clock, who="local", why=why)
        self.start()
        return resumed

    async def run(self, bound: Binding, invocations: Sequence[Invocation]) -> None:
        """Answers requests: what the enclave signs, and the enqueue transaction."""
        assert bound == self.binding
        self.ran.update(one.id for one in invocations)
        accepted = [Accepted(one, Outcome(one.id, b"{}")) for one in invocations]
        await self.store.enqueue(self._acceptance(accepted, [self._verdict(item) for item in accepted], consumed=True))

    def forget_file(self) -> None:
        """Removes the input that the contract's requests name."""
        self.store.blobs._path(sha256(FILE)).unlink()

    async def settle(self, count: int = 2) -> None:
        """Accepts results of a caller that are only anchored."""
        now = await self.chain.time()
        items = [batches.accept(self.number + at, as_of=now) for at in range(count)]
        self.number += count
        entries = [batches.seal(item, self.chain.destination.id) for item in items]
        await self.store.enqueue(self._acceptance(items, entries, consumed=False))

    async def ask(self) -> InvocationId:
        """Has the contract ask for a judgement, in a block of its own."""
        await self.chain.automine(on=True)
        try:
            invocation = await self.contract.request(Digest(sha256(FILE)))
        finally:
            await self.chain.automine(on=False)
        self.asked.add(invocation)
        return invocation

    async def states(self) -> Counter[WorkState]:
        found: Counter[WorkState] = Counter()
        for (_, _, state), count in (await self.store.outbox.counts()).items():
            found[state] += count
        return found

    async def is_halted(self) -> bool:
        return await self.store.halts.of(self.chain.destination.id) is not None

    async def is_done(self) -> bool:
        """Says whether all work is final; what was refused is not."""
        return set(await self.states()) == {WorkState.FINAL}

    async def are_answered(self) -> bool:
        """Says whether every request has its answer and all work is final."""
        return len(await self.store.results(list(self.asked))) == len(self.asked) and await self.is_done()

    async def until(self, condition: Callable[[], Awaitable[bool]], *, mines: bool = True) -> None:
        """Waits for a condition, while blocks are made."""
        try:
            async with asyncio.timeout(SECONDS):
                while not await condition():
                    for task in self.tasks:
                        if task.done():
                            task.result()
                    if mines:
                        await self.chain.mine()
                    self.clock.advance(1)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not seen in {SECONDS} s: {await self.told()}") from None

    async def told(self) -> str:
        """Returns how everything is, for a failure's message."""
        place = self.chain.destination.id
        rows = [*await self.store.outbox.in_flight(place), *await self.store.outbox.closed(place, 0, 100)]
        shown = [(row.kind.value, row.progress.state.value, row.progress.reason) for row in rows]
        return f"{await self.states()}, halt {await self.store.halts.of(place)}, rows {shown}"

    async def waits_for_input(self) -> bool:
        return bool(await self.store.requests.waiting(self.chain.destination.id, 1))

    async def has_answered(self, invocation: InvocationId) -> bool:
        return bool(await self.store.results([invocation]))

    async def rest(self, seconds: float) -> None:
        """Lets the loops work."""
        await asyncio.sleep(seconds)

    async def intent(self, invocation: InvocationId) -> IntentId:
        return intent_id(invocation, self.chain.destination.id)

    async def has_seen_what_is_final(self) -> bool:
        """Says whether the ledger has looked at the newest final block: what it has not seen, it cannot miss."""
        ledger = self.chain.ledger
        return ledger._watch._anchor.number == await self.chain.head() - ledger._finality

    async def has_refused(self) -> bool:
        return bool((await self.states())[WorkState.REFUSED])

    async def has_waited(self) -> bool:
        """Says whether the dispatcher has had time to go round: its questions are counted."""
        before = self.chain.ledger.rpc.round_trips
        await asyncio.sleep(0.2)
        return self.chain.ledger.rpc.round_trips > before + 2

    async def are_ended(self) -> bool:
        """Says whether dispatcher and watcher have ended."""
        return all(task.done() for task in self.tasks[:2])

    async def assert_once(self, *answered: InvocationId) -> None:
        """Every batch is on the chain as it is now once, every answer consumed once, every request ran once."""
        events, rows = await on_chain(self.chain), await self.store.outbox.counts()
        settlements = sum(count for (_, kind, _), count in rows.items() if kind is WorkKind.SETTLE)
        told = await self.told()
        assert Counter(events.settled).most_common(1)[0][1] == 1, told
        assert len(events.settled) == settlements, told
        assert Counter(events.consumed) == dict.fromkeys(answered, 1), told
        assert self.ran == dict.fromkeys(answered, 1)

    def _verdict(self, item: Accepted) -> Sealed:
        sealed = batches.seal(item, self.chain.destination.id, self.contract.account)
        return Sealed(replace(sealed.record, payload=sha256(VERDICT)), sealed.statement, VERDICT)

    def _acceptance(self, items: Sequence[Accepted], entries: Sequence[Sealed], *, consumed: bool) -> Acceptance:
        header = header_of([entry.record for entry in entries], 1)
        typed = eip712.header_digest(header, self.chain.destination)
        batch = SignedBatch(header, batches.ENCLAVE.signatures(header.encoded, typed), tuple(entries))
        return batches.acceptance(items, [batch], consumed=consumed)


_WORK_ID: Final = {abi.REGISTERED: 2, abi.SETTLED: 1, abi.CONSUMED: 1}
"""Which topic of an event is the work id."""


@dataclass(frozen=True)
class OnChain:
    """Events of the settlement contract on the chain as it is now.

    Attributes:
        settled: batches, in order.
        consumed: invocations, in order.
        blocks: the block of each effect, by its work id.
    """

    settled: list[bytes]
    consumed: list[bytes]
    blocks: dict[bytes, int]


async def on_chain(chain: World) -> OnChain:
    """Reads the events, past the ledger's own connection."""
    where: JsonValue = {
        "address": "0x" + chain.destination.settlement[-20:].hex(),
        "fromBlock": "0x0",
        "toBlock": "latest",
    }
    logs = [answers.event_log(log) for log in answers.items(await chain.do("eth_getLogs", where), "logs")]
    return OnChain(
        [log.topics[1] for log in logs if log.topics[0] == abi.SETTLED],
        [log.topics[3] for log in logs if log.topics[0] == abi.CONSUMED],
        {log.topics[_WORK_ID[log.topics[0]]]: log.block for log in logs if log.topics[0] in _WORK_ID},
    )


@asynccontextmanager
async def parts(folder: Path, chain: World) -> AsyncIterator[Parts]:
    """Opens the parts on a chain, with a bound shipment contract and its input at hand; the loops run."""
    contract = await chain.shipment(is_bound=False)
    binding = _binding(chain, contract)
    await chain.automine(on=True)
    await contract.bind(binding.version)
    await chain.automine(on=False)
    clock = Hurried()
    store = await _open(folder, clock)
    opened = Parts(folder, chain, contract, binding, store, clock=clock)
    await store.bindings.put(binding, 0)
    await store.blobs.put(FILE)
    with structlog.testing.capture_logs():
        opened.start()
        try:
            yield opened
        finally:
            await opened.stop()
            await opened.store.aclose()


async def _open(folder: Path, clock: Hurried) -> Store:
    return await open_store(folder / "fabric.db", folder / "blobs", clock)


def _binding(chain: World, contract: EthereumContract) -> Binding:
    return write_binding(
        {
            "name": "shipments",
            "cryptlet": "cold_chain@1.0.0",
            "measurement": batches.MEASUREMENT.hex(),
            "methods": [batches.METHOD],
            "callers": [],
            "requesters": [contract.account.hex()],
            "valid_seconds": 86_400,
            "destinations": [
                {
                    "id": chain.destination.id.hex(),
                    "recipient": contract.account.hex(),
                    "consume": True,
                    "codec": {"kind": "json"},
                }
            ],
        }
    )
