"""What the port promises of a mailbox, as tests."""
# ruff: noqa: S101 - tests: they assert, count, and are named by what they show

from fabric.core.ids import sha256
from fabric.ledger.conformance.harness import Harness
from fabric.ledger.conformance.performing import observe, perform, receipt_of
from fabric.ledger.port import EventKind, Expire, MailboxEvent, Phase
from fabric.trust.kind import Told
from fabric.trust.letter import Acknowledgement, Delivery
from fabric.trust.message import Channel, Ending, Message, Shown

LIFE = 60
"""Seconds for which a message of the suite may be delivered, where the suite does not wait for its end."""
SHORT = 2


async def opened(harness: Harness) -> Channel:
    """Registers the enclave and opens a channel of the harness' account."""
    await perform(harness, harness.registration())
    await harness.open(harness.channel)
    return harness.channel


async def events_of(harness: Harness) -> list[MailboxEvent]:
    """Returns all final events."""
    await harness.settle_down()
    return list((await harness.mailbox.mailbox_events(b"", 100)).events)


async def incoming(harness: Harness, label: str, seconds: int = LIFE) -> Message:
    """Returns a message to the harness' account that the other ledger is said to have sent."""
    channel, here = harness.channel, harness.ledger.destination.id
    own, other = channel.end_at(here), channel.end_beyond(here)
    assert own is not None
    assert other is not None
    return Message(
        channel=channel.id,
        source=other.destination,
        destination=here,
        sender=other.account,
        recipient=own.account,
        sequence=int.from_bytes(sha256(label.encode())[:4], "big"),
        expiry=await harness.mailbox.ledger_time() + seconds,
        body=sha256(label.encode()),
    )


class MailboxSuite:
    """Messages leave in the order of their counter, arrive once, and end once."""

    async def test_events_come_in_the_order_of_their_index(self, harness: Harness) -> None:
        """Channels and messages come as they were made, and pages follow one another without gap or repetition."""
        channel = await opened(harness)
        sent = [await harness.send(f"body {number}".encode(), LIFE) for number in range(3)]
        events = await events_of(harness)
        assert [event.index for event in events] == [0, 1, 2, 3]
        assert [event.kind for event in events] == [EventKind.OPENED, *[EventKind.SENT] * 3]
        assert [event.subject for event in events] == [channel, *sent]
        assert [event.data for event in events[1:]] == [b"body 0", b"body 1", b"body 2"]
        assert [message.sequence for message in sent] == [0, 1, 2]
        first = await harness.mailbox.mailbox_events(b"", 2)
        second = await harness.mailbox.mailbox_events(first.cursor, 2)
        assert [*first.events, *second.events] == events
        assert (await harness.mailbox.mailbox_events(second.cursor, 2)).events == ()

    async def test_an_empty_page_and_a_restart_miss_nothing(self, harness: Harness) -> None:
        """A cursor is all that a restarted process needs, also that of an empty page."""
        empty = await harness.mailbox.mailbox_events(b"", 10)
        assert empty.events == ()
        await opened(harness)
        await harness.settle_down()
        await harness.reopen()
        page = await harness.mailbox.mailbox_events(empty.cursor, 10)
        assert [event.index for event in page.events] == [0]

    async def test_an_event_can_be_shown_offline(self, harness: Harness) -> None:
        """Its material is what the ledger kind's pure part takes, where the ledger can prove anything."""
        await opened(harness)
        message = await harness.send(b"body", LIFE)
        *_, event = await events_of(harness)
        (material,) = await harness.mailbox.event_material([event])
        if harness.kind is None:
            return
        shown = harness.kind.check_event(harness.ledger.destination, material, {})
        assert (shown.told, shown.message, shown.data) == (Told.SENT, message, b"body")
        assert (shown.anchorage.time, shown.anchorage.position) == (event.time, event.position)

    async def test_a_message_is_delivered_once_whichever_record_brings_it(self, harness: Harness) -> None:
        """A second record of the same message is done work."""
        await opened(harness)
        message = await incoming(harness, "once")
        letters = [Delivery(Shown.PROVEN, message, b"once"), Delivery(Shown.PROVEN, message, b"once")]
        batch = harness.letters(letters)
        await perform(harness, batch.settle)
        submissions = await perform(harness, *batch.consumes)
        asked = list(zip(batch.consumes, submissions, strict=True))
        answers = [receipt_of(answer) for answer in await harness.ledger.observe(asked)]
        assert len({answer.position for answer in answers}) == 1
        delivered = [event for event in await events_of(harness) if event.kind is EventKind.DELIVERED]
        assert [event.subject for event in delivered] == [message]

    async def test_what_was_delivered_cannot_expire(self, harness: Harness) -> None:
        """A tombstone after a delivery is refused by rule."""
        await opened(harness)
        message = await incoming(harness, "delivered", SHORT)
        batch = harness.letters([Delivery(Shown.PROVEN, message, b"delivered")])
        await perform(harness, batch.settle, *batch.consumes)
        await harness.wait_until(message.expiry + 1)
        (submission,) = await perform(harness, Expire(message))
        answer = await observe(harness, Expire(message), submission)
        assert answer.phase is Phase.REFUSED
        assert answer.reason.startswith("MessageDelivered"), answer.reason

    async def test_what_expired_is_never_delivered(self, harness: Harness) -> None:
        """The tombstone stands once, whoever writes it, and refuses a delivery that comes late."""
        await opened(harness)
        message = await incoming(harness, "expired", SHORT)
        await harness.wait_until(message.expiry + 1)
        (first,) = await perform(harness, Expire(message))
        (again,) = await perform(harness, Expire(message))
        answers = [receipt_of(await observe(harness, Expire(message), one)) for one in (first, again, None)]
        assert len({answer.position for answer in answers}) == 1
        batch = harness.letters([Delivery(Shown.PROVEN, message, b"expired")])
        _, late = await perform(harness, batch.settle, *batch.consumes)
        answer = await observe(harness, batch.consumes[0], late)
        assert answer.phase is Phase.REFUSED
        assert answer.reason.startswith("MessageExpired"), answer.reason

    async def test_a_tombstone_needs_no_channel_and_does_not_come_early(self, harness: Harness) -> None:
        """A message to somebody who never opened the channel ends too, but not before its time."""
        message = await incoming(harness, "nobody", SHORT)
        (early,) = await perform(harness, Expire(message))
        answer = await observe(harness, Expire(message), early)
        assert answer.phase is Phase.REFUSED
        assert answer.reason.startswith("NotYetExpired"), answer.reason
        await harness.wait_until(message.expiry + 1)
        (due,) = await perform(harness, Expire(message))
        receipt_of(await observe(harness, Expire(message), due))

    async def test_a_sender_is_told_once(self, harness: Harness) -> None:
        """An acknowledgement closes a message, and a second one is done work."""
        await opened(harness)
        message = await harness.send(b"question", LIFE)
        await harness.settle_down()
        time = await harness.mailbox.ledger_time()
        letter = Acknowledgement(Shown.PROVEN, Ending.DELIVERED, time, message, b"answer")
        batch = harness.letters([letter, letter])
        await perform(harness, batch.settle)
        submissions = await perform(harness, *batch.consumes)
        asked = list(zip(batch.consumes, submissions, strict=True))
        assert len({receipt_of(answer).position for answer in await harness.ledger.observe(asked)}) == 1
