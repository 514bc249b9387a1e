"""A ledger that hangs costs a bounded number of questions, and holds up no message of another."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from fabric.core.canonical import JsonObject
from fabric.core.clock import FrozenClock
from fabric.core.errors import LedgerSilent, LedgerUnavailable
from fabric.core.ids import MessageId
from fabric.core.model import Failure
from fabric.ledger.port import MailboxEvent
from fabric.relay import tellers, underway
from fabric.relay.lookout import Post
from fabric.relay.tellers import SILENCE_SECONDS, Tellers
from fabric.store.mail import MailEvent, MailKind
from fabric.trust.message import Message
from tests.support.batches import NOW
from tests.support.relays import BODY, SOURCE, World
from tests.support.waiting import until
from tests.unit.relay.test_core import channel_of, message_of


@dataclass
class Teller:
    """A mailbox that answers as ``does`` says, and counts of how many events it was asked."""

    does: Callable[[Sequence[int]], Awaitable[None]]
    asked: list[int] = field(default_factory=list)

    async def event_material(self, events: Sequence[MailboxEvent]) -> Sequence[JsonObject]:
        self.asked.append(len(events))
        await self.does([event.index for event in events])
        return [{"index": event.index} for event in events]


async def answers(_: Sequence[int]) -> None:
    """Shows everything."""


async def is_silent(_: Sequence[int]) -> None:
    raise LedgerSilent("no answer from the node")


async def hangs(_: Sequence[int]) -> None:
    await asyncio.Event().wait()


async def refuses_7(indices: Sequence[int]) -> None:
    if 7 in indices:
        raise LedgerUnavailable("block 7 is pruned")


async def falls_silent_at_7(indices: Sequence[int]) -> None:
    if 7 in indices:
        raise LedgerSilent("no answer from the node")


def events(count: int) -> list[MailEvent]:
    whole = message_of(channel_of())
    messages = [replace(whole, sequence=number) for number in range(count)]
    return [MailEvent(SOURCE.id, at, MailKind.SENT, one, BODY, NOW, at, "") for at, one in enumerate(messages)]


@dataclass
class Asking:
    teller: Teller
    clock: FrozenClock = field(default_factory=FrozenClock)

    def __post_init__(self) -> None:
        self.tellers = Tellers({SOURCE.id: Post(SOURCE, self.teller)}, self.clock)  # type: ignore[arg-type]

    async def ask(self, count: int) -> list[int]:
        """Asks for so many events; returns the indices of those that are not shown."""
        told = events(count)
        found = await self.tellers.materials(SOURCE.id, told)
        assert set(found) == {MessageId(event.subject.id) for event in told}
        return [event.position for event in told if isinstance(found[MessageId(event.subject.id)], Failure)]


async def test_one_that_answers_is_asked_once() -> None:
    asking = Asking(Teller(answers))
    assert await asking.ask(100) == []
    assert asking.teller.asked == [100]


async def test_one_that_refuses_is_asked_by_halves() -> None:
    asking = Asking(Teller(refuses_7))
    assert await asking.ask(64) == [7]
    assert len(asking.teller.asked) == 1 + 2 * 6


@pytest.mark.parametrize("does", [is_silent, hangs], ids=["no answer", "hangs"])
async def test_one_that_does_not_answer_is_asked_once_and_then_left_alone(
    does: Callable[[Sequence[int]], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if does is hangs:
        monkeypatch.setattr(tellers, "TELL_SECONDS", 0.0)
    asking = Asking(Teller(does))
    for _ in range(3):
        assert len(await asking.ask(256)) == 256
    assert asking.teller.asked == [256]
    asking.clock.advance(int(SILENCE_SECONDS))
    assert len(await asking.ask(256)) == 256
    assert asking.teller.asked == [256, 1]


async def test_one_that_answers_again_is_asked_for_more_and_more() -> None:
    asking = Asking(Teller(is_silent))
    await asking.ask(64)
    asking.teller.does = answers
    asking.tellers.there_again()
    assert await asking.ask(64) == []
    assert await asking.ask(64) == []
    assert asking.teller.asked == [64, *(1, 2, 4, 8, 16, 32, 1), 64]


async def test_what_was_shown_before_it_fell_silent_counts() -> None:
    asking = Asking(Teller(is_silent))
    await asking.ask(10)
    asking.teller.does = falls_silent_at_7
    asking.tellers.there_again()
    assert await asking.ask(10) == [7, 8, 9]
    assert asking.teller.asked == [10, 1, 2, 4, 3]


async def turn_until(world: World, condition: Callable[[], Awaitable[bool]]) -> None:
    async def turned() -> bool:
        await world.turn()
        return await condition()

    await until(turned)


async def has_state(world: World, message: Message, *states: str) -> bool:
    return (await world.state(message))[0] in states


async def test_attempts_that_take_longer_than_a_turn_are_made_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(underway, "PATIENCE_SECONDS", 0.0)
    message = world.send()
    await turn_until(world, partial(has_state, world, message, "acknowledged"))
    assert [method for method, _ in world.enclave.ran] == ["deliver", "acknowledge"]
    assert {step.attempt for step in await world.steps(message)} == {0, 1}


async def test_a_ledger_that_hangs_holds_up_nobody_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The destination shows no ending; deliveries, which rest on the source's word, go on meanwhile."""
    monkeypatch.setattr(underway, "PATIENCE_SECONDS", 0.0)
    released, asked, real = asyncio.Event(), list[int](), world.destination.event_material

    async def hang(told: Sequence[MailboxEvent]) -> Sequence[JsonObject]:
        asked.append(len(told))
        await released.wait()
        return await real(told)

    monkeypatch.setattr(world.destination, "event_material", hang)
    messages = []
    for number in range(5):
        messages.append(world.send(body=str(number).encode(), life=10_000))
        await turn_until(world, partial(has_state, world, messages[-1], "acknowledging"))
        world.clock.advance(61)  # each one that waits is looked at again
    await world.turn(3)
    assert asked == [1] * tellers.AT_ONCE
    released.set()
    for message in messages:
        await turn_until(world, partial(has_state, world, message, "acknowledged"))
    ran = [method for method, _ in world.enclave.ran]
    assert (ran.count("deliver"), ran.count("acknowledge")) == (5, 5)


async def test_an_attempt_that_fails_late_is_put_off_like_any_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(underway, "PATIENCE_SECONDS", 0.0)
    real = world.source.event_material

    async def silent(_: Sequence[MailboxEvent]) -> Sequence[JsonObject]:
        raise LedgerSilent("no answer from the node")

    monkeypatch.setattr(world.source, "event_material", silent)
    message = world.send(life=10_000)

    async def is_put_off() -> bool:
        return await world.state(message) == ("delivering", "no-proof")

    await turn_until(world, is_put_off)
    passage = (await world.row(message)).passage
    assert (passage.attempt, passage.tries) == (1, 1)
    assert passage.not_before > world.clock.unix_seconds()
    monkeypatch.setattr(world.source, "event_material", real)
    world.relay.there_again(frozenset({passage.reason}))
    await turn_until(world, partial(has_state, world, message, "acknowledged"))
    assert [method for method, _ in world.enclave.ran] == ["deliver", "acknowledge"]


async def test_what_is_under_way_ends_with_the_relay(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(underway, "PATIENCE_SECONDS", 0.0)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hang(_: Sequence[MailboxEvent]) -> Sequence[JsonObject]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return []

    monkeypatch.setattr(world.source, "event_material", hang)
    world.send()
    await world.watch()
    task = asyncio.create_task(world.relay.run())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
