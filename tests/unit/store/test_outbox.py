"""The rows of the outbox: which are due, what they ask for, how they advance."""

import re
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Connection, event

from fabric.store.outbox import Change
from fabric.store.store import Store
from fabric.store.values import (
    ConsumeBody,
    OutboxRow,
    Progress,
    RegisterBody,
    SettleBody,
    WorkKind,
    WorkState,
)
from fabric.trust.merkle import leaf_hash, root_from_inclusion
from tests.support.batches import RECIPIENT, accept, acceptance, attest, destination, sign

HERE = destination("a").id


async def fill(store: Store, count: int = 3) -> None:
    items = [accept(number) for number in range(count)]
    batch = sign(items, destination("a"), recipient=RECIPIENT)
    await store.enqueue(acceptance(items, [batch], consumed=True))


async def advance(store: Store, row: OutboxRow, state: WorkState, **fields: object) -> None:
    progress = replace(row.progress, state=state, **fields)  # type: ignore[arg-type]
    await store.outbox.save([Change(row, progress)])


async def ready(store: Store, now: int = 0, limit: int = 10) -> list[OutboxRow]:
    return await store.outbox.ready(HERE, now, limit)


async def test_a_consumption_waits_for_its_settlement(store: Store) -> None:
    await fill(store)
    (settle,) = await ready(store)
    assert settle.kind is WorkKind.SETTLE
    await advance(store, settle, WorkState.SUBMITTED)
    assert await ready(store) == []
    await advance(store, settle, WorkState.INCLUDED)
    assert [row.kind for row in await ready(store)] == [WorkKind.CONSUME] * 3
    assert await store.outbox.ready(HERE, 0, 10, (WorkState.FINAL,)) == []
    assert len(await ready(store, limit=2)) == 2


async def test_nothing_of_another_destination_is_due(store: Store) -> None:
    await fill(store)
    assert await store.outbox.ready(destination("b").id, 0, 10) == []
    assert not await store.outbox.has_open(destination("b").id)
    assert await store.outbox.has_open(HERE)


async def test_a_later_attempt_is_not_due_before_its_time(store: Store) -> None:
    await fill(store)
    (settle,) = await ready(store)
    await advance(store, settle, WorkState.NEW, next_attempt=100, attempts=1)
    assert await ready(store, now=99) == []
    assert [row.progress.attempts for row in await ready(store, now=100)] == [1]


async def test_everything_between_new_and_final_is_in_flight(store: Store) -> None:
    await fill(store)
    (settle,) = await ready(store)
    assert await store.outbox.in_flight(HERE) == []
    sent = Progress(WorkState.PREPARED, 2, 5, b"bytes", "0x1", None, "slow")
    await store.outbox.save([Change(settle, sent)])
    (found,) = await store.outbox.in_flight(HERE)
    assert found == replace(settle, progress=sent)
    await advance(store, settle, WorkState.FINAL)
    assert await store.outbox.in_flight(HERE) == []


async def test_what_depends_on_refused_work_is_refused_with_it(store: Store) -> None:
    await fill(store)
    (settle,) = await ready(store)
    await advance(store, settle, WorkState.REFUSED, reason="WrongEpoch: 1")
    assert not await store.outbox.has_open(HERE)
    reasons = {row.progress.reason for row in await store.outbox.refused(HERE)}
    assert reasons == {"WrongEpoch: 1", "what it depends on was refused: WrongEpoch: 1"}


async def test_so_is_what_was_under_way_meanwhile(store: Store) -> None:
    await fill(store, 2)
    (settle,) = await ready(store)
    await advance(store, settle, WorkState.INCLUDED)
    _, sent = await ready(store)
    await advance(store, sent, WorkState.SUBMITTED, submission=b"bytes", locator="0x1")
    await advance(store, settle, WorkState.REFUSED, reason="KeyRevoked: at 3")
    assert [row.seq for row in await store.outbox.in_flight(HERE)] == [sent.seq]
    await advance(store, sent, WorkState.NEW, submission=None, locator=None, reason="NotSettled: batch")
    assert not await store.outbox.has_open(HERE)
    reasons = [row.progress.reason for row in await store.outbox.refused(HERE)]
    assert reasons.count("what it depends on was refused: KeyRevoked: at 3") == 2


async def test_bodies_say_what_is_to_be_done(store: Store) -> None:
    await store.attest(attest([HERE]), [HERE])
    await fill(store)
    register, settle = await ready(store)
    await advance(store, settle, WorkState.INCLUDED)
    rows = [register, settle, *(await ready(store))[1:]]
    bodies = await store.outbox.bodies(rows)
    assert bodies[register.seq] == attest([HERE]).body
    assert isinstance(bodies[register.seq], RegisterBody)
    body = bodies[settle.seq]
    assert isinstance(body, SettleBody)
    assert body.header.batch_id == settle.work_id
    for row in rows[2:]:
        wanted = bodies[row.seq]
        assert isinstance(wanted, ConsumeBody)
        assert wanted.record.intent == row.work_id
        leaf = leaf_hash(wanted.record.encoded)
        assert root_from_inclusion(leaf, wanted.index, 3, wanted.path) == body.header.root


async def test_saving_is_all_or_nothing(store: Store) -> None:
    await fill(store)
    (settle,) = await ready(store)
    wrong = Progress(state="lost-in-thought")  # type: ignore[arg-type]
    with pytest.raises(Exception, match="ck_outbox_state"):
        await store.outbox.save(
            [Change(settle, replace(settle.progress, state=WorkState.FINAL)), Change(settle, wrong)]
        )
    assert await ready(store) == [settle]


async def test_finished_rows_cost_a_round_nothing(store: Store) -> None:
    """The queries of a round read the index of open rows, however many are final."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    event.listen(
        store._database._engines.reading,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, values, *_: asked.append((statement, values)),
    )
    await store.outbox.in_flight(HERE)
    await store.outbox.ready(HERE, 0, 10)
    await store.outbox.has_open(HERE)

    queries = [question for question in asked if question[0].startswith("SELECT")]
    assert len(queries) == 3
    for statement, values in queries:
        shown = await store._database.read(partial(plan, statement=statement, values=values))
        assert re.search("(SEARCH outbox USING INDEX|Scan using) ix_outbox_open", shown), shown


def plan(connection: Connection, statement: str, values: tuple[object, ...]) -> str:
    """Returns how the database would answer."""
    explain = "EXPLAIN QUERY PLAN"
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # which it prefers while the table is empty
        connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        explain = "EXPLAIN"
    return " ".join(str(row) for row in connection.exec_driver_sql(f"{explain} {statement}", values))
