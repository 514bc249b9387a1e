"""What callers learn of messages, and that only the operator moves them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from fabric.core.errors import LedgerError, Malformed, NotFound, Refused, Unauthorized
from fabric.core.ids import ChannelId, sha256
from fabric.gateway.backend import OpenedLedger
from fabric.gateway.endpoint import LOCAL_CALLER
from fabric.gateway.messages import MessageDesk
from fabric.ledger.port import Receipt
from fabric.store.mail import NEVER, MessageChange, Reason
from fabric.trust.kind import Status
from fabric.wire.messages import ListChannels, ListMessages, RetryMessage, SubmitCall
from tests.support.relays import DESTINATION, SOURCE, World, open_world


class Taker:
    """A ledger that takes calls; one that it does not like it refuses."""

    async def take_call(self, data: bytes) -> Receipt:
        if data == b"bad":
            raise LedgerError("no")
        return Receipt(SOURCE.id, "entry 4", 4, 7, {})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    opened = await open_world(tmp_path)
    await opened.register()
    yield opened
    await opened.store.aclose()


@pytest.fixture
def looked() -> list[str]:
    return []


@pytest.fixture
def desk(world: World, looked: list[str]) -> MessageDesk:
    ledgers = {
        place.id: OpenedLedger(name, place, Status.FINAL) for name, place in (("here", SOURCE), ("there", DESTINATION))
    }
    return MessageDesk(world.store, world.relay, ledgers, {"here": Taker()}, looked.append)


async def test_messages_are_listed_newest_first_page_by_page_with_counts(world: World, desk: MessageDesk) -> None:
    sent = [world.send(body=str(number).encode()) for number in range(5)]
    await world.turn(3)
    late = world.send()
    await world.watch()
    first = await desk.messages(ListMessages(limit=4))
    assert [one.message for one in first.messages] == [late, *reversed(sent[2:])]
    rest = await desk.messages(ListMessages(limit=4, page=first.next_page))
    assert [one.message for one in rest.messages] == [sent[1], sent[0]]
    assert rest.next_page == 0
    assert [(one.source, one.destination, one.state, one.count) for one in first.counts] == [
        ("here", "there", "acknowledged", 5),
        ("here", "there", "sent", 1),
    ]
    only = await desk.messages(ListMessages(states=("sent",), channel=world.channel.id))
    assert [one.message for one in only.messages] == [late]
    assert (await desk.messages(ListMessages(channel=ChannelId(sha256(b"other"))))).messages == ()
    with pytest.raises(Malformed, match="no state 'snt' - did you mean 'sent'"):
        await desk.messages(ListMessages(states=("snt",)))


async def test_a_message_is_named_by_some_digits_of_its_id(world: World, desk: MessageDesk) -> None:
    message = world.send()
    await world.turn(3)
    trace = await desk.trace(message.id.hex()[:9])
    assert (trace.message.message, trace.message.state, trace.message.advice) == (message, "acknowledged", "")
    assert [step.ledger for step in trace.steps if step.state == "delivered"] == ["there"]
    for name, kind in (
        (message.id.hex()[:7], Refused),
        ("", Refused),
        ("xyzxyzxyz", Refused),
        (message.id.hex() + "0", Refused),
        ("00000000", NotFound),
    ):
        with pytest.raises(kind):
            await desk.trace(name)


async def test_what_was_refused_too_often_says_who_must_ask_for_more(world: World, desk: MessageDesk) -> None:
    message = world.send()
    await world.watch()
    row = await world.row(message)
    refused = replace(row.passage, reason=Reason.RECIPIENT_REVERTED, detail="Paused", reverts=8)
    await world.store.carry([MessageChange(row, refused)])
    assert "put the recipient right" in (await desk.trace(message.id.hex())).message.advice
    row = await world.row(message)
    await world.store.carry([MessageChange(row, replace(refused, not_before=NEVER))])
    told = (await desk.trace(message.id.hex())).message
    assert (told.party, told.detail, told.next_attempt) == ("recipient", "Paused", 0)
    assert told.advice == (
        "it was refused 8 times and is not tried again by itself; put it right, then: cryptlet relay retry "
        f"{message.id.hex()[:16]} --reason TEXT; it expires in its time all the same"
    )


async def test_only_the_operator_has_one_tried_again(world: World, desk: MessageDesk) -> None:
    world.restart(without=frozenset({DESTINATION.id}))
    message = world.send()
    await world.turn()
    request = RetryMessage(message.id.hex()[:8], "because")
    with pytest.raises(Unauthorized, match="no operator"):
        await desk.retry("acme", request)
    info = await desk.retry(LOCAL_CALLER, request)
    assert (info.state, info.reason, info.party) == ("sent", "not-relayed-here", "operator")
    assert (await desk.trace(message.id.hex())).steps[-1].detail == "asked for again: because"
    with pytest.raises(NotFound):
        await desk.retry(LOCAL_CALLER, RetryMessage("00000000", "because"))


async def test_channels_say_which_ends_are_open(world: World, desk: MessageDesk) -> None:
    world.send()
    await world.watch()
    (one,) = (await desk.channels(ListChannels())).channels
    assert one.channel == world.channel
    assert {end.ledger: (end.is_open, end.next_sequence) for end in one.ends} == {"here": (True, 1), "there": (True, 0)}
    assert (await desk.channels(ListChannels(world.channel.id))).channels == (one,)
    with pytest.raises(NotFound, match="no end of channel"):
        await desk.channels(ListChannels(ChannelId(sha256(b"other"))))


async def test_a_signed_call_goes_to_a_ledger_that_takes_such(desk: MessageDesk, looked: list[str]) -> None:
    taken = await desk.submit_call(SubmitCall("here", b"call"))
    assert (taken.locator, taken.position, taken.time) == ("entry 4", 4, 7)
    assert looked == ["here"]
    with pytest.raises(LedgerError, match="no"):
        await desk.submit_call(SubmitCall("here", b"bad"))
    with pytest.raises(Refused, match="takes no signed calls"):
        await desk.submit_call(SubmitCall("there", b"call"))
    with pytest.raises(NotFound, match="did you mean 'there'"):
        await desk.submit_call(SubmitCall("ther", b"call"))
