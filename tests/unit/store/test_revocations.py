"""Revocations of code: stored with their work before anything is sent, once for each ledger."""

import pytest

from fabric.store.outbox import Change
from fabric.store.store import Store
from fabric.store.values import OutboxRow, Progress, RevokeBody, RowTampered, Spoiled, WorkKind, WorkState
from fabric.trust.revocation import CodeRevocation
from tests.support.batches import APPRAISER, MEASUREMENT, destination
from tests.support.seeded_keys import SeededKeys
from tests.support.trust_samples import word
from tests.unit.store.test_tampering import flip

HERE, THERE = destination("a").id, destination("b").id
OTHER = SeededKeys("appraiser-1")


def body(since: int = 100, appraiser: SeededKeys = APPRAISER) -> RevokeBody:
    made = CodeRevocation(MEASUREMENT, since)
    return RevokeBody(made, appraiser.signatures(made.encoded, made.typed_digest))


async def rows(store: Store) -> list[OutboxRow]:
    return await store.outbox.ready(HERE, 0, 10)


async def test_a_revocation_is_work_for_each_ledger(store: Store) -> None:
    woken: list[str] = []
    store.listen(HERE, lambda: woken.append("here"))
    await store.revoke(body(), "a leaked key", [HERE, THERE])
    assert woken == ["here"]
    (row,) = await rows(store)
    assert (row.kind, row.work_id, row.progress) == (WorkKind.REVOKE, body().revocation.digest, Progress())
    assert await store.outbox.bodies([row]) == {row.seq: body()}
    assert await store.outbox.has_open(THERE)


async def test_a_repeat_stores_nothing_but_ledgers_that_were_missing(store: Store) -> None:
    await store.revoke(body(), "a leaked key", [HERE])
    await store.revoke(body(), "again", [HERE, THERE])
    await store.revoke(body(), "again", [THERE])
    counts = await store.outbox.counts()
    assert counts == {(HERE, WorkKind.REVOKE, WorkState.NEW): 1, (THERE, WorkKind.REVOKE, WorkState.NEW): 1}


async def test_a_repeat_asks_again_where_it_was_refused_and_nowhere_else(store: Store) -> None:
    await store.revoke(body(), "a leaked key", [HERE, THERE])
    (here,) = await rows(store)
    (there,) = await store.outbox.ready(THERE, 0, 10)
    refused = Progress(WorkState.REFUSED, 3, 9, b"bytes", "0x1", None, "QuorumMissing: 1")
    final = Progress(WorkState.FINAL, 1, 0, b"bytes", "0x2", b"{}")
    await store.outbox.save([Change(here, refused), Change(there, final)])
    await store.revoke(body(appraiser=OTHER), "with another appraiser", [HERE, THERE])
    (again,) = await rows(store)
    assert again.progress == Progress()
    found = (await store.outbox.bodies([again]))[again.seq]
    assert isinstance(found, RevokeBody)
    assert found.signatures == (*body().signatures, *body(appraiser=OTHER).signatures)
    assert await store.outbox.progress(THERE, there.work_id) == final


async def test_the_earliest_time_of_a_bundle_is_found(store: Store) -> None:
    assert await store.revocations.of(MEASUREMENT) is None
    for since in (200, 100, 300):
        await store.revoke(body(since), "why", [HERE])
    assert await store.revocations.of(MEASUREMENT) == body(100)
    assert await store.revocations.of(word("other")) is None  # type: ignore[arg-type]
    assert await store.revocations.all() == [body(100)]


@pytest.mark.parametrize("column", ["words", "measurement", "digest"])
async def test_a_changed_row_is_refused_by_name(store: Store, column: str) -> None:
    await store.revoke(body(), "why", [HERE])
    await flip(store, "revocations", column)
    with pytest.raises(RowTampered, match="revocation"):
        await store.revocations.all()
    (row,) = await rows(store)
    spoiled = isinstance((await store.outbox.bodies([row]))[row.seq], Spoiled)
    assert spoiled == (column == "words")
