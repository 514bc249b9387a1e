"""The pipeline: accepted means stored, once; each call has an answer of its own; who loses a race gets the winner's."""

import asyncio
from dataclasses import replace

import pytest

from fabric.core import canonical
from fabric.core.crashpoint import CrashPoint
from fabric.core.errors import NoCapacity, NotFound, PlatformError, StoreError, Unauthorized
from fabric.core.ids import caller_account, invocation_id
from fabric.core.model import Invocation, Outcome
from fabric.invoke.acceptor import Acceptor, Keyed, is_result, submit_events
from fabric.invoke.pipeline import Pipeline
from fabric.runtime.batcher import Batcher
from fabric.store.accepting import Acceptance
from fabric.store.values import WorkKind, WorkState
from fabric.trust.binding import Binding
from fabric.wire.service import Answer, InvokeReply, InvokeRequest
from tests.support.pipeline import NOW, World, binding, call
from tests.support.proofs import CALLER, FABRIC, NATIVE, RECIPIENT, STRANGER


def name_of(number: int, caller: str = CALLER) -> bytes:
    return invocation_id(FABRIC, caller_account(caller), f"key-{number}")


async def stored(world: World, *numbers: int) -> int:
    return len(await world.store.results([name_of(number) for number in numbers]))  # type: ignore[misc]


async def test_an_answer_is_a_stored_outcome(world: World) -> None:
    first, second = await world.ask(call(1), call(2))
    assert first == Answer(name_of(1), canonical.encode({"size": len(call(1).input), "time": NOW}))
    assert second.invocation == name_of(2)
    assert world.pool.batches == [[name_of(1), name_of(2)]]
    assert world.reached == [CrashPoint.AFTER_SIGN, CrashPoint.AFTER_ENQUEUE]
    assert await world.store.outbox.counts() == {
        (NATIVE.id, WorkKind.SETTLE, WorkState.NEW): 1,
        (NATIVE.id, WorkKind.CONSUME, WorkState.NEW): 2,
    }


async def test_a_repeat_is_answered_from_the_store(world: World) -> None:
    answers = await world.ask(call(1))
    world.clock.advance(60)
    assert await world.ask(call(1)) == answers
    assert len(world.pool.batches) == 1


async def test_another_spelling_of_the_input_is_the_same_call(world: World) -> None:
    [answer] = await world.ask(call(1))
    spaced = replace(call(1), input=call(1).input.replace(b",", b" ,\n"))
    assert await world.ask(spaced) == (answer,)


@pytest.mark.parametrize("change", ["input", "method", "binding"])
async def test_a_key_stands_for_one_call(world: World, change: str) -> None:
    await world.ask(call(1))
    other = {"input": replace(call(1), input=b"{}"), "method": replace(call(1), method="file")}.get(change, call(1))
    rules = binding(valid_seconds=60) if change == "binding" else None
    [answer] = await world.ask(other, rules=rules)
    assert answer.failure is not None
    assert (answer.failure.code, answer.retry, answer.invocation) == ("refused", "never", name_of(1))
    assert "used for another call" in answer.failure.message
    assert len(world.pool.batches) == 1


async def test_callers_do_not_share_keys(world: World) -> None:
    [mine] = await world.ask(call(1))
    [his] = await world.ask(replace(call(1), input=b"{}"), caller="bob")
    assert mine.invocation != his.invocation
    assert his.output is not None


async def test_one_key_twice_in_a_request(world: World) -> None:
    """The same call is run once and answered twice; of two different calls one is refused."""
    same, again = await world.ask(call(1), call(1))
    assert same == again
    assert world.pool.batches == [[name_of(1)]]
    first, second = await world.ask(call(2), replace(call(2), input=b"{}"))
    assert [first.failure is None, second.failure is None] == [True, False]
    assert second.failure is not None
    assert "two different calls at once" in second.failure.message


async def test_each_call_fails_alone(world: World) -> None:
    answers = await world.ask(
        call(1, "cryptlet-raised"),
        replace(call(2), input=b"no json"),
        replace(call(3), method="documents"),
        replace(call(4), idempotency_key=""),
        call(5),
    )
    assert [answer.failure and answer.failure.code for answer in answers] == [
        *("cryptlet-raised", "malformed", "not-found", "malformed"),
        None,
    ]
    assert [answer.retry for answer in answers] == ["never"] * 4 + [""]
    assert await stored(world, 1, 2, 3, 4, 5) == 2


async def test_a_failure_that_may_be_repeated_is_not_stored(world: World) -> None:
    lost, done = await world.ask(call(1, "container-lost"), call(2))
    assert lost.failure is not None
    assert (lost.failure.code, lost.retry) == ("container-lost", "safe")
    assert done.output is not None
    assert await stored(world, 1, 2) == 1
    await world.ask(call(1, "container-lost"))
    assert world.pool.batches[1:] == [[name_of(1)]]


async def test_a_failure_that_stands_is_stored(world: World) -> None:
    answers = await world.ask(call(1, "cryptlet-raised"))
    assert await world.ask(call(1, "cryptlet-raised")) == answers
    assert len(world.pool.batches) == 1
    assert await world.store.outbox.counts() == {}


async def test_what_the_enclave_refuses_for_good_is_never_repeated(world: World) -> None:
    [answer] = await world.ask(call(1, "unauthorized"))
    assert answer.retry == "never"


async def test_where_nothing_ran_every_call_may_be_repeated(world: World) -> None:
    world.pool.fails = NoCapacity("no enclave")
    answers = await world.ask(call(1), call(2))
    assert [(answer.invocation, answer.retry) for answer in answers] == [(name_of(1), "safe"), (name_of(2), "safe")]
    assert await stored(world, 1, 2) == 0
    world.pool.fails = None
    assert all(answer.output for answer in await world.ask(call(1), call(2)))


async def test_where_nothing_was_stored_nothing_is_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: Acceptance) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(world.store, "enqueue", fail)
    [answer] = await world.ask(call(1))
    assert answer.failure is not None
    assert (answer.failure.code, answer.output, answer.retry) == ("store", None, "safe")
    assert world.reached == [CrashPoint.AFTER_SIGN]


async def test_the_loser_of_a_race_gets_the_winners_result(world: World) -> None:
    """Between the look into the store and the enqueue somebody else ran one of the two."""

    async def win() -> None:
        await world.ask(call(1))

    world.pool.before = win
    world.clock.advance(5)
    answers = await world.ask(call(1), call(2))
    assert world.pool.batches == [[name_of(1), name_of(2)], [name_of(1)], [name_of(2)]]
    kept = await world.store.results([name_of(1), name_of(2)])  # type: ignore[list-item]
    assert [answer.output for answer in answers] == [kept[name].outcome.output for name in kept]
    assert (await world.store.outbox.counts())[NATIVE.id, WorkKind.CONSUME, WorkState.NEW] == 2


async def test_the_loser_of_a_race_for_another_call_is_refused(world: World) -> None:
    """It must not be given the result of a call that it did not make."""

    async def win() -> None:
        await world.ask(replace(call(1), input=b"{}"))

    world.pool.before = win
    [answer] = await world.ask(call(1))
    assert answer.failure is not None
    assert "used for another call" in answer.failure.message


async def test_a_batch_of_an_unknown_enclave_is_discarded(world: World) -> None:
    world.pool.signer = STRANGER
    [answer] = await world.ask(call(1))
    assert answer.failure is not None
    assert (answer.failure.code, answer.retry) == ("no-capacity", "safe")
    assert await stored(world, 1) == 0


async def test_requests_of_many_callers_become_one_batch(world: World) -> None:
    """Also where two of them hold the same call: an enclave refuses a batch with an invocation twice."""
    rules = binding()

    async def accept(_: object, batch: tuple[Keyed, ...]) -> object:
        return await world.acceptor.accept(rules, batch)

    batcher: Batcher[bytes, Keyed, object] = Batcher(accept, lambda _: 1, lambda: 1)  # type: ignore[arg-type]

    async def gather(_: Binding, items: object) -> object:
        return await batcher.submit(b"", items)  # type: ignore[arg-type]

    pipeline = Pipeline(world.pipeline._desk, world.pipeline._catalogue, gather, world.clock)  # type: ignore[arg-type]
    await world.pipeline._catalogue.fetch(rules.measurement)  # the first to ask would come later than the others
    requests = [InvokeRequest("x", (call(1), call(2))), InvokeRequest("x", (call(1),)), InvokeRequest("x", (call(3),))]
    replies: list[InvokeReply] = await asyncio.gather(*(pipeline.invoke(CALLER, rules, one) for one in requests))
    assert world.pool.batches == [[name_of(1), name_of(2), name_of(3)]]
    assert replies[0].answers[0] == replies[1].answers[0]
    await batcher.close()


async def test_who_the_binding_does_not_name_is_refused_whole(world: World) -> None:
    with pytest.raises(Unauthorized):
        await world.ask(call(1), caller="mallory")
    assert world.pool.batches == []


async def test_a_bundle_that_is_not_to_be_had_refuses_the_request(world: World) -> None:
    with pytest.raises(NotFound):
        await world.ask(call(1), rules=binding(measurement="00" * 32))


def event(number: int, text: str = "") -> Invocation:
    sample = call(number, text)
    return Invocation(name_of(number), RECIPIENT, binding().version, "document", sample.input, NOW - 30)  # type: ignore[arg-type]


async def test_events_are_run_and_stored(world: World) -> None:
    await submit_events(world.acceptor, binding(), [event(1), event(2)])
    found = await world.store.results([event(1).id, event(2).id])
    assert {one.idempotency_key for one in found.values()} == {None}
    assert {one.as_of for one in found.values()} == {NOW - 30}


async def test_events_that_were_answered_are_not_run_again(world: World) -> None:
    await submit_events(world.acceptor, binding(), [event(1)])
    await submit_events(world.acceptor, binding(), [event(1), event(2)])
    await submit_events(world.acceptor, binding(), [event(1), event(2)])
    assert world.pool.batches == [[name_of(1)], [name_of(2)]]


async def test_no_events_run_nothing(world: World) -> None:
    await submit_events(world.acceptor, binding(), [])
    assert world.pool.batches == []


async def test_events_that_could_not_run_are_told(world: World) -> None:
    with pytest.raises(NoCapacity, match="1 of 2 requests did not run"):
        await submit_events(world.acceptor, binding(), [event(1, "container-lost"), event(2)])
    assert await stored(world, 1, 2) == 1
    world.pool.fails = PlatformError("gone")
    with pytest.raises(PlatformError, match="gone"):
        await submit_events(world.acceptor, binding(), [event(3)])


def test_what_is_a_result() -> None:
    assert is_result(Outcome(name_of(1), b"{}"))  # type: ignore[arg-type]
    assert isinstance(Acceptor, type)
