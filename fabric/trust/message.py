"""Message: bytes from an account on one ledger to an account on another, and its channel (docs/spec/message.md).

Fixed words, so that contracts decode them. Both ids are digests of these bytes: nothing about a message or a channel
can change under its id.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final, Self, TypeVar

from fabric.core.errors import Malformed
from fabric.core.ids import (
    WORD_BYTES,
    Account,
    BindingVersion,
    ChannelId,
    DestinationId,
    Digest,
    MessageId,
    sha256,
    tag,
)
from fabric.trust import words

CHANNEL_TAG: Final = tag("cryptlet-fabric/channel/v1")
MESSAGE_TAG: Final = tag("cryptlet-fabric/message/v1")
CHANNEL_BYTES: Final = 10 * WORD_BYTES
MESSAGE_BYTES: Final = 9 * WORD_BYTES
MAX_BODY_BYTES: Final = 30_720
MAX_RESULT_BYTES: Final = 1_024
MAX_NUMBER: Final = 2**53 - 1
"""Of sequence and expiry: every implementation must be able to say them as a JSON number."""
DELIVER: Final = "deliver"
ACKNOWLEDGE: Final = "acknowledge"
"""Names of the two methods whose records a mailbox takes."""
_E = TypeVar("_E", bound=IntEnum)


class Shown(IntEnum):
    """How an event was shown to an enclave, and the least that an end of a channel accepts."""

    PROVEN = 1
    ASSERTED = 2


class Ending(IntEnum):
    """What became of a message on its destination."""

    DELIVERED = 1
    EXPIRED = 2


@dataclass(frozen=True)
class End:
    """One end of a channel.

    Attributes:
        destination: the ledger's deployment.
        account: who sends and receives there.
        binding: version of the binding under which records for this end are made.
        accepts: the least that the other ledger's events must be shown by.
    """

    destination: DestinationId
    account: Account
    binding: BindingVersion
    accepts: Shown

    @property
    def words(self) -> bytes:
        """The four words."""
        return b"".join((self.destination, self.account, self.binding, words.uint(self.accepts)))


@dataclass(frozen=True)
class Channel:
    """Ten words: tag, first end, second end, salt; the first end's destination id is below the second's."""

    first: End
    second: End
    salt: bytes

    @cached_property
    def encoded(self) -> bytes:
        """The 320 bytes."""
        return b"".join((CHANNEL_TAG, self.first.words, self.second.words, self.salt))

    @cached_property
    def id(self) -> ChannelId:
        """SHA-256 of the encoded channel."""
        return ChannelId(sha256(self.encoded))

    def end_at(self, destination: DestinationId) -> End | None:
        """Returns the end on a ledger, None where it has none there."""
        return next((end for end in (self.first, self.second) if end.destination == destination), None)

    def end_beyond(self, destination: DestinationId) -> End | None:
        """Returns the end on the other ledger than this one."""
        pair = {self.first.destination: self.second, self.second.destination: self.first}
        return pair.get(destination)

    @classmethod
    def between(cls, one: End, other: End, salt: bytes) -> Self:
        """Returns the channel of two ends, in the order that the format asks for; raises ``Malformed``."""
        first, second = sorted((one, other), key=lambda end: end.destination)
        return cls.decode(cls(first, second, salt).encoded)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads 320 bytes; raises ``Malformed`` for anything else."""
        row = words.split(data, CHANNEL_TAG, 9, "channel")
        first, second = _end(row[:4]), _end(row[4:8])
        if not first.destination < second.destination:
            raise Malformed("channel", "the first end's destination must be below the second's")
        return cls(first, second, row[8])


@dataclass(frozen=True)
class Message:
    """Nine words, tag first.

    Attributes:
        channel: the channel it travels.
        source: the sending ledger.
        destination: the receiving ledger.
        sender: account of the channel's end on the source.
        recipient: account of its end on the destination.
        sequence: counts the messages of this channel and direction from 0.
        expiry: last time of the destination ledger at which it may be delivered, Unix seconds.
        body: SHA-256 of the body.
    """

    channel: ChannelId
    source: DestinationId
    destination: DestinationId
    sender: Account
    recipient: Account
    sequence: int
    expiry: int
    body: Digest

    @cached_property
    def encoded(self) -> bytes:
        """The 288 bytes."""
        parts = (self.channel, self.source, self.destination, self.sender, self.recipient)
        return b"".join((MESSAGE_TAG, *parts, words.uint(self.sequence), words.uint(self.expiry), self.body))

    @cached_property
    def id(self) -> MessageId:
        """SHA-256 of the encoded message."""
        return MessageId(sha256(self.encoded))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads 288 bytes; raises ``Malformed`` for anything else."""
        row = words.split(data, MESSAGE_TAG, 8, "message")
        return cls(
            ChannelId(row[0]),
            DestinationId(row[1]),
            DestinationId(row[2]),
            Account(row[3]),
            Account(row[4]),
            _number(row[5], "message.sequence"),
            _number(row[6], "message.expiry"),
            Digest(row[7]),
        )


def read_enum(word: bytes, kind: type[_E], field: str) -> _E:
    """Reads a word that holds a member of a closed list; raises ``Malformed``."""
    number = words.read_uint(word, field)
    try:
        return kind(number)
    except ValueError as error:
        raise Malformed(field, f"expected one of {', '.join(str(int(one)) for one in kind)}, got {number}") from error


def _number(word: bytes, field: str) -> int:
    number = words.read_uint(word, field)
    if number > MAX_NUMBER:
        raise Malformed(field, f"at most {MAX_NUMBER}, got {number}")
    return number


def _end(row: list[bytes]) -> End:
    accepts = read_enum(row[3], Shown, "channel.accepts")
    return End(DestinationId(row[0]), Account(row[1]), BindingVersion(row[2]), accepts)
