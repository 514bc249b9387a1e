"""The mailbox of a native ledger, read: its events by their index, each with the entry that shows it."""

from collections.abc import Callable, Mapping
from typing import Final

from adapters.native.audit import History
from adapters.native.entry import Entry
from adapters.native.sequencer import Sequencer
from fabric.core.errors import LedgerUnavailable, Reorged
from fabric.core.ids import MessageId, delivery_id, expiry_id
from fabric.ledger import port
from fabric.ledger.port import MailboxEvent, MailboxPage
from fabric.ledger.rules.mailbox import find_event
from fabric.ledger.rules.mailbox_entries import EventEntry, EventKind
from fabric.ledger.rules.operations import Deliver, Expire, OpenChannel, Operation, Send
from fabric.trust.message import Channel, Message

_CURSOR_BYTES: Final = 8
_EFFECTS: Final[Mapping[EventKind, Callable[[bytes], bytes]]] = {
    EventKind.DELIVERED: lambda subject: delivery_id(MessageId(subject)),
    EventKind.EXPIRED: lambda subject: expiry_id(MessageId(subject)),
}
"""Ids of effects by which the log finds an entry, where they are not the event's subject itself."""


async def events_after(sequencer: Sequencer, cursor: bytes, limit: int) -> MailboxPage:
    """Returns a page of mailbox events; see ``NativeLedger.mailbox_events``."""
    history = sequencer.history
    start = int.from_bytes(cursor, "big")
    stored: list[EventEntry] = []
    while len(stored) < limit and (event := find_event(history.state, start + len(stored))) is not None:
        stored.append(event)
    if start and not stored and find_event(history.state, start - 1) is None:
        raise Reorged(f"the cursor is at mailbox event {start}, which this ledger does not have")
    entries = await sequencer.entries([_position(history, event) for event in stored]) if stored else []
    found = [_event(start + at, event, entry) for at, (event, entry) in enumerate(zip(stored, entries, strict=True))]
    return MailboxPage(tuple(found), (start + len(found)).to_bytes(_CURSOR_BYTES, "big"))


def _position(history: History, event: EventEntry) -> int:
    effect = _EFFECTS.get(event.kind, bytes)
    position = history.positions.get(effect(event.subject))
    if position is None:
        raise LedgerUnavailable(f"mailbox event of {event.subject.hex()} has no entry")
    return position


def _event(index: int, event: EventEntry, entry: Entry) -> MailboxEvent:
    subject, data = _content(entry.envelope.operation)
    kind = port.EventKind[event.kind.name]
    return MailboxEvent(index, kind, subject, data, event.time, entry.index, f"entry {entry.index}")


def _content(operation: Operation) -> tuple[Channel | Message, bytes]:
    match operation:
        case OpenChannel():
            return operation.channel, b""
        case Send():
            return operation.message, operation.body
        case Deliver():
            return operation.delivery.message, b""
        case Expire():
            return operation.message, b""
        case _:
            raise LedgerUnavailable("an entry that is no event of the mailbox stands where one should")
