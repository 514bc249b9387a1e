"""A ledger's request becomes an invocation once, is refused with a reason, or waits and says what for."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest
import structlog
from sqlalchemy import Connection

from fabric.core.errors import CodeRevoked, NoCapacity, NotVouched, Refused
from fabric.core.ids import Account, BindingVersion, InvocationId, method_word, sha256
from fabric.ledger.port import RequestPage
from fabric.ledger.resume import resume
from fabric.ledger.rules.operations import Request
from fabric.store.values import RequestState
from fabric.triggers.judging import judge
from tests.support.batches import NOW, RECIPIENT, destination
from tests.support.waiting import stop, until
from tests.unit.triggers.conftest import HERE, World, binding

BOUND = binding()


async def test_a_final_request_becomes_an_invocation(world: World) -> None:
    await world.store.bindings.put(BOUND, NOW)
    digest = await world.put(b"readings")
    name = world.ask(BOUND, b"readings")
    assert await world.watcher.step()
    assert await world.trigger.step()
    ((invocation,),) = world.ran
    assert invocation.id == name
    assert (invocation.caller, invocation.binding) == (RECIPIENT, BOUND.version)
    assert (invocation.method, sha256(invocation.input)) == ("judge", digest)
    assert (invocation.as_of, invocation.state_version) == (NOW, 3)
    assert await world.state(name) is RequestState.ANSWERED
    assert not await world.trigger.step()


async def test_a_request_is_not_seen_before_it_is_final(world: World) -> None:
    world.ledger._finality = 2
    world.ask(BOUND, b"readings")
    world.ledger.mine()
    assert not await world.watcher.step()
    world.ledger.mine()
    assert await world.watcher.step()


async def test_requests_run_in_batches_of_one_binding(world: World) -> None:
    other = binding(name="others")
    for bound in (BOUND, other):
        await world.store.bindings.put(bound, NOW)
    await world.put(b"x")
    for number in range(6):
        world.ask(other if number % 2 else BOUND, b"x")
    await world.watcher.step()
    await world.trigger.step()
    assert sorted(len(batch) for batch in world.ran) == [3, 3]
    assert all(len({one.binding for one in batch}) == 1 for batch in world.ran)


async def test_a_page_read_again_after_a_crash_runs_nothing_twice(world: World) -> None:
    await world.store.bindings.put(BOUND, NOW)
    await world.put(b"x")
    world.ask(BOUND, b"x")
    page = await world.ledger.requests(b"", 10)
    await world.trigger.accept(page)
    await world.trigger.step()
    world.restart()
    await world.trigger.accept(page)
    assert not await world.trigger.step()
    assert len(world.ran) == 1


async def test_what_was_accepted_before_a_crash_runs_after_it(world: World) -> None:
    await world.store.bindings.put(BOUND, NOW)
    await world.put(b"x")
    name = world.ask(BOUND, b"x")
    await world.watcher.step()
    world.restart()
    assert not await world.watcher.step()
    assert await world.trigger.step()
    assert await world.state(name) is RequestState.ANSWERED


async def test_a_missing_input_holds_up_nobody_else(world: World) -> None:
    await world.store.bindings.put(BOUND, NOW)
    await world.put(b"there")
    missing, there = world.ask(BOUND, b"missing"), world.ask(BOUND, b"there")
    await world.watcher.step()
    await world.trigger.step()
    assert await world.state(there) is RequestState.ANSWERED
    row = await world.row(missing)
    assert (row.state, row.reason) == (RequestState.WAITING_FOR_INPUT, f"no blob {sha256(b'missing').hex()}")
    await world.put(b"missing")
    await world.trigger.step()
    assert await world.state(missing) is RequestState.ANSWERED


async def test_an_input_that_came_while_nobody_was_here_is_found(world: World) -> None:
    await world.store.bindings.put(BOUND, NOW)
    name = world.ask(BOUND, b"late")
    await world.watcher.step()
    await world.store.blobs.put(b"late")  # by a process that told nobody
    world.restart()
    task = asyncio.create_task(world.trigger.run())
    await until(partial(world.is_answered, name))
    await stop(task)


async def test_a_tampered_input_is_named_and_waits_for_the_right_bytes(world: World) -> None:
    await world.store.bindings.put(BOUND, NOW)
    digest = await world.put(b"readings")
    world.store.blobs._path(digest).write_bytes(b"other readings")
    name = world.ask(BOUND, b"readings")
    await world.watcher.step()
    await world.trigger.step()
    row = await world.row(name)
    assert row.state is RequestState.WAITING_FOR_INPUT
    assert row.reason.startswith(f"blob: the file of blob {digest.hex()}")
    assert world.ran == []
    await world.put(b"readings")
    await world.trigger.step()
    assert await world.state(name) is RequestState.ANSWERED


async def test_an_oversize_input_is_refused(world: World) -> None:
    await world.store.bindings.put(BOUND, NOW)
    data = b"x" * (1 << 20) + b"x"
    await world.put(data)
    name = world.ask(BOUND, data)
    await world.watcher.step()
    await world.trigger.step()
    row = await world.row(name)
    assert (row.state, row.reason) == (RequestState.REFUSED, f"input: at most {1 << 20} bytes, got {len(data)}")


@pytest.mark.parametrize(
    ("bound", "method", "state_version", "reason"),
    [
        pytest.param(None, "judge", 0, "no binding of version", id="unknown binding"),
        pytest.param(binding(requester=Account(bytes(32))), "judge", 0, "does not answer requester", id="requester"),
        pytest.param(binding(where="b"), "judge", 0, "no route to the ledger", id="route"),
        pytest.param(BOUND, "erase", 0, "allows no method of digest", id="method"),
        pytest.param(BOUND, "judge", 2**53, "state version 9007199254740992", id="state version"),
    ],
)
async def test_a_refused_request_is_stored_with_its_reason(
    world: World, bound: object, method: str, state_version: int, reason: str
) -> None:
    named = bound or BOUND
    if bound:
        await world.store.bindings.put(bound, NOW)  # type: ignore[arg-type]
    await world.put(b"x")
    name = world.ask(named, b"x", method=method, state_version=state_version)  # type: ignore[arg-type]
    await world.watcher.step()
    assert not await world.trigger.step()
    row = await world.row(name)
    assert row.state is RequestState.REFUSED
    assert reason in row.reason


async def test_an_id_that_the_parts_do_not_give_is_refused(world: World) -> None:
    world.ask(BOUND, b"x")
    page = await world.ledger.requests(b"", 1)
    forged = replace(page.requests[0], invocation=InvocationId(sha256(b"other")))
    assert judge(page.requests[0], HERE.id, BOUND) == "judge"
    with pytest.raises(Refused, match="invocation id"):
        judge(forged, HERE.id, BOUND)
    with pytest.raises(Refused, match="no route"):
        judge(page.requests[0], destination("b").id, BOUND)


async def test_a_binding_that_cannot_run_now_holds_up_no_other(world: World) -> None:
    other = binding(name="others")
    for bound in (BOUND, other):
        await world.store.bindings.put(bound, NOW)
    await world.put(b"x")
    world.failures["shipments"] = NoCapacity("every enclave is busy")
    stuck, free = world.ask(BOUND, b"x"), world.ask(other, b"x")
    await world.watcher.step()
    with structlog.testing.capture_logs():
        await world.trigger.step()
    assert await world.state(free) is RequestState.ANSWERED
    row = await world.row(stuck)
    assert (row.state, row.reason) == (RequestState.READY, "every enclave is busy")
    assert not await world.trigger.step()  # not before its time
    world.failures.clear()
    world.clock.advance(31)
    assert await world.trigger.step()
    assert await world.state(stuck) is RequestState.ANSWERED


async def test_the_loop_waits_for_the_time_of_what_was_put_off(world: World) -> None:
    await world.store.bindings.put(BOUND, NOW)
    await world.put(b"x")
    world.failures["shipments"] = NoCapacity("every enclave is busy")
    name = world.ask(BOUND, b"x")
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        world.clock.advance(1)
        world.failures.clear()
        await asyncio.sleep(0)

    world.trigger._alarm._pause = pause
    with structlog.testing.capture_logs():
        task = asyncio.create_task(world.trigger.run())
        await world.watcher.step()
        await until(partial(world.is_answered, name))
        await stop(task)
    assert len(pauses) == 1
    assert 0 < pauses[0] <= 0.1


async def test_an_empty_page_moves_the_cursor(world: World) -> None:
    await world.trigger.accept(RequestPage((), b"9"))
    assert await world.store.cursors.get(world.watched.cursor) == b"9"


async def test_a_request_of_an_older_binding_version_is_answered_under_it(world: World) -> None:
    newer = binding(methods=("judge", "weigh"))
    for bound in (BOUND, newer):
        await world.store.bindings.put(bound, NOW)
    await world.put(b"x")
    world.ask(BOUND, b"x")
    await world.watcher.step()
    await world.trigger.step()
    assert [one.binding for one in world.ran[0]] == [BindingVersion(BOUND.version)]


async def test_a_halted_ledger_s_requests_do_not_run(world: World) -> None:
    await world.store.bindings.put(BOUND, NOW)
    await world.put(b"x")
    name = world.ask(BOUND, b"x")
    await world.watcher.step()
    await world.store.halts.put(HERE.id, "block 7 is gone", NOW)
    assert not await world.trigger.step()
    assert (await world.state(name), world.ran) == (RequestState.READY, [])
    await resume(world.ledger, world.store, world.clock, who="local", why="looked at")
    await world.watcher.step()
    assert await world.trigger.step()
    assert await world.state(name) is RequestState.ANSWERED


async def test_after_a_halt_no_request_is_lost_none_runs_twice_and_none_that_is_gone(world: World) -> None:
    await world.store.bindings.put(BOUND, NOW)
    await world.put(b"x")
    stays = world.ask(BOUND, b"x")
    answered = world.ask(BOUND, b"x", state_version=1)
    await world.watcher.step()
    await world.trigger.step()
    waits = world.ask(BOUND, b"y")
    await world.watcher.step()
    await world.store.halts.put(HERE.id, "block 2 is gone", NOW)
    # The chain comes back without the two newest requests, and later with one of them, after another one.
    world.ledger.chain.reorg(2)
    await resume(world.ledger, world.store, world.clock, who="local", why="looked at")
    await world.watcher.step()
    assert await world.store.requests.get(InvocationId(waits)) is None
    await world.put(b"y")
    assert not await world.trigger.step()
    other = Account(sha256(b"another contract"))
    world.ledger.request(other, Request(method_word("judge"), sha256(b"x"), BOUND.version, 0))
    assert world.ask(BOUND, b"x", state_version=1) == answered
    await world.watcher.step()
    assert not await world.trigger.step()
    assert [await world.state(one) for one in (stays, answered)] == [RequestState.ANSWERED] * 2
    assert (await world.row(answered)).position == 2
    assert [[one.id for one in batch] for batch in world.ran] == [[stays, answered]]


@pytest.mark.parametrize("change", ["other input", "no document"])
async def test_a_stored_request_that_was_changed_is_refused_by_name(world: World, change: str) -> None:
    await world.store.bindings.put(BOUND, NOW)
    await world.put(b"x")
    await world.put(b"y")
    name, other = world.ask(BOUND, b"x"), world.ask(BOUND, b"y")
    await world.watcher.step()
    document = (await world.row(other)).document if change == "other input" else b"{}"

    def work(connection: Connection) -> None:
        connection.exec_driver_sql("UPDATE requests SET document = ? WHERE invocation = ?", (document, name))

    await world.store._database.write(work)
    await world.trigger.step()
    row = await world.row(name)
    assert row.state is RequestState.REFUSED
    assert "request 0 was changed in the database" in row.reason
    assert [[one.id for one in batch] for batch in world.ran] == [[other]]


async def test_requests_of_a_held_bundle_wait_and_go_on_when_it_is_cleared(world: World) -> None:
    await world.store.bindings.put(BOUND, NOW)
    await world.put(b"x")
    name = world.ask(BOUND, b"x")
    await world.watcher.step()
    world.failures[BOUND.name] = NotVouched("quarantined")
    await world.trigger.step()
    row = await world.row(name)
    assert (row.state, row.reason) == (RequestState.READY, "quarantined")
    world.failures.clear()
    assert not await world.trigger.step()  # put off
    world.trigger.hasten()
    assert await world.trigger.step()
    assert await world.state(name) is RequestState.ANSWERED


async def test_requests_of_a_revoked_bundle_are_refused_for_good(world: World) -> None:
    await world.store.bindings.put(BOUND, NOW)
    await world.put(b"x")
    name = world.ask(BOUND, b"x")
    await world.watcher.step()
    world.failures[BOUND.name] = CodeRevoked("a stolen key")
    await world.trigger.step()
    row = await world.row(name)
    assert (row.state, row.reason) == (RequestState.REFUSED, "a stolen key")
    assert not await world.trigger.step()
