"""A message is carried, delivered or expired, and its sender told; whoever else lends a hand, and whatever fails."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
import structlog
from typing_extensions import override

from fabric.core.canonical import JsonObject
from fabric.core.errors import LedgerError, LedgerUnavailable, NoCapacity, Reorged, StoreError
from fabric.core.ids import MessageId
from fabric.core.model import Failure
from fabric.ledger.fakes.chain import Executed, Transaction
from fabric.ledger.port import MailboxEvent
from fabric.ledger.rules import engine, operations
from fabric.ledger.rules.events import Delivered
from fabric.ledger.rules.mailbox_entries import MessageState as Closed
from fabric.ledger.rules.violations import Code, RuleViolation
from fabric.relay import carrying
from fabric.relay import relay as relay_module
from fabric.relay.mailroom import stored_event
from fabric.relay.model import Trouble
from fabric.store.mail import NEVER, MailPage, MessageChange, Reason
from fabric.store.values import CursorMove
from fabric.trust.message import Message
from fabric.wire.service import Answer, Call
from tests.support.relays import DESTINATION, SOURCE, World, relay_binding
from tests.support.waiting import stop, until


class Reverted(RuleViolation):
    """A contract's own error, which is none of the rules."""

    def __init__(self) -> None:
        super().__init__(Code.BAD_COUNT, "")

    @override
    def __str__(self) -> str:
        return "Refused: not today"


def refuse(monkeypatch: pytest.MonkeyPatch, kind: type, times: int, error: RuleViolation) -> list[int]:
    """Has every ledger refuse the first operations of a kind; returns how often it is still to do so."""
    left, real = [times], engine.apply

    def apply(*arguments: object) -> object:
        if left[0] and isinstance(arguments[3], kind):
            left[0] -= 1
            raise error
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("fabric.ledger.fakes.chain.apply", apply)
    return left


async def test_a_message_is_delivered_and_acknowledged(world: World) -> None:
    message = world.send()
    await world.turn(3)
    assert await world.story(message) == [
        ("sent", ""),
        ("delivering", "running"),
        ("delivering", "on-its-way"),
        ("delivered", ""),
        ("acknowledging", "running"),
        ("acknowledging", "on-its-way"),
        ("acknowledged", ""),
    ]
    assert (world.told(message), world.closed(message)) == ("delivered", Closed.ACKNOWLEDGED)
    assert world.enclave.ran == [("deliver", message.id), ("acknowledge", message.id)]
    steps = await world.steps(message)
    assert [step.ledger for step in steps] == [SOURCE.id, *[DESTINATION.id] * 3, *[SOURCE.id] * 3]
    assert [step.locator for step in steps] == ["block 2", "", "", "block 3", "", "", "block 5"]
    assert [step.invocation is not None for step in steps] == [False, True, True, False, True, True, False]
    assert await world.store.messages.soonest() is None


async def test_one_to_nobody_expires_and_is_refunded(world: World) -> None:
    world.channel = replace(world.channel, salt=bytes([1]) * 32)
    world.open_source()
    message = world.send(life=30)
    await world.turn(2)
    assert await world.state(message) == ("sent", "channel-not-open")
    world.clock.advance(30)
    await world.turn(2)
    assert await world.state(message) == ("sent", "channel-not-open")  # the last second in which it may be delivered
    world.clock.advance(1)
    await world.turn(3)
    assert await world.state(message) == ("refunded", "")
    assert (world.told(message), world.closed(message)) == ("expired", Closed.REFUNDED)
    assert world.enclave.ran == [("acknowledge", message.id)]


async def test_an_end_that_opens_later_gets_its_messages(world: World) -> None:
    world.channel = replace(world.channel, salt=bytes([2]) * 32)
    world.open_source()
    message = world.send()
    await world.turn()
    assert await world.state(message) == ("sent", "channel-not-open")
    world.open_destination()
    await world.turn(3)
    assert await world.state(message) == ("acknowledged", "")


async def test_a_binding_that_comes_later_lets_messages_go_on(world: World) -> None:
    forth = relay_binding(DESTINATION, SOURCE, name="later")
    world.channel = world.channel_of(forth=forth)
    world.open_source()
    world.open_destination()
    message = world.send()
    await world.turn()
    assert await world.state(message) == ("sent", "no-binding")
    await world.bind(forth)
    await world.relay.hasten({Reason.NO_BINDING})
    await world.turn(3)
    assert await world.state(message) == ("acknowledged", "")


async def test_a_recipient_that_refuses_is_asked_again_and_others_are_not_held_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, operations.Deliver, 1, Reverted())
    first = world.send(body=b"first")
    await world.turn(2)
    assert await world.state(first) == ("sent", "recipient-reverted")
    monkeypatch.undo()
    second = world.send(body=b"second")
    await world.turn(3)
    assert await world.state(first) == ("sent", "recipient-reverted")  # not before its time
    assert await world.state(second) == ("acknowledged", "")
    world.clock.advance(10)
    await world.turn(3)
    assert await world.state(first) == ("acknowledged", "")
    attempts = {step.attempt for step in await world.steps(first) if step.state == "delivering"}
    assert attempts == {1, 2}


async def test_a_recipient_that_always_refuses_is_asked_ever_more_rarely_until_it_expires(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = refuse(monkeypatch, operations.Deliver, 1_000, Reverted())
    message = world.send(life=300)
    for _ in range(320):
        await world.turn()
        world.clock.advance(1)
    await world.turn(3)
    assert await world.state(message) == ("refunded", "")
    assert 5 <= 1_000 - left[0] <= 12


async def test_a_sender_that_refuses_is_told_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, operations.Acknowledge, 1, Reverted())
    message = world.send()
    await world.turn(3)
    assert await world.state(message) == ("delivered", "sender-reverted")
    world.clock.advance(5)
    await world.turn(3)
    assert await world.state(message) == ("acknowledged", "")


async def test_what_the_rules_refuse_for_good_waits_for_a_person(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    left = refuse(monkeypatch, operations.Deliver, 1, RuleViolation(Code.WRONG_PAYLOAD, "no"))
    message = world.send(life=10_000)
    await world.turn(2)
    assert await world.state(message) == ("sent", "refused-by-rules")
    assert (await world.row(message)).passage.not_before == NEVER
    for _ in range(5):
        world.clock.advance(700)
        await world.turn()
    assert left == [0]
    assert await world.state(message) == ("sent", "refused-by-rules")
    await world.relay.retry(message.id, "the contract was put right")
    await world.turn(3)
    assert await world.state(message) == ("acknowledged", "")
    details = [step.detail for step in await world.steps(message)]
    assert details.count("asked for again: the contract was put right") == 1


async def test_a_record_that_was_not_used_in_time_is_made_anew(world: World) -> None:
    forth = relay_binding(DESTINATION, SOURCE, name="short", valid_seconds=5)
    await world.bind(forth)
    world.channel = world.channel_of(forth=forth)
    world.open_source()
    world.open_destination()
    message = world.send()
    await world.watch()
    await world.carry()
    world.clock.advance(6)
    await world.turn(2)
    assert await world.state(message) == ("sent", "record-expired")
    world.clock.advance(2)
    await world.turn(3)
    assert await world.state(message) == ("acknowledged", "")
    assert [method for method, _ in world.enclave.ran] == ["deliver", "deliver", "acknowledge"]


async def test_want_of_an_enclave_costs_no_attempt(world: World) -> None:
    world.enclave.fails = NoCapacity("every enclave is busy")
    message = world.send()
    await world.turn(2)
    assert await world.state(message) == ("delivering", "no-capacity")
    world.enclave.fails = None
    world.clock.advance(3)
    await world.turn(3)
    assert await world.state(message) == ("acknowledged", "")
    assert {step.attempt for step in await world.steps(message) if step.state == "delivering"} == {1}


async def test_a_proof_that_the_enclave_refuses_is_made_anew_later(world: World) -> None:
    world.enclave.failure = Failure("source-refused", "event 0: the ledger's word is only asserted")
    message = world.send()
    await world.turn(2)
    assert await world.state(message) == ("sent", "source-refused")
    world.enclave.failure = None
    world.clock.advance(3)
    await world.turn(3)
    assert await world.state(message) == ("acknowledged", "")
    assert {step.attempt for step in await world.steps(message) if step.state == "delivering"} == {1, 2}


async def test_a_proof_that_cannot_be_had_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = world.send(body=b"bad"), world.send(body=b"good")
    real, asked = world.source.event_material, []

    async def material(events: Sequence[MailboxEvent]) -> Sequence[JsonObject]:
        asked.append(len(events))
        if any(event.subject == bad for event in events):
            raise LedgerUnavailable("pruned")
        return await real(events)

    monkeypatch.setattr(world.source, "event_material", material)
    await world.turn(3)
    assert await world.state(bad) == ("delivering", "no-proof")
    assert await world.state(good) == ("acknowledged", "")
    assert asked[:3] == [2, 1, 1]
    monkeypatch.undo()
    world.clock.advance(40)
    await world.turn(3)
    assert await world.state(bad) == ("acknowledged", "")


async def test_messages_travel_in_batches(world: World) -> None:
    messages = [world.send(body=str(number).encode()) for number in range(100)]
    calls: list[int] = []
    inner = world.relay._carrier._run

    async def run(binding: object, given: Sequence[Call]) -> Sequence[Answer]:
        calls.append(len(given))
        return await inner(binding, given)  # type: ignore[arg-type]

    world.relay._carrier._run = run
    await world.turn(3)
    assert {await world.state(message) for message in messages} == {("acknowledged", "")}
    assert calls == [64, 36, 64, 36]
    # Registration, one settlement and one delivery for each batch.
    assert world.destination.chain.height < 10


def test_a_call_of_the_pipeline_is_bounded_in_number_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "MAX_CALLS", 3)
    monkeypatch.setattr(carrying, "MAX_BYTES", 10)
    sizes = (1, 1, 1, 1, 9, 2, 99, 1)
    calls = [(MessageId(bytes([size])), Call("deliver", bytes(size), "key")) for size in sizes]
    parts = [[len(call.input) for _, call in part] for part in carrying._parts(calls)]
    assert parts == [[1, 1, 1], [1, 9], [2], [99], [1]]
    assert list(carrying._parts([])) == []


async def test_more_messages_than_one_look_takes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "LIMIT", 3)
    messages = [world.send(body=str(number).encode()) for number in range(10)]
    await world.turn(4)
    assert {await world.state(message) for message in messages} == {("acknowledged", "")}


async def test_another_may_deliver(world: World) -> None:
    world.enclave.fails = NoCapacity("every enclave is busy")
    message = world.send()
    await world.turn()
    world.enclave.fails = None
    await by_another(world, message)
    await world.turn(3)
    assert await world.state(message) == ("acknowledged", "")
    assert [method for method, _ in world.enclave.ran] == ["acknowledge"]


async def by_another(world: World, message: Message) -> None:
    """Has the event told that another fabric delivered; its records are none of ours."""
    other = Delivered(1, message, b"")
    block = world.destination.chain.mine(world.clock.unix_seconds())
    block.executed.append(Executed(Transaction(None), (other,)))


async def test_another_may_expire(world: World) -> None:
    world.enclave.fails = NoCapacity("every enclave is busy")
    message = world.send(life=5)
    await world.turn()
    world.clock.advance(6)
    world.destination.chain.mine(world.clock.unix_seconds(), [Transaction(operations.Expire(message))])
    world.enclave.fails = None
    await world.turn(3)
    assert await world.state(message) == ("refunded", "")
    assert world.destination.chain.height < 6


async def test_a_delivery_that_was_on_its_way_when_the_time_was_over_counts(world: World) -> None:
    message = world.send(life=5)
    await world.watch()
    await world.carry()
    for _ in range(3):
        await world.dispatch()  # settled and delivered, and its event not read yet
    world.clock.advance(20)
    await world.carry()
    assert (await world.state(message))[0] == "expiring"
    await world.dispatch()
    await world.carry()
    assert await world.state(message) == ("expiring", "waiting-for-finality")
    await world.turn(3)
    assert await world.state(message) == ("acknowledged", "")
    assert world.told(message) == "delivered"


async def test_a_ledger_that_is_not_here_is_said_so(world: World) -> None:
    world.restart(without=frozenset({DESTINATION.id}))
    message = world.send(life=5)
    await world.turn()
    assert await world.state(message) == ("sent", "not-relayed-here")
    world.clock.advance(100)
    world.restart()
    await world.turn(4)
    assert await world.state(message) == ("refunded", "")


@pytest.mark.parametrize("place", [SOURCE.id, DESTINATION.id], ids=["source", "destination"])
async def test_a_halted_ledger_stops_its_routes(world: World, place: bytes) -> None:
    message = world.send()
    await world.watch()
    await world.store.halts.put(place, "a reorg of 9 blocks", 0)  # type: ignore[arg-type]
    await world.turn(3)
    assert await world.state(message) == ("sent", "ledger-halted")
    assert "a reorg of 9 blocks" in (await world.row(message)).passage.detail
    assert world.enclave.ran == []


async def test_fees_above_the_cap_are_named(world: World) -> None:
    message = world.send()
    name = DESTINATION.id
    world.posts[name] = replace(world.posts[name], trouble=lambda: Trouble("fees-above-cap", "fee of 9, the cap is 5"))
    await world.watch()
    await world.carry()
    assert await world.state(message) == ("delivering", "fees-above-cap")
    del world.posts[name]
    world.restart()
    await world.turn(3)
    assert await world.state(message) == ("acknowledged", "")


async def test_an_event_that_is_not_the_ledgers_to_tell_is_not_stored(world: World) -> None:
    message = world.send()
    await world.source.mailbox_events(b"", 10)
    (_, event) = (await world.source.mailbox_events(b"", 10)).events
    with pytest.raises(LedgerError, match="of another ledger"):
        stored_event(DESTINATION.id, event)
    assert stored_event(SOURCE.id, event).subject == message


async def test_a_page_that_is_read_again_changes_nothing(world: World) -> None:
    message = world.send()
    await world.turn(3)
    before = await world.row(message)
    page = await world.source.mailbox_events(b"", 10)
    events = [stored_event(SOURCE.id, event) for event in page.events]
    await world.store.mailboxes.store(MailPage(events, CursorMove("mailbox/x", b"9")), 1)
    assert await world.row(message) == before
    assert await world.store.cursors.get("mailbox/x") == b"9"
    other = replace(events[1], subject=replace(message, sequence=7))
    with pytest.raises(Reorged, match="event 1 of the mailbox"):
        await world.store.mailboxes.store(MailPage([other], CursorMove("mailbox/x", b"8")), 1)
    assert await world.store.cursors.get("mailbox/x") == b"9"


async def test_the_loop_sleeps_until_something_happens_and_takes_it_up_at_once(world: World) -> None:
    rests: list[float | None] = []
    real = world.relay._alarm.rest

    async def rest(seconds: float | None) -> None:
        rests.append(seconds)
        await real(seconds)

    world.relay._alarm.rest = rest  # type: ignore[method-assign]
    task = asyncio.create_task(world.relay.run())
    await until(partial(_has, rests))
    assert rests == [None]  # nothing is on its way
    message = world.send()
    await world.watch()  # its mailroom wakes the relay

    async def is_run() -> bool:
        return await world.state(message) == ("delivering", "on-its-way")

    await until(is_run)
    await stop(task)


async def _has(items: Sequence[object]) -> bool:
    return bool(items)


async def test_the_loop_goes_on_after_an_error_of_the_store(world: World) -> None:
    message = world.send()
    await world.watch()
    real, broken = world.store.carry, [2]

    async def carry(changes: Sequence[MessageChange]) -> set[MessageId]:
        if broken[0]:
            broken[0] -= 1
            raise StoreError("on purpose")
        return await real(changes)

    world.store.carry = carry  # type: ignore[method-assign]
    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(world.relay.run())

        async def is_run() -> bool:
            return (await world.state(message))[0] == "delivering"

        await until(is_run)
        await stop(task)
    assert [entry["failures"] for entry in logs] == [1, 2]
