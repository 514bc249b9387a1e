"""Ledgers' requests: once each, together with the cursor."""

from dataclasses import replace

import pytest

from fabric.core.errors import StoreError
from fabric.core.ids import InvocationId, sha256
from fabric.store.store import Store
from fabric.store.values import CursorMove, RequestRow, RequestState
from tests.support.batches import BINDING, RECIPIENT, acceptance, destination, event_born

HERE = destination("a").id


def request(position: int, state: RequestState = RequestState.READY) -> RequestRow:
    name = InvocationId(sha256(b"request", bytes([position])))
    return RequestRow(HERE, position, name, BINDING, sha256(b"input"), b"{}", state)


async def test_a_page_is_stored_with_its_cursor(store: Store) -> None:
    await store.requests.store([request(0), request(1)], CursorMove("a", b"2"))
    assert await store.cursors.get("a") == b"2"
    assert await store.requests.ready(HERE, 10) == [request(0), request(1)]
    assert await store.requests.ready(HERE, 1) == [request(0)]
    assert await store.requests.ready(destination("b").id, 10) == []


async def test_a_page_that_is_read_again_changes_nothing(store: Store) -> None:
    await store.requests.store([request(0)], CursorMove("a", b"1"))
    await store.requests.mark([request(0).invocation], RequestState.REFUSED, "no")
    await store.requests.store([request(0), request(1)], CursorMove("a", b"2"))
    assert await store.requests.counts() == {(HERE, RequestState.REFUSED): 1, (HERE, RequestState.READY): 1}


async def test_another_request_in_a_stored_place_stops_the_page(store: Store) -> None:
    await store.requests.store([request(0)], CursorMove("a", b"1"))
    other = replace(request(0), invocation=InvocationId(sha256(b"other")))
    with pytest.raises(StoreError, match="request 0"):
        await store.requests.store([other], CursorMove("a", b"2"))
    assert await store.cursors.get("a") == b"1"


async def test_an_input_that_arrives_wakes_who_waited_for_it(store: Store) -> None:
    waiting = request(0, RequestState.WAITING_FOR_INPUT)
    await store.requests.store([waiting, request(1, RequestState.REFUSED)], CursorMove("a", b"2"))
    assert await store.requests.ready(HERE, 10) == []
    assert await store.requests.waiting(HERE, 10) == [waiting]
    assert not await store.requests.arrived(HERE, sha256(b"another input"))
    # What another ledger's requests wait for is that ledger's to wake.
    assert not await store.requests.arrived(destination("b").id, sha256(b"input"))
    assert await store.requests.arrived(HERE, sha256(b"input"))
    assert await store.requests.ready(HERE, 10) == [request(0)]


async def test_an_answered_request_stays_answered(store: Store) -> None:
    item = event_born(0, RECIPIENT)
    row = replace(request(0), invocation=item.invocation.id)
    await store.enqueue(acceptance([item]))
    await store.requests.store([row], CursorMove("a", b"1"))  # the cursor was lost
    await store.requests.mark([row.invocation], RequestState.REFUSED, "no")
    stored = await store.requests.get(row.invocation)
    assert stored is not None
    assert stored.state is RequestState.ANSWERED
