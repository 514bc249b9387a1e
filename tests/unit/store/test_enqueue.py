"""The enqueue transaction: everything or nothing, once."""

from pathlib import Path

import pytest
from sqlalchemy import event, func, select

from fabric.core.errors import NotFound, StoreError, VerificationError
from fabric.core.ids import DestinationId, sha256
from fabric.store import schema
from fabric.store.store import Store
from fabric.store.values import AlreadyStored, CursorMove, RequestRow, RequestState, WorkKind, WorkState
from fabric.trust.merkle import leaf_hash, root_from_inclusion
from tests.support.batches import (
    BINDING,
    ENCLAVE,
    MEASUREMENT,
    RECIPIENT,
    accept,
    acceptance,
    attest,
    destination,
    event_born,
    fail,
    invocation,
    seal,
    sign,
)


async def count(store: Store, table: str) -> int:
    query = select(func.count()).select_from(schema.metadata.tables[table])
    return await store._database.read(lambda connection: connection.scalar(query) or 0)


async def test_results_are_found_by_id(store: Store) -> None:
    items = [accept(0), fail(1)]
    await store.enqueue(acceptance(items, [sign(items[:1], destination())]))
    found = await store.results([item.invocation.id for item in items])
    assert [found[item.invocation.id].outcome for item in items] == [item.outcome for item in items]
    result = found[items[0].invocation.id]
    assert (result.method, result.input, result.binding) == ("judge", sha256(items[0].invocation.input), BINDING)


async def test_an_unknown_invocation_has_no_result(store: Store) -> None:
    assert await store.invocations.get(invocation(0).id) is None
    with pytest.raises(NotFound):
        await store.invocations.input(invocation(0).id)


async def test_a_batch_becomes_a_settlement_and_its_consumptions(store: Store) -> None:
    items = [accept(0), accept(1)]
    consumed = sign(items, destination("a"), recipient=RECIPIENT)
    await store.enqueue(acceptance(items, [consumed], consumed=True))
    others = [accept(2)]
    await store.enqueue(acceptance(others, [sign(others, destination("b"))], consumed=True))
    assert await store.outbox.counts() == {
        (destination("a").id, WorkKind.SETTLE, WorkState.NEW): 1,
        (destination("a").id, WorkKind.CONSUME, WorkState.NEW): 2,
        (destination("b").id, WorkKind.SETTLE, WorkState.NEW): 1,  # nobody's records are not consumed
    }


async def test_the_loser_of_a_race_stores_nothing(store: Store) -> None:
    first = [accept(0), accept(1)]
    await store.enqueue(acceptance(first, [sign(first, destination())]))
    before = await store.outbox.counts()
    late = [accept(1, as_of=1_700_000_009), accept(2)]
    with pytest.raises(AlreadyStored) as caught:
        await store.enqueue(acceptance(late, [sign(late, destination())]))
    assert caught.value.invocations == {late[0].invocation.id}
    assert await store.outbox.counts() == before
    assert await store.invocations.get(late[1].invocation.id) is None
    kept = (await store.results([first[1].invocation.id]))[first[1].invocation.id]
    assert kept.as_of == first[1].invocation.as_of


async def test_a_key_of_the_same_caller_is_used_once(store: Store) -> None:
    await store.enqueue(acceptance([accept(0)]))
    other = accept(1)
    with pytest.raises(AlreadyStored) as caught:
        await store.enqueue(acceptance([type(other)(other.invocation, other.outcome, "key-0")]))
    assert caught.value.invocations == {other.invocation.id}


async def test_a_batch_that_is_stored_already_is_an_error_of_its_own(store: Store) -> None:
    items = [accept(0)]
    batch = sign(items, destination())
    await store.enqueue(acceptance(items, [batch]))
    with pytest.raises(StoreError) as caught:
        await store.enqueue(acceptance([], [batch]))
    assert not isinstance(caught.value, AlreadyStored)


async def test_the_cursor_moves_with_the_batch_or_not_at_all(store: Store) -> None:
    move = CursorMove("requests", b"7")
    await store.enqueue(acceptance([accept(0)]))
    lost = acceptance([accept(0)])
    with pytest.raises(AlreadyStored):
        await store.enqueue(type(lost)(lost.accepted, (), set(), lost.key_ids, lost.created, move))
    assert await store.cursors.get("requests") == b""
    won = acceptance([accept(1)])
    await store.enqueue(type(won)(won.accepted, (), set(), won.key_ids, won.created, move))
    assert await store.cursors.get("requests") == b"7"


async def test_an_event_born_invocation_answers_its_request(store: Store) -> None:
    item = event_born(0, RECIPIENT)
    row = RequestRow(destination().id, 0, item.invocation.id, BINDING, sha256(b"{}"), b"{}", RequestState.READY)
    await store.requests.store([row], CursorMove("requests", b"1"))
    await store.enqueue(acceptance([item]))
    stored = await store.requests.get(item.invocation.id)
    assert stored is not None
    assert stored.state is RequestState.ANSWERED
    result = await store.invocations.get(item.invocation.id)
    assert result is not None
    assert result.idempotency_key is None


async def test_event_born_invocations_have_no_key_to_collide(store: Store) -> None:
    await store.enqueue(acceptance([event_born(0, RECIPIENT), event_born(1, RECIPIENT)]))
    assert await count(store, "invocations") == 2


async def test_a_long_input_is_kept_as_a_blob_and_checked(store: Store, tmp_path: Path) -> None:
    data = b"x" * 5_000
    items = [accept(0, data=data), accept(1)]
    await store.enqueue(acceptance(items))
    assert await store.invocations.input(items[0].invocation.id) == data
    assert await store.invocations.input(items[1].invocation.id) == items[1].invocation.input
    digest = sha256(data).hex()
    (tmp_path / "blobs" / digest[:2] / digest).write_bytes(data + b"!")
    with pytest.raises(VerificationError, match=digest) as caught:
        await store.invocations.input(items[0].invocation.id)
    assert caught.value.step == "blob"


async def test_proof_material_holds_together(store: Store) -> None:
    items = [accept(number) for number in range(5)]
    batch = sign(items, destination())
    await store.attest(attest([destination().id]), [])
    await store.publications.put(MEASUREMENT, b"{}")
    await store.enqueue(acceptance(items, [batch]))
    material = await store.proofs.material(items[3].invocation.id, destination().id)
    sealed = seal(items[3], destination().id)
    assert (material.record, material.statement, material.payload) == (
        sealed.record,
        sealed.statement,
        sealed.payload,
    )
    leaf = leaf_hash(material.record.encoded)
    assert root_from_inclusion(leaf, material.index, 5, material.path) == batch.header.root
    assert material.signatures == batch.signatures
    assert material.output == items[3].outcome.output
    assert material.settlement.state is WorkState.NEW
    assert material.attestation == attest([destination().id])
    assert material.publication == b"{}"


async def test_a_failure_has_no_proof(store: Store) -> None:
    await store.enqueue(acceptance([fail(0)]))
    with pytest.raises(NotFound, match=invocation(0).id.hex()):
        await store.proofs.material(invocation(0).id, destination().id)


async def test_anchors_say_how_far_each_destination_is(store: Store) -> None:
    items = [accept(0), accept(1)]
    consumed, anchored = sign(items, destination("a"), recipient=RECIPIENT), sign(items, destination("b"))
    await store.enqueue(acceptance(items, [consumed, anchored], consumed=True))
    first, second = await store.invocations.anchors(items[1].invocation.id)
    assert (first.destination, first.batch) == (destination("a").id, consumed.header.batch_id)
    assert first.consumption is not None
    assert first.consumption.state is WorkState.NEW
    assert (second.destination, second.consumption) == (destination("b").id, None)
    assert await store.invocations.anchors(invocation(9).id) == ()


async def test_listeners_hear_of_work_after_it_is_stored(store: Store) -> None:
    heard: list[str] = []
    store.listen(destination().id, lambda: heard.append("work"))
    await store.enqueue(acceptance([fail(0)]))
    assert heard == []
    items = [accept(1)]
    await store.enqueue(acceptance(items, [sign(items, destination())]))
    await store.attest(attest([destination().id]), [destination().id])
    assert heard == ["work", "work"]


async def test_the_number_of_statements_does_not_grow_with_the_batch(store: Store) -> None:
    statements: list[str] = []
    event.listen(
        store._database._engines.writing,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: statements.append(statement),
    )
    counts = []
    for numbers in (range(1), range(1, 301)):
        statements.clear()
        items = [accept(number) for number in numbers]
        batch = sign(items, destination(), recipient=RECIPIENT)
        await store.enqueue(acceptance(items, [batch], consumed=True))
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_a_repeated_attestation_is_stored_once(store: Store) -> None:
    places = [destination("a").id, destination("b").id]
    await store.attest(attest(places), places[:1])
    await store.attest(attest(places), places)
    assert await count(store, "attestations") == 1
    assert await store.outbox.counts() == {
        (DestinationId(place), WorkKind.REGISTER, WorkState.NEW): 1 for place in places
    }
    assert await store.attestations.get(ENCLAVE.public.id) == attest(places)
