"""Halts: the first reason stays, any row is a halt, and lifting one leaves its audit."""

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from fabric.core.clock import FrozenClock
from fabric.core.errors import StoreError
from fabric.store.halts import Anew, Halt, Resumption
from fabric.store.outbox import Change
from fabric.store.schema import halts
from fabric.store.store import Store, open_store
from fabric.store.values import CursorMove, Progress, RequestState, WorkKind, WorkState
from tests.support.batches import RECIPIENT, acceptance, destination, event_born, sign
from tests.unit.store.test_requests import request

HERE = destination("a").id
HALT = Halt("block 7 is gone", 1)
ENTRY = Resumption("local", "the node was restored", HALT, 9)


async def test_the_first_reason_stays(store: Store) -> None:
    assert await store.halts.of(HERE) is None
    await store.halts.put(HERE, *(HALT.reason, HALT.created))
    await store.halts.put(HERE, "again", 2)
    assert await store.halts.of(HERE) == HALT
    assert await store.halts.of(destination("b").id) is None


@pytest.mark.parametrize("reason", ["", b"\xff", 0], ids=["empty", "bytes", "number"])
async def test_a_row_is_a_halt_whatever_it_says(tmp_path: Path, reason: object) -> None:
    """In SQLite any column holds any kind of value; PostgreSQL takes none of these."""
    store = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", FrozenClock())

    def spoil(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO halts VALUES (?, ?, 'yesterday')", (HERE, reason))

    await store._database.write(spoil)
    assert await store.halts.of(HERE) is not None
    await store.aclose()


async def test_lifting_keeps_the_audit_and_forgets_requests_from_an_index(store: Store) -> None:
    await store.requests.store([request(0), request(1), request(2)], CursorMove("a", b"3"))
    await store.halts.put(HERE, HALT.reason, HALT.created)
    await store.halts.lift(HERE, ENTRY, Anew(CursorMove("a", b"1"), 1, CursorMove("m", b"")))
    assert await store.halts.of(HERE) is None
    assert await store.halts.resumptions(HERE) == [ENTRY]
    assert await store.halts.resumptions(destination("b").id) == []
    assert await store.cursors.get("a") == b"1"
    assert [row.position for row in await store.requests.ready(HERE, 10)] == [0]


async def test_what_is_not_halted_cannot_be_lifted(store: Store) -> None:
    await store.requests.store([request(0)], CursorMove("a", b"1"))
    with pytest.raises(StoreError, match="not halted"):
        await store.halts.lift(HERE, ENTRY, Anew(CursorMove("a", b""), 0, CursorMove("m", b"")))
    assert await store.halts.resumptions(HERE) == []
    assert await store.cursors.get("a") == b"1"
    assert await store.requests.ready(HERE, 10)


async def refused_answer(store: Store, settle: WorkState = WorkState.FINAL) -> tuple[Change, Change]:
    """Stores an answered request whose answer is refused; returns the changes that settled it and refused it."""
    item = event_born(0, RECIPIENT)
    await store.enqueue(acceptance([item], [sign([item], destination("a"), recipient=RECIPIENT)], consumed=True))
    (settled,) = await store.outbox.ready(HERE, 0, 10)
    await store.outbox.save([Change(settled, Progress(WorkState.INCLUDED))])
    (consumption,) = await store.outbox.ready(HERE, 0, 10)
    changes = Change(settled, Progress(settle)), Change(consumption, Progress(WorkState.REFUSED, 3, reason="no"))
    await store.outbox.save(changes)
    return changes


async def ask(store: Store) -> None:
    """Has the request of the answer come, again or late."""
    asked = request(0)
    row = type(asked)(HERE, 0, event_born(0, RECIPIENT).invocation.id, asked.binding, asked.input, b"{}", asked.state)
    await store.requests.store([row], CursorMove("a", b"1"))
    stored = await store.requests.get(row.invocation)
    assert stored
    assert stored.state is RequestState.ANSWERED


async def states(store: Store) -> dict[WorkKind, WorkState]:
    return {kind: state for _, kind, state in await store.outbox.counts()}


async def test_a_refused_answer_is_new_work_when_its_request_comes_again(store: Store) -> None:
    await refused_answer(store)
    await ask(store)
    assert (await states(store))[WorkKind.CONSUME] is WorkState.NEW
    (again,) = await store.outbox.ready(HERE, 0, 10)
    assert again.progress == Progress()


async def test_an_answer_without_a_settlement_stays_refused(store: Store) -> None:
    await refused_answer(store, WorkState.REFUSED)
    await ask(store)
    assert (await states(store))[WorkKind.CONSUME] is WorkState.REFUSED


async def test_an_answer_that_is_refused_after_its_request_came_is_new_work_too(store: Store) -> None:
    _, refused = await refused_answer(store)
    later = Progress(WorkState.NEW, 4, reason="UnknownOrigin")
    await store.outbox.save([Change(refused.row, refused.progress, if_asked=later)])
    assert (await states(store))[WorkKind.CONSUME] is WorkState.REFUSED, "nobody asks for it"
    await ask(store)
    await store.outbox.save([Change(refused.row, refused.progress, if_asked=later)])
    assert (await states(store))[WorkKind.CONSUME] is WorkState.NEW


async def test_a_write_whose_asker_was_cancelled_is_waited_for(store: Store) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        begun.set()
        may_end.wait(20)
        connection.execute(insert(halts).values(destination=HERE, reason="late", created=1))

    writing = asyncio.create_task(store._database.write(slow))
    await asyncio.to_thread(begun.wait, 20)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert await store.halts.of(HERE) is None
    asking = asyncio.create_task(store.halts.settled(HERE))
    await asyncio.sleep(0)
    may_end.set()
    assert await asking == Halt("late", 1)
