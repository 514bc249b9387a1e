"""The dispatcher on a ledger in memory: rounds, order, refusals, halts."""

import asyncio
from collections.abc import Sequence

import pytest
import structlog
from typing_extensions import override

from fabric.core.errors import LedgerError, LedgerUnavailable, Reorged
from fabric.core.ids import IntentId
from fabric.ledger.dispatcher import Dispatcher, Pace, pace_of
from fabric.ledger.fakes.memory import MemoryLedger
from fabric.ledger.outbox import MAX_PASSING_ATTEMPTS
from fabric.ledger.port import Consume, Observation, Submission, Work
from fabric.store.values import WorkKind, WorkState
from tests.support.batches import accept, attest, destination
from tests.support.waiting import stop, until
from tests.unit.ledger.conftest import HERE, World


class InOrderLedger(MemoryLedger):
    """One that says that it keeps the order of its nonces."""

    nonces_in_order = True

    def __init__(self, inner: MemoryLedger) -> None:
        self.__dict__ |= inner.__dict__


class Counting(MemoryLedger):
    """Counts round trips, and may fail on purpose."""

    def __init__(self, inner: MemoryLedger) -> None:
        self.__dict__ |= inner.__dict__
        self.calls: list[tuple[str, int]] = []
        self.failure: Exception | None = None

    @override
    async def prepare(self, work: Sequence[Work], pending: Sequence[Submission]) -> Sequence[Submission]:
        self.calls.append(("prepare", len(work)))
        if self.failure:
            raise self.failure
        return await super().prepare(work, pending)

    @override
    async def submit(self, submissions: Sequence[Submission]) -> None:
        self.calls.append(("submit", len(submissions)))
        await super().submit(submissions)

    @override
    async def observe(self, work: Sequence[tuple[Work, Submission | None]]) -> Sequence[Observation]:
        self.calls.append(("observe", len(work)))
        return await super().observe(work)


async def test_work_goes_through_in_order(world: World) -> None:
    await world.register()
    await world.enqueue(0)
    dispatcher = world.dispatcher()
    assert await dispatcher.round()
    assert await world.states() == {
        (WorkKind.REGISTER, WorkState.FINAL): 1,
        (WorkKind.SETTLE, WorkState.FINAL): 1,
        (WorkKind.CONSUME, WorkState.NEW): 2,
    }
    assert await dispatcher.round()
    assert await world.is_done()
    assert not await dispatcher.round()


async def test_a_round_is_one_call_of_each_kind_whatever_it_carries(world: World) -> None:
    ledger = Counting(world.ledger)
    dispatcher = world.dispatcher(ledger)
    await world.register()
    for first in range(0, 300, 100):
        await world.enqueue(first, 100)
    await dispatcher.round()
    await dispatcher.round()
    assert ledger.calls == [
        *(("prepare", 4), ("submit", 4), ("observe", 4)),
        *(("prepare", 300), ("submit", 300), ("observe", 300)),
    ]
    assert await world.is_done()


async def test_an_idle_round_asks_the_ledger_nothing(world: World) -> None:
    ledger = Counting(world.ledger)
    assert not await world.dispatcher(ledger).round()
    assert ledger.calls == []


async def test_a_ledger_has_no_more_before_it_than_the_window(world: World) -> None:
    world.ledger._mines_at_once = False
    ledger = Counting(world.ledger)
    dispatcher = world.dispatcher(ledger, Pace(window=2))
    await world.register()
    for first in range(3):
        await world.enqueue(first, 1)
    await dispatcher.round()
    await dispatcher.round()
    assert [call for call in ledger.calls if call[0] == "submit"] == [("submit", 2)]
    world.ledger.mine()
    for _ in range(8):
        await dispatcher.round()
        world.ledger.mine()
    assert await world.is_done()


async def test_consumption_may_wait_for_finality(world: World) -> None:
    world.ledger._finality = 2
    dispatcher = world.dispatcher(pace=Pace(consume_after=(WorkState.FINAL,)))
    await world.register()
    await world.enqueue(0)
    await dispatcher.round()
    await dispatcher.round()
    states = await world.states()
    assert states[WorkKind.SETTLE, WorkState.INCLUDED] == 1
    assert states[WorkKind.CONSUME, WorkState.NEW] == 2
    world.ledger.mine(2)
    await dispatcher.round()
    await dispatcher.round()
    assert (await world.states())[WorkKind.CONSUME, WorkState.INCLUDED] == 2


async def test_on_a_ledger_that_keeps_the_order_records_share_the_block_of_their_settlement(world: World) -> None:
    world.ledger._mines_at_once = False
    dispatcher = world.dispatcher(pace=pace_of(InOrderLedger(world.ledger)))
    await world.register()
    await dispatcher.round()
    world.ledger.mine()
    await world.enqueue(0)
    await dispatcher.round()
    await dispatcher.round()
    world.ledger.mine()
    await dispatcher.round()
    assert await world.is_done()
    (anchor,) = await world.store.invocations.anchors(accept(0).invocation.id)
    assert anchor.settlement.receipt is not None
    assert anchor.consumption is not None
    assert anchor.consumption.receipt is not None
    assert anchor.settlement.receipt["position"] == anchor.consumption.receipt["position"]


async def test_records_follow_their_settlement_at_once_and_others_are_waited_for(world: World) -> None:
    ledger = Counting(world.ledger)
    paused = asyncio.Event()

    async def pause(_: float) -> None:
        ledger.calls.append(("pause", 0))
        if await world.is_done():
            paused.set()
        await asyncio.sleep(0)

    await world.register()
    await world.enqueue(0)
    dispatcher = Dispatcher(ledger, world.store.outbox, world.clock, pause=pause)
    running = asyncio.ensure_future(dispatcher.run())
    await asyncio.wait_for(paused.wait(), 60)
    running.cancel()
    done = ledger.calls[: ledger.calls.index(("pause", 0)) + 1]
    assert [call for call in done if call[0] in {"submit", "pause"}] == [("submit", 2), ("submit", 2), ("pause", 0)]


async def test_receipts_are_stored(world: World) -> None:
    await world.register()
    await world.enqueue(0)
    dispatcher = world.dispatcher()
    await dispatcher.round()
    await dispatcher.round()
    (anchor,) = await world.store.invocations.anchors(accept(0).invocation.id)
    assert anchor.settlement.receipt is not None
    assert anchor.settlement.receipt["locator"] == "block 1"
    assert anchor.consumption is not None
    assert anchor.consumption.receipt is not None
    assert anchor.consumption.receipt["locator"] == "block 2"


async def test_a_lost_nonce_is_prepared_anew(world: World) -> None:
    world.ledger._mines_at_once = False
    dispatcher = world.dispatcher()
    await world.register()
    await dispatcher.round()
    world.ledger.use_nonce()
    await dispatcher.round()  # lost
    await dispatcher.round()  # prepared again
    world.ledger.mine()
    await dispatcher.round()
    assert await world.states() == {(WorkKind.REGISTER, WorkState.FINAL): 1}


async def test_a_reorg_within_finality_is_healed(world: World) -> None:
    world.ledger._finality = 3
    dispatcher = world.dispatcher()
    await world.register()
    await world.enqueue(0)
    await dispatcher.round()
    await dispatcher.round()
    world.ledger.reorg(2)
    assert not await world.ledger.is_spent(IntentId(await _intent(world)))
    for _ in range(4):
        await dispatcher.round()
        world.clock.advance(1)
    world.ledger.mine(3)
    await dispatcher.round()
    assert await world.is_done()
    assert await world.ledger.is_spent(IntentId(await _intent(world)))


async def _intent(world: World) -> bytes:
    material = await world.store.proofs.material(accept(0).invocation.id, HERE.id)
    return material.record.intent


async def test_settlement_before_registration_is_tried_again(world: World) -> None:
    dispatcher = world.dispatcher()
    await world.enqueue(0)
    await dispatcher.round()
    assert (await world.states())[WorkKind.SETTLE, WorkState.NEW] == 1
    await world.register()
    for _ in range(3):  # the older settlement goes first once more
        world.clock.advance(30)
        await dispatcher.round()
    assert await world.is_done()


async def test_refused_work_stays_with_its_reason_and_takes_its_consumptions_along(world: World) -> None:
    expired = attest([HERE.id], seconds=1)
    await world.store.attest(expired, [HERE.id])
    dispatcher = world.dispatcher()
    await dispatcher.round()
    (register,) = await world.store.outbox.refused(HERE.id)
    assert register.progress.reason.startswith("AttestationExpired")
    await world.enqueue(0)
    for _ in range(2 * MAX_PASSING_ATTEMPTS):
        await dispatcher.round()
        world.clock.advance(40)
    assert await world.is_done()
    reasons = {row.kind: row.progress.reason for row in await world.store.outbox.refused(HERE.id)}
    assert reasons[WorkKind.SETTLE].startswith("UnknownKey")
    assert reasons[WorkKind.CONSUME].startswith("what it depends on was refused: UnknownKey")


async def test_one_entry_that_cannot_be_prepared_does_not_hold_up_the_others(world: World) -> None:
    await world.register()
    await world.enqueue(0, 5)
    dispatcher = world.dispatcher(_Picky(world.ledger, accept(2).invocation.id))
    await dispatcher.round()
    await dispatcher.round()
    states = await world.states()
    assert states[WorkKind.CONSUME, WorkState.FINAL] == 4
    assert states[WorkKind.CONSUME, WorkState.NEW] == 1
    (row,) = await world.store.outbox.ready(HERE.id, world.clock.seconds, 9)
    assert row.progress.reason == "no such recipient"


class _Picky(Counting):
    def __init__(self, inner: MemoryLedger, unwanted: bytes) -> None:
        super().__init__(inner)
        self._unwanted = unwanted

    @override
    async def prepare(self, work: Sequence[Work], pending: Sequence[Submission]) -> Sequence[Submission]:
        if any(isinstance(one, Consume) and one.record.invocation == self._unwanted for one in work):
            raise LedgerError("no such recipient")
        return await super().prepare(work, pending)


async def test_a_ledger_that_cannot_prepare_now_is_still_asked_about_older_work(world: World) -> None:
    world.ledger._mines_at_once = False
    ledger = Counting(world.ledger)
    dispatcher = world.dispatcher(ledger)
    await world.register()
    await dispatcher.round()
    world.ledger.mine()
    await world.enqueue(0)
    ledger.failure = LedgerUnavailable("fees are too high")
    with pytest.raises(LedgerUnavailable, match="fees"):
        await dispatcher.round()
    assert (await world.states())[WorkKind.REGISTER, WorkState.FINAL] == 1


async def test_run_needs_no_pause_while_there_is_work_and_wakes_for_new(world: World) -> None:
    async def never(_seconds: float) -> None:
        await asyncio.Event().wait()

    dispatcher = world.dispatcher()
    dispatcher._alarm._pause = never
    world.store.listen(world.ledger.destination.id, dispatcher.wake)
    task = asyncio.create_task(dispatcher.run())
    await world.register()
    for first in range(0, 6, 2):
        await world.enqueue(first)
        await until(world.is_done)
    await stop(task)


async def test_run_backs_off_when_the_ledger_is_away_and_goes_on_when_it_is_back(world: World) -> None:
    ledger = Counting(world.ledger)
    ledger.failure = LedgerUnavailable("no route")
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            ledger.failure = None
        await asyncio.sleep(0)

    dispatcher = world.dispatcher(ledger)
    dispatcher._alarm._pause = pause
    await world.register()
    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(dispatcher.run())
        await until(world.is_done)
        await stop(task)
    assert pauses[:3] == sorted(pauses[:3])
    assert [entry["failures"] for entry in logs] == [1, 2, 3]


async def test_a_reorg_beyond_finality_halts_the_ledger_durably(world: World) -> None:
    ledger = Counting(world.ledger)
    ledger.failure = Reorged("block 7 is gone")
    await world.register()
    with structlog.testing.capture_logs():
        await world.dispatcher(ledger).run()
        halt = await world.store.halts.of(HERE.id)
        assert halt
        assert halt.reason == "block 7 is gone"
        ledger.failure = None
        await world.dispatcher(ledger).run()
    assert ledger.calls == [("prepare", 1)]
    assert await world.store.halts.of(destination("b").id) is None
