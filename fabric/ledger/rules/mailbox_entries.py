"""Keys and values of the mailbox's state, byte for byte (docs/spec/message.md); spelled as in ``entries``."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from fabric.core.ids import Account, BindingVersion, ChannelId, DestinationId, MessageId
from fabric.ledger.rules.entries import read_row
from fabric.trust import words
from fabric.trust.message import Ending, Shown, read_enum

MAILBOX_COUNT: bytes = b"mailbox"
"""The key of the counter of events, a word; absent is 0."""


class MessageState(IntEnum):
    """Life of a message at its source; it only moves forward."""

    SENT = 1
    ACKNOWLEDGED = 2
    REFUNDED = 3


class EventKind(IntEnum):
    """Kinds of the events that other ledgers need."""

    OPENED = 1
    SENT = 2
    DELIVERED = 3
    EXPIRED = 4


def channel_entry(channel: ChannelId) -> bytes:
    """Returns the state key of an open channel."""
    return b"channel/" + channel.hex().encode()


def sequence_entry(channel: ChannelId) -> bytes:
    """Returns the state key of the own end's counter; its value is one word, absent is 0."""
    return b"sequence/" + channel.hex().encode()


def message_entry(message: MessageId) -> bytes:
    """Returns the state key of a message at its source."""
    return b"message/" + message.hex().encode()


def delivery_entry(message: MessageId) -> bytes:
    """Returns the state key of a message's ending at its destination: delivery and tombstone alike."""
    return b"delivery/" + message.hex().encode()


def event_entry(index: int) -> bytes:
    """Returns the state key of a mailbox event by its index."""
    return b"mailbox/" + words.uint(index).hex().encode()


@dataclass(frozen=True)
class ChannelEntry:
    """An open channel as this ledger keeps it, six words.

    Attributes:
        account: the own end's account.
        other_destination: the other ledger.
        other_account: the other end's account.
        binding: binding of records for the own end.
        accepts: the least that the other ledger's events must be shown by.
        time: when it was opened here, Unix seconds.
    """

    account: Account
    other_destination: DestinationId
    other_account: Account
    binding: BindingVersion
    accepts: Shown
    time: int

    @property
    def encoded(self) -> bytes:
        """The six words."""
        words_of = (self.account, self.other_destination, self.other_account, self.binding)
        return b"".join((*words_of, words.uint(self.accepts), words.uint(self.time)))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads six words; raises ``Malformed``."""
        row = read_row(data, 6, "channel entry")
        return cls(
            Account(row[0]),
            DestinationId(row[1]),
            Account(row[2]),
            BindingVersion(row[3]),
            read_enum(row[4], Shown, "channel entry"),
            words.read_uint(row[5], "channel entry"),
        )


@dataclass(frozen=True)
class MessageEntry:
    """A message at its source, four words.

    Attributes:
        state: how far it is.
        channel: its channel.
        sent: when it was sent, Unix seconds.
        closed: when it was acknowledged or refunded, 0 before.
    """

    state: MessageState
    channel: ChannelId
    sent: int
    closed: int

    @property
    def encoded(self) -> bytes:
        """The four words."""
        return b"".join((words.uint(self.state), self.channel, words.uint(self.sent), words.uint(self.closed)))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads four words; raises ``Malformed``."""
        state, channel, sent, closed = read_row(data, 4, "message entry")
        return cls(
            read_enum(state, MessageState, "message entry"),
            ChannelId(channel),
            words.read_uint(sent, "message entry"),
            words.read_uint(closed, "message entry"),
        )


@dataclass(frozen=True)
class DeliveryEntry:
    """What became of a message at its destination, two words: ending, and its time in Unix seconds."""

    ending: Ending
    time: int

    @property
    def encoded(self) -> bytes:
        """The two words."""
        return words.uint(self.ending) + words.uint(self.time)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads two words; raises ``Malformed``."""
        ending, time = read_row(data, 2, "delivery entry")
        return cls(read_enum(ending, Ending, "delivery entry"), words.read_uint(time, "delivery entry"))


@dataclass(frozen=True)
class EventEntry:
    """A mailbox event, three words: its kind, id of the channel or message, its time in Unix seconds."""

    kind: EventKind
    subject: bytes
    time: int

    @property
    def encoded(self) -> bytes:
        """The three words."""
        return words.uint(self.kind) + self.subject + words.uint(self.time)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads three words; raises ``Malformed``."""
        kind, subject, time = read_row(data, 3, "mailbox event")
        return cls(read_enum(kind, EventKind, "mailbox event"), subject, words.read_uint(time, "mailbox event"))
