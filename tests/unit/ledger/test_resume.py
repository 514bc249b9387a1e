"""Resuming: what the ledger lost is work again, what stands stays, and the halt ends with the last step."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from typing_extensions import override

from fabric.core.errors import LedgerUnavailable, Refused
from fabric.ledger.fakes.memory import MemoryLedger
from fabric.ledger.port import Receipt
from fabric.ledger.resume import Restart, Resumable, recall, resume
from fabric.ledger.watcher import REQUESTS, cursor_name
from fabric.store.halts import Halt
from fabric.store.outbox import Change
from fabric.store.values import CursorMove, WorkKind, WorkState
from tests.support.batches import NOW
from tests.unit.ledger.conftest import HERE, World
from tests.unit.store.test_requests import request


class Telling(MemoryLedger):
    """A ledger in memory that can tell what a reorg left: receipts below a block stand.

    Attributes:
        gone: the first block that is another one; blocks beyond the height are missing.
        shallow: how many of the newest blocks are not final.
        restarted: what ``restart`` was told.
    """

    def __init__(self, inner: MemoryLedger, gone: int) -> None:
        self.__dict__ |= inner.__dict__
        self.gone = gone
        self.shallow = 0
        self.restarted: list[tuple[bytes, int | None]] = []
        self.failure: Exception | None = None

    async def stands(self, receipts: Sequence[Receipt], *, deep: bool = True) -> Sequence[bool | None]:
        newest = self.chain.height - self.shallow * deep
        return [None if one.position > newest else one.position < self.gone for one in receipts]

    async def restart(self, cursor: bytes, position: int | None) -> Restart:
        if self.failure:
            raise self.failure
        self.restarted.append((cursor, position))
        return Restart(b"from here", 1)


async def finish(world: World) -> None:
    """Takes three batches to the ledger, one after the other."""
    await world.register()
    for first in range(0, 6, 2):
        await world.enqueue(first)
        while await world.dispatcher().round():
            pass
    assert await world.is_done()


async def halt(world: World) -> None:
    await world.store.halts.put(HERE.id, "block 3 is gone", NOW)


async def test_only_a_halted_ledger_is_resumed(world: World) -> None:
    with pytest.raises(Refused, match="not halted"):
        await resume(world.ledger, world.store, world.clock, who="local", why="why not")


async def test_everything_is_asked_again_where_the_ledger_cannot_tell_what_stands(world: World) -> None:
    await finish(world)
    await halt(world)
    assert not isinstance(world.ledger, Resumable)
    resumed = await resume(world.ledger, world.store, world.clock, who="local", why="looked at")
    assert resumed.reopened == 10
    assert {state for _, state in await world.states()} == {WorkState.SUBMITTED}
    height = world.ledger.chain.height
    await world.dispatcher().round()
    assert await world.is_done()
    assert world.ledger.chain.height == height, "nothing was sent again"


async def test_what_stands_stays_final_and_requests_are_read_from_there(world: World) -> None:
    await finish(world)
    await world.store.requests.store(
        [replace(request(at), destination=HERE.id) for at in range(3)],
        CursorMove(cursor_name(REQUESTS, HERE.id), b"old"),
    )
    await halt(world)
    world.ledger = ledger = Telling(world.ledger, gone=3)
    ledger.reorg(ledger.chain.height - 2)
    resumed = await resume(ledger, world.store, world.clock, who="local", why="looked at")
    final = {kind: count for (kind, state), count in (await world.states()).items() if state is WorkState.FINAL}
    assert final == {WorkKind.REGISTER: 1, WorkKind.SETTLE: 1, WorkKind.CONSUME: 2}
    assert resumed.reopened == 6
    assert ledger.restarted == [(b"old", 2)]
    assert await world.store.cursors.get(cursor_name(REQUESTS, HERE.id)) == b"from here"
    assert [row.position for row in await world.store.requests.ready(HERE.id, 10)] == [0]
    (entry,) = await world.store.halts.resumptions(HERE.id)
    assert (entry.who, entry.why, entry.resumed) == ("local", "looked at", NOW)
    assert entry.halt == Halt("block 3 is gone", NOW)
    dispatcher = world.dispatcher()
    for _ in range(8):
        await dispatcher.round()
        world.clock.advance(31)
    assert await world.is_done()


async def test_what_was_refused_is_asked_again(world: World) -> None:
    await world.enqueue(0)
    (settle,) = await world.store.outbox.ready(HERE.id, NOW, 10)
    refused = replace(settle.progress, state=WorkState.REFUSED, reason="WrongEpoch")
    await world.store.outbox.save([Change(settle, refused)])
    await halt(world)
    await resume(world.ledger, world.store, world.clock, who="local", why="looked at")
    assert {state for _, state in await world.states()} == {WorkState.NEW}


async def test_a_resumption_that_breaks_off_leaves_the_ledger_halted(world: World) -> None:
    await finish(world)
    await halt(world)
    ledger = Telling(world.ledger, gone=1)
    ledger.failure = LedgerUnavailable("on purpose")
    with pytest.raises(LedgerUnavailable):
        await resume(ledger, world.store, world.clock, who="local", why="looked at")
    assert await world.store.halts.of(HERE.id)
    assert await world.store.halts.resumptions(HERE.id) == []
    ledger.failure = None
    await resume(ledger, world.store, world.clock, who="local", why="looked at")
    assert await world.store.halts.of(HERE.id) is None
    await world.dispatcher().round()
    assert await world.is_done()


@pytest.mark.parametrize(("gone", "rolled_back", "expected"), [(99, False, True), (1, False, False), (99, True, None)])
async def test_what_a_ledger_remembers(world: World, *, gone: int, rolled_back: bool, expected: bool | None) -> None:
    ledger = Telling(world.ledger, gone)
    assert await recall(ledger, world.store)
    await finish(world)
    if rolled_back:
        ledger.chain.reorg(ledger.chain.height)
    assert await recall(ledger, world.store) is expected


async def test_what_is_there_and_not_deep_enough_any_more_is_remembered(world: World) -> None:
    await finish(world)
    ledger = Telling(world.ledger, gone=99)
    ledger.shallow = ledger.chain.height
    assert await recall(ledger, world.store) is True


async def test_without_receipts_the_ledger_is_asked_for_the_batch(world: World) -> None:
    await finish(world)
    assert await recall(world.ledger, world.store) is True
    world.ledger.chain.reorg(world.ledger.chain.height)
    assert await recall(world.ledger, world.store) is None


class Halting(MemoryLedger):
    @override
    async def is_settled(self, batch: object) -> bool:
        raise LedgerUnavailable("on purpose")


async def test_a_ledger_that_does_not_answer_remembers_nothing_wrong(world: World) -> None:
    await finish(world)
    silent = Halting.__new__(Halting)
    silent.__dict__ |= world.ledger.__dict__
    with pytest.raises(LedgerUnavailable):
        await recall(silent, world.store)
