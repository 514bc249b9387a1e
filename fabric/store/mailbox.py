"""Mailboxes' events: stored once each in the transaction that moves the watcher's cursor, with what they begin or end.

An event makes a message's row, or makes the rows due that wait for it. So no event is seen whose message is forgotten.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection, RowMapping, Select, func, insert, select, text, update

from fabric.core.errors import LedgerUnavailable, Reorged, StoreError
from fabric.core.ids import ChannelId, DestinationId, MessageId
from fabric.store.bulk import chunks, insert_row, insert_rows
from fabric.store.cursors import move_cursor
from fabric.store.database import Database
from fabric.store.mail import MailEvent, MailKind, MailPage, MessageState, OpenChannel, Passage, Reason, Step
from fabric.store.messages import insert_steps
from fabric.store.schema import ON_THE_WAY, channels, mail, messages
from fabric.trust.message import Channel, Message

_EVENT: Final = ("destination", "position", "kind", "subject", "words", "data", "time", "place", "locator")
_ENDINGS: Final = (MailKind.DELIVERED, MailKind.EXPIRED)
_LIMIT: Final = 1_000
"""Channels of one list."""


class Mailboxes:
    """Stores events and says what they tell."""

    def __init__(self, database: Database) -> None:
        """Works on ``database``."""
        self._database = database

    async def store(self, page: MailPage, now: int) -> None:
        """Stores a page's events with what comes of them, and moves the cursor behind them; a repeat stores nothing.

        Raises:
            Reorged: a ledger gave another event the place of one that was final.
            LedgerUnavailable: a message on a channel that its ledger has not told of.
            StoreError: it did not commit.
        """
        await self._database.write(partial(_store, page=page, now=now))

    async def endings(self, ids: Sequence[MessageId]) -> dict[MessageId, MailEvent]:
        """Returns the events by which messages ended on their destinations, of those that did."""
        return await self._database.read(partial(_by_message, ids=ids, kinds=_ENDINGS))

    async def sendings(self, ids: Sequence[MessageId]) -> dict[MessageId, MailEvent]:
        """Returns the events by which messages were sent, with their bodies."""
        return await self._database.read(partial(_by_message, ids=ids, kinds=(MailKind.SENT,)))

    async def channels(self, ids: Sequence[ChannelId]) -> dict[ChannelId, OpenChannel]:
        """Returns channels by id, of those that were opened at an end."""
        return await self._database.read(partial(_channels, ids=ids))

    async def newest_channels(self, limit: int = _LIMIT) -> list[OpenChannel]:
        """Returns channels, the newest first."""
        query = select(channels.c.id).order_by(channels.c.seq.desc()).limit(limit)

        def work(connection: Connection) -> list[OpenChannel]:
            ids = [ChannelId(one) for one in connection.scalars(query)]
            found = _channels(connection, ids)
            return [found[one] for one in ids]

        return await self._database.read(work)


def _store(connection: Connection, page: MailPage, now: int) -> None:
    fresh = _fresh(connection, page.events)
    insert_rows(connection, mail, _EVENT, [_values(event) for event in fresh])
    for event in fresh:
        _APPLY[event.kind](connection, event, now)
    move_cursor(connection, page.cursor)


def _fresh(connection: Connection, events: Sequence[MailEvent]) -> list[MailEvent]:
    """Returns the events that are not stored yet; refuses one that took the place of another."""
    known: dict[tuple[bytes, int], bytes] = {}
    for part in chunks(events):
        query = select(mail.c.destination, mail.c.position, mail.c.kind, mail.c.subject).where(
            mail.c.destination.in_({event.destination for event in part}),
            mail.c.position.in_([event.position for event in part]),
        )
        for row in connection.execute(query):
            known[row.destination, row.position] = row.kind.encode() + row.subject
    for event in events:
        what = event.kind.value.encode() + event.subject.id
        if known.get((event.destination, event.position), what) != what:
            raise Reorged(f"event {event.position} of the mailbox on {event.destination.hex()} became another event")
    return [event for event in events if (event.destination, event.position) not in known]


def _values(event: MailEvent) -> tuple[object, ...]:
    subject = event.subject
    what = (event.destination, event.position, event.kind.value, subject.id, subject.encoded)
    return (*what, event.data, event.time, event.place, event.locator)


def _opened(connection: Connection, event: MailEvent, _now: int) -> None:
    channel = event.subject
    if connection.scalar(select(channels.c.seq).where(channels.c.id == channel.id)) is None:
        connection.execute(insert(channels).values(id=channel.id, words=channel.encoded))
    # Fresh ones too: a relay may just be deciding without this event, and the version tells it.
    reasons = (Reason.NONE, Reason.CHANNEL_NOT_OPEN, Reason.LEDGER_HALTED)
    waits = (messages.c.channel == channel.id, messages.c.reason.in_(reasons))
    at_once = {"due": 0, "not_before": 0, "version": messages.c.version + 1}
    connection.execute(update(messages).where(*waits, text(ON_THE_WAY)).values(at_once))


def _sent(connection: Connection, event: MailEvent, now: int) -> None:
    message, passage = _message(event), Passage()
    if connection.scalar(select(messages.c.seq).where(messages.c.id == message.id)) is not None:
        _moved(connection, event, now)  # told again by a ledger that was resumed
        return
    _check_way(connection, message)
    row = {
        "id": message.id,
        "channel": message.channel,
        "source": message.source,
        "destination": message.destination,
        "words": message.encoded,
        "state": passage.state.value,
        "reason": passage.reason.value,
        "waits_on": message.destination,
        "version": 0,
        "created": now,
        "changed": now,
    }
    unset = ("detail", "attempt", "tries", "not_before", "due", "work", "seen")
    seq = insert_row(connection, messages, row | {name: getattr(passage, name) for name in unset})
    step = Step(
        now,
        MessageState.SENT,
        Reason.NONE,
        ledger=event.destination,
        locator=event.locator,
        ledger_time=event.time,
    )
    insert_steps(connection, [(seq, step)])


def _check_way(connection: Connection, message: Message) -> None:
    """Checks that a message travels a channel, to its other end: a mailbox sends no others, but a node may lie."""
    words = connection.scalar(select(channels.c.words).where(channels.c.id == message.channel))
    beyond = Channel.decode(words).end_beyond(message.source) if words else None
    if beyond is None or beyond.destination != message.destination:
        raise LedgerUnavailable(
            f"mailbox on {message.source.hex()}: message {message.id.hex()} travels no channel that was opened there; "
            "the node that tells of it lies, or hides events: ask another one"
        )


def _moved(connection: Connection, event: MailEvent, _now: int) -> None:
    # The version tells a relay that holds the row that it decided without this event.
    waits = (messages.c.id == event.subject.id, text(ON_THE_WAY))
    connection.execute(update(messages).where(*waits).values(due=0, version=messages.c.version + 1))


_APPLY: Final = {
    MailKind.OPENED: _opened,
    MailKind.SENT: _sent,
    MailKind.DELIVERED: _moved,
    MailKind.EXPIRED: _moved,
}


def _message(event: MailEvent) -> Message:
    if not isinstance(event.subject, Message):
        raise StoreError(f"a {event.kind} event without a message")
    return event.subject


def _by_message(
    connection: Connection, ids: Sequence[MessageId], kinds: Sequence[MailKind]
) -> dict[MessageId, MailEvent]:
    found = {}
    for part in chunks(ids):
        query = select(mail).where(mail.c.subject.in_(part), mail.c.kind.in_(kinds))
        for row in connection.execute(query).mappings():
            found[MessageId(row["subject"])] = _event(row)
    return found


def _channels(connection: Connection, ids: Sequence[ChannelId]) -> dict[ChannelId, OpenChannel]:
    found: dict[ChannelId, OpenChannel] = {}
    for part in chunks(ids):
        for row in connection.execute(select(channels).where(channels.c.id.in_(part))).mappings():
            channel = Channel.decode(row["words"])
            found[channel.id] = OpenChannel(channel, {}, {channel.first.destination: 0, channel.second.destination: 0})
        opened = select(mail).where(mail.c.subject.in_(part), mail.c.kind == MailKind.OPENED)
        for event in map(_event, connection.execute(opened).mappings()):
            found[ChannelId(event.subject.id)].opened[event.destination] = event
        _count_sent(connection, part, found)
    return found


def _count_sent(connection: Connection, ids: Iterable[ChannelId], found: Mapping[ChannelId, OpenChannel]) -> None:
    query: Select[bytes, bytes, int] = select(messages.c.channel, messages.c.source, func.count())
    query = query.where(messages.c.channel.in_(ids)).group_by(messages.c.channel, messages.c.source)
    for channel, source, count in connection.execute(query):
        found[ChannelId(channel)].sent[DestinationId(source)] = count


def _event(row: RowMapping) -> MailEvent:
    kind = MailKind(row["kind"])
    subject = Channel.decode(row["words"]) if kind is MailKind.OPENED else Message.decode(row["words"])
    return MailEvent(
        DestinationId(row["destination"]),
        row["position"],
        kind,
        subject,
        row["data"],
        row["time"],
        row["place"],
        row["locator"],
    )
