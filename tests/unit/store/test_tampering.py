"""A row that somebody changed is refused by name when it is used: table by table, and nothing of it is used."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text

from fabric.core.errors import Retry
from fabric.ledger.dispatcher import Dispatcher
from fabric.ledger.fakes.memory import MemoryLedger
from fabric.ledger.rules.state import Genesis
from fabric.store.store import Store
from fabric.store.values import RowTampered, Spoiled, WorkKind, WorkState
from fabric.trust.schemes import ED25519
from tests.support.batches import (
    APPRAISER,
    BINDING,
    ENCLAVE,
    RECIPIENT,
    accept,
    acceptance,
    attest,
    destination,
    fail,
    sign,
)
from tests.support.pipeline import binding

HERE = destination("a")
ITEMS = [accept(number) for number in range(3)]


async def change(store: Store, statement: str, **values: object) -> None:
    await store._database.write(lambda connection: connection.execute(text(statement), values))


async def flip(store: Store, table: str, column: str, where: str = "1 = 1") -> None:
    """Flips one bit in the middle of a cell, of every row that fits."""

    def work(connection: object) -> None:
        rows = connection.execute(text(f"SELECT {column} FROM {table} WHERE {where}")).all()  # type: ignore[attr-defined]  # noqa: S608
        assert rows
        for (value,) in rows:
            at = len(value) // 2
            spoiled = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
            update = text(f"UPDATE {table} SET {column} = :value WHERE {column} = :old")  # noqa: S608
            connection.execute(update, {"value": spoiled, "old": value})  # type: ignore[attr-defined]

    await store._database.write(work)


async def fill(store: Store) -> None:
    await store.attest(attest([HERE.id]), [HERE.id])
    await store.enqueue(acceptance(ITEMS, [sign(ITEMS, HERE, recipient=RECIPIENT)], consumed=True))


async def bodies(store: Store) -> dict[WorkKind, list[object]]:
    rows = await store.outbox.ready(HERE.id, 0, 10, (WorkState.NEW,))
    found = await store.outbox.bodies(rows)
    by_kind: dict[WorkKind, list[object]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(found[row.seq])
    return by_kind


@pytest.mark.parametrize(
    ("table", "column", "spoiled"),
    [
        ("attestations", "result", [WorkKind.REGISTER]),
        ("attestations", "signatures", [WorkKind.REGISTER]),
        ("batches", "header", [WorkKind.SETTLE, WorkKind.CONSUME]),
        ("batches", "records", [WorkKind.CONSUME]),
        ("batches", "details", [WorkKind.CONSUME]),
        ("batches", "id", [WorkKind.CONSUME]),
        ("outbox", "work_id", [WorkKind.REGISTER, WorkKind.SETTLE, WorkKind.CONSUME]),
    ],
)
async def test_a_body_that_is_not_of_its_work_id_is_spoiled(
    store: Store, table: str, column: str, spoiled: Sequence[WorkKind]
) -> None:
    await fill(store)
    await flip(store, table, column)
    for kind, found in (await bodies(store)).items():
        is_spoiled = [isinstance(one, Spoiled) for one in found]
        assert any(is_spoiled) is (kind in spoiled), (kind, found)
        assert all("was changed in the database" in one.reason for one in found if isinstance(one, Spoiled))


async def test_the_dispatcher_refuses_it_by_name_and_sends_everything_else(store: Store) -> None:
    await fill(store)
    others = [accept(number) for number in (10, 11)]
    await store.enqueue(acceptance(others, [sign(others, HERE, recipient=RECIPIENT)], consumed=True))
    await flip(store, "batches", "header", "seq = 1")
    clock = store._clock
    ledger = MemoryLedger(Genesis(HERE, (APPRAISER.public,), 1, ED25519), clock)
    dispatcher = Dispatcher(ledger, store.outbox, clock)
    for _ in range(4):
        await dispatcher.round()
    counts = {(kind, state): count for (_, kind, state), count in (await store.outbox.counts()).items()}
    assert counts == {
        (WorkKind.REGISTER, WorkState.FINAL): 1,
        (WorkKind.SETTLE, WorkState.FINAL): 1,
        (WorkKind.SETTLE, WorkState.REFUSED): 1,
        (WorkKind.CONSUME, WorkState.FINAL): 2,
        (WorkKind.CONSUME, WorkState.REFUSED): 3,
    }
    reasons = [row.progress.reason for row in await store.outbox.refused(HERE.id)]
    assert all("was changed in the database" in reason for reason in reasons)


async def test_work_on_its_way_keeps_its_state_and_says_why_it_stays(store: Store) -> None:
    await fill(store)
    clock = store._clock
    ledger = MemoryLedger(Genesis(HERE, (APPRAISER.public,), 1, ED25519), clock, finality=5)
    await Dispatcher(ledger, store.outbox, clock).round()
    before = await store.outbox.in_flight(HERE.id)
    await flip(store, "batches", "header")
    await Dispatcher(ledger, store.outbox, clock).round()
    after = {row.seq: row for row in await store.outbox.in_flight(HERE.id)}
    assert {row.seq: row.progress.state for row in before}.items() <= {
        seq: row.progress.state for seq, row in after.items()
    }.items()
    assert any("was changed in the database" in row.progress.reason for row in after.values())
    await flip(store, "batches", "header")
    ledger.mine(6)
    await Dispatcher(ledger, store.outbox, clock).round()
    settles = [state for (_, kind, state) in await store.outbox.counts() if kind is WorkKind.SETTLE]
    assert settles == [WorkState.FINAL], "the restored row goes on"


@pytest.mark.parametrize(("output", "failure"), [(b"{}", None), (None, "refused")])
async def test_a_result_that_is_not_the_one_of_its_record(
    store: Store, output: bytes | None, failure: str | None
) -> None:
    await fill(store)
    name = ITEMS[1].invocation.id
    statement = "UPDATE invocations SET output = :output, failure_code = :failure WHERE id = :name"
    await change(store, statement, name=name, output=output, failure=failure)
    with pytest.raises(RowTampered, match=f"result of invocation {name.hex()}") as caught:
        await store.results([name])
    assert caught.value.retry is Retry.NEVER
    assert await store.results([ITEMS[0].invocation.id])


@pytest.mark.parametrize("column", ["binding", "input_digest", "id"])
async def test_a_result_under_other_names(store: Store, column: str) -> None:
    await fill(store)
    await flip(store, "invocations", column, "seq = 1")
    names = await store._database.read(
        lambda connection: connection.execute(text("SELECT id FROM invocations WHERE seq = 1")).scalar_one()
    )
    with pytest.raises(RowTampered, match="not what its record says"):
        await store.results([names])


async def test_a_failure_has_no_record_to_be_compared_with(store: Store) -> None:
    item = fail(9)
    await store.enqueue(acceptance([item]))
    assert (await store.results([item.invocation.id]))[item.invocation.id].outcome == item.outcome


async def test_an_input_that_is_not_of_its_digest(store: Store) -> None:
    await fill(store)
    name = ITEMS[0].invocation.id
    await flip(store, "invocations", "input", "seq = 1")
    with pytest.raises(RowTampered, match=f"input of invocation {name.hex()}"):
        await store.invocations.input(name)
    assert await store.invocations.input(ITEMS[1].invocation.id) == ITEMS[1].invocation.input


@pytest.mark.parametrize("column", ["records", "details", "header", "signatures"])
async def test_material_of_a_proof_that_cannot_be_read_is_named(store: Store, column: str) -> None:
    await fill(store)
    await change(store, f"UPDATE batches SET {column} = :value", value=b"\0")  # noqa: S608 - a name of this file
    with pytest.raises(RowTampered, match=ITEMS[0].invocation.id.hex()):
        await store.proofs.material(ITEMS[0].invocation.id, HERE.id)


async def test_an_attestation_that_is_not_of_its_digest(store: Store) -> None:
    await fill(store)
    await flip(store, "attestations", "result")
    with pytest.raises(RowTampered, match=f"attestation {attest([HERE.id]).body.result.digest.hex()}"):
        await store.attestations.get(ENCLAVE.public.id)


@pytest.mark.parametrize("column", ["document", "version"])
async def test_a_binding_that_is_not_of_its_version(store: Store, column: str) -> None:
    rules = binding()
    await store.bindings.put(rules, 1)
    await flip(store, "bindings", column)
    with pytest.raises(RowTampered, match=f"binding '{rules.name}'"):
        await store.bindings.named(rules.name)
    with pytest.raises(RowTampered, match=f"binding '{rules.name}'"):
        await store.bindings.all()
    assert await store.bindings.get(BINDING) is None


async def test_a_binding_under_another_name(store: Store) -> None:
    rules = binding()
    await store.bindings.put(rules, 1)
    await change(store, "UPDATE bindings SET name = 'others'")
    with pytest.raises(RowTampered, match="'others'"):
        await store.bindings.get(rules.version)
