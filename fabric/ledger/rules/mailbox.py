"""Mailbox: channels, and messages that are delivered xor expired (docs/spec/message.md).

Delivery and tombstone are writes under one key of the destination, and each reads that key first. No clock decides
whether a refund is safe: only the tombstone does.
"""

from fabric.core.ids import Account, ChannelId, MessageId, method_word, sha256
from fabric.ledger.rules.batches import check_record
from fabric.ledger.rules.events import Acknowledged, ChannelOpened, Delivered, Event, Expired, Sent
from fabric.ledger.rules.mailbox_entries import (
    MAILBOX_COUNT,
    ChannelEntry,
    DeliveryEntry,
    EventEntry,
    EventKind,
    MessageEntry,
    MessageState,
    channel_entry,
    delivery_entry,
    event_entry,
    message_entry,
    sequence_entry,
)
from fabric.ledger.rules.operations import Acknowledge, Deliver, Expire, OpenChannel, Send
from fabric.ledger.rules.requests import next_nonce
from fabric.ledger.rules.state import Context, Genesis, State
from fabric.ledger.rules.violations import Code, RuleViolation
from fabric.trust import words
from fabric.trust.letter import Delivery
from fabric.trust.message import ACKNOWLEDGE, DELIVER, MAX_BODY_BYTES, Ending, Message, Shown

_DELIVER = method_word(DELIVER)
_ACKNOWLEDGE = method_word(ACKNOWLEDGE)
_CLOSED = {Ending.DELIVERED: MessageState.ACKNOWLEDGED, Ending.EXPIRED: MessageState.REFUNDED}


def mailbox_account(genesis: Genesis) -> Account:
    """Returns the account of the deployment's mailbox, from which nobody else can send."""
    return Account(genesis.destination.settlement)


def open_channel(genesis: Genesis, state: State, context: Context, operation: OpenChannel) -> tuple[Event, ...]:
    """Opens the sender's end of a channel; a repeat changes nothing.

    Raises:
        RuleViolation: in this order ``WrongDestination``, ``NotChannelEnd``.
    """
    channel, own = operation.channel, genesis.destination.id
    end, other = channel.end_at(own), channel.end_beyond(own)
    if end is None or other is None:
        raise RuleViolation(Code.WRONG_DESTINATION, "no end of the channel is here")
    _require_end(end.account, context)
    if state.get(channel_entry(channel.id)) is not None:
        return ()
    entry = ChannelEntry(end.account, other.destination, other.account, end.binding, end.accepts, context.time)
    state.put(channel_entry(channel.id), entry.encoded)
    index = _tell(state, context, EventKind.OPENED, channel.id)
    return (ChannelOpened(index, channel, end.account),)


def send(genesis: Genesis, state: State, context: Context, operation: Send) -> tuple[Event, ...]:
    """Stores a message of the sender as sent; a repeat changes nothing.

    Raises:
        RuleViolation: in this order ``WrongDestination``, ``ChannelNotOpen``, ``NotChannelEnd``, ``WrongChannel``,
            ``WrongBody``, ``BodyTooLong``, ``WrongSequence``, ``MessageExpired``.
    """
    message = operation.message
    if message.source != genesis.destination.id:
        raise RuleViolation(Code.WRONG_DESTINATION, f"message from {message.source.hex()}")
    entry = _open_end(state, message.channel)
    _require_end(entry.account, context)
    parts = (message.sender, message.destination, message.recipient)
    _require_parts(parts, (entry.account, entry.other_destination, entry.other_account))
    _check_body(message, operation.body)
    if state.get(message_entry(message.id)) is not None:
        return ()
    _check_next(state, message)
    if message.expiry <= context.time:
        raise RuleViolation(Code.MESSAGE_EXPIRED, f"expires at {message.expiry}, time is {context.time}")
    state.put(sequence_entry(message.channel), words.uint(message.sequence + 1))
    sent = MessageEntry(MessageState.SENT, message.channel, context.time, 0)
    state.put(message_entry(message.id), sent.encoded)
    index = _tell(state, context, EventKind.SENT, message.id)
    return (Sent(index, message, operation.body),)


def deliver(genesis: Genesis, state: State, context: Context, operation: Deliver) -> tuple[Event, ...]:
    """Brings a message to its recipient; a repeat changes nothing, whatever record brings it.

    Raises:
        RuleViolation: in this order ``WrongDestination``, ``MessageExpired`` (by its tombstone), ``ChannelNotOpen``,
            ``WrongChannel``, ``WrongBody``, ``BodyTooLong``, ``AssertedSource``, ``MessageExpired`` (by its time), then
            those of the record.
    """
    delivery = operation.delivery
    message = delivery.message
    _require_here(genesis, message)
    ending = find_delivery(state, message.id)
    if ending is not None:
        if ending.ending is Ending.DELIVERED:
            return ()
        raise RuleViolation(Code.MESSAGE_EXPIRED, f"its tombstone is of {ending.time}")
    _check_delivery(state, context, delivery)
    _check_letter(genesis, state, context, operation)
    state.put(delivery_entry(message.id), DeliveryEntry(Ending.DELIVERED, context.time).encoded)
    index = _tell(state, context, EventKind.DELIVERED, message.id)
    return (Delivered(index, message, b""),)


def acknowledge(genesis: Genesis, state: State, context: Context, operation: Acknowledge) -> tuple[Event, ...]:
    """Closes a message at its source, as acknowledged or refunded; a repeat changes nothing.

    Raises:
        RuleViolation: in this order ``WrongDestination``, ``UnknownMessage``, ``MessageClosed``, ``AssertedSource``,
            then those of the record.
    """
    word = operation.acknowledgement
    message = word.message
    if message.source != genesis.destination.id:
        raise RuleViolation(Code.WRONG_DESTINATION, f"message from {message.source.hex()}")
    stored = find_message(state, message.id)
    if stored is None:
        raise RuleViolation(Code.UNKNOWN_MESSAGE, f"message {message.id.hex()}")
    closed = _CLOSED[word.ending]
    if stored.state is closed:
        return ()
    if stored.state is not MessageState.SENT:
        raise RuleViolation(Code.MESSAGE_CLOSED, f"it is {stored.state.name.lower()}")
    _check_shown(_open_end(state, message.channel), word.shown)
    _check_letter(genesis, state, context, operation)
    state.put(message_entry(message.id), MessageEntry(closed, stored.channel, stored.sent, context.time).encoded)
    return (Acknowledged(message.id, word.ending, word.result),)


def expire(genesis: Genesis, state: State, context: Context, operation: Expire) -> tuple[Event, ...]:
    """Writes a message's tombstone; a repeat changes nothing. It needs no channel.

    Raises:
        RuleViolation: in this order ``WrongDestination``, ``MessageDelivered``, ``NotYetExpired``.
    """
    message = operation.message
    _require_here(genesis, message)
    ending = find_delivery(state, message.id)
    if ending is not None:
        if ending.ending is Ending.EXPIRED:
            return ()
        raise RuleViolation(Code.MESSAGE_DELIVERED, f"at {ending.time}")
    if context.time <= message.expiry:
        raise RuleViolation(Code.NOT_YET_EXPIRED, f"expires at {message.expiry}, time is {context.time}")
    state.put(delivery_entry(message.id), DeliveryEntry(Ending.EXPIRED, context.time).encoded)
    index = _tell(state, context, EventKind.EXPIRED, message.id)
    return (Expired(index, message),)


def find_channel(state: State, channel: ChannelId) -> ChannelEntry | None:
    """Returns what is stored of a channel that is open here."""
    value = state.get(channel_entry(channel))
    return None if value is None else ChannelEntry.decode(value)


def find_message(state: State, message: MessageId) -> MessageEntry | None:
    """Returns what is stored of a message that was sent here."""
    value = state.get(message_entry(message))
    return None if value is None else MessageEntry.decode(value)


def find_delivery(state: State, message: MessageId) -> DeliveryEntry | None:
    """Returns what became here of a message for this ledger."""
    value = state.get(delivery_entry(message))
    return None if value is None else DeliveryEntry.decode(value)


def find_event(state: State, index: int) -> EventEntry | None:
    """Returns a mailbox event by its index."""
    value = state.get(event_entry(index))
    return None if value is None else EventEntry.decode(value)


def _check_delivery(state: State, context: Context, delivery: Delivery) -> None:
    message = delivery.message
    end = _open_end(state, message.channel)
    parts = (message.recipient, message.source, message.sender)
    _require_parts(parts, (end.account, end.other_destination, end.other_account))
    _check_body(message, delivery.body)
    _check_shown(end, delivery.shown)
    if context.time > message.expiry:
        raise RuleViolation(Code.MESSAGE_EXPIRED, f"at {message.expiry}, time is {context.time}")


def _check_letter(genesis: Genesis, state: State, context: Context, operation: Deliver | Acknowledge) -> None:
    """Checks the record of a delivery or an acknowledgement."""
    record, method = operation.record, _DELIVER if isinstance(operation, Deliver) else _ACKNOWLEDGE
    message = operation.delivery.message if isinstance(operation, Deliver) else operation.acknowledgement.message
    end = _open_end(state, message.channel)
    if record.binding != end.binding:
        raise RuleViolation(Code.WRONG_BINDING, f"binding {record.binding.hex()}, this end's is {end.binding.hex()}")
    if record.method != method:
        raise RuleViolation(Code.WRONG_METHOD, f"method {record.method.hex()}")
    if sha256(operation.payload) != record.payload:
        raise RuleViolation(Code.WRONG_PAYLOAD, "not the payload whose digest the record carries")
    check_record(genesis, state, context, operation, mailbox_account(genesis))


def _check_body(message: Message, body: bytes) -> None:
    if sha256(body) != message.body:
        raise RuleViolation(Code.WRONG_BODY, "not the body whose digest the message carries")
    if len(body) > MAX_BODY_BYTES:
        raise RuleViolation(Code.BODY_TOO_LONG, f"at most {MAX_BODY_BYTES} bytes, got {len(body)}")


def _check_shown(end: ChannelEntry, shown: Shown) -> None:
    if shown > end.accepts:
        raise RuleViolation(Code.ASSERTED_SOURCE, "the other ledger's event was not proven")


def _check_next(state: State, message: Message) -> None:
    following = next_nonce(state, sequence_entry(message.channel))
    if message.sequence != following:
        raise RuleViolation(Code.WRONG_SEQUENCE, f"expected {following}, got {message.sequence}")


def _open_end(state: State, channel: ChannelId) -> ChannelEntry:
    entry = find_channel(state, channel)
    if entry is None:
        raise RuleViolation(Code.CHANNEL_NOT_OPEN, f"channel {channel.hex()}")
    return entry


def _require_here(genesis: Genesis, message: Message) -> None:
    if message.destination != genesis.destination.id:
        raise RuleViolation(Code.WRONG_DESTINATION, f"message for {message.destination.hex()}")


def _require_end(account: Account, context: Context) -> None:
    if account != context.sender:
        raise RuleViolation(Code.NOT_CHANNEL_END, f"this end is of {account.hex()}")


def _require_parts(parts: tuple[bytes, ...], expected: tuple[bytes, ...]) -> None:
    if parts != expected:
        raise RuleViolation(Code.WRONG_CHANNEL, "not between the two ends of its channel")


def _tell(state: State, context: Context, kind: EventKind, subject: bytes) -> int:
    index = _take_index(state)
    state.put(event_entry(index), EventEntry(kind, subject, context.time).encoded)
    return index


def _take_index(state: State) -> int:
    """Counts the event; see ``fabric.ledger.rules.requests`` for ledgers that cannot share a counter."""
    index = next_nonce(state, MAILBOX_COUNT)
    state.put(MAILBOX_COUNT, words.uint(index + 1))
    return index
