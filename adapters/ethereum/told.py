"""The mailbox's events as logs of the settlement contract: their topics, and what they say of which message. Pure.

Nothing is taken over that can be computed: ids are those of the words, a body has its message's digest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from fabric.core.errors import Malformed
from fabric.core.ids import DestinationId, sha256
from fabric.trust.message import Channel, Message

OPENED: Final = keccak(b"ChannelOpened(uint64,bytes32,address,bytes)")
SENT: Final = keccak(b"Sent(uint64,bytes32,bytes32,bytes,bytes)")
DELIVERED: Final = keccak(b"Delivered(uint64,bytes32,bytes32,bytes,bytes)")
EXPIRED: Final = keccak(b"Expired(uint64,bytes32,bytes32,bytes)")
NAMES: Final = {OPENED: "opened", SENT: "sent", DELIVERED: "delivered", EXPIRED: "expired"}
"""First topics of the events that have an index, and how port and trust spell them."""
DATA: Final = {OPENED: ("bytes",), SENT: ("bytes", "bytes"), DELIVERED: ("bytes", "bytes"), EXPIRED: ("bytes",)}
"""Types of the arguments that are no topics: words, then the data where there is some."""
_TOPICS: Final = 4
_EVENT: Final = "mailbox event"


@dataclass(frozen=True)
class MailLog:
    """What a log says.

    Attributes:
        name: ``opened``, ``sent``, ``delivered`` or ``expired``.
        index: the mailbox's counter of events.
        subject: the channel that was opened, or the message.
        data: of ``sent`` the body, of ``delivered`` the recipient's result, otherwise nothing.
    """

    name: str
    index: int
    subject: Channel | Message
    data: bytes


def read(own: DestinationId, topics: Sequence[bytes], data: bytes) -> MailLog:
    """Reads a log of a deployment's contract.

    Args:
        own: the deployment.
        topics: the log's topics.
        data: its other arguments, ABI-encoded.

    Raises:
        Malformed: it is no event with an index, or its parts do not belong together.
    """
    if len(topics) != _TOPICS or topics[0] not in NAMES:
        raise Malformed(_EVENT, "another event")
    try:
        words, *rest = decode(DATA[topics[0]], data)
    except (DecodingError, ValueError, OverflowError) as error:
        raise Malformed(_EVENT, f"data of another form: {error}") from error
    name, content = NAMES[topics[0]], rest[0] if rest else b""
    subject = _channel(own, words, topics) if topics[0] == OPENED else _message(own, words, topics, content)
    return MailLog(name, int.from_bytes(topics[1], "big"), subject, content)


def _channel(own: DestinationId, words: bytes, topics: Sequence[bytes]) -> Channel:
    channel = Channel.decode(words)
    end = channel.end_at(own)
    if channel.id != topics[2] or end is None or end.account != topics[3]:
        raise Malformed(_EVENT, "a channel with another id, or of another account")
    return channel


def _message(own: DestinationId, words: bytes, topics: Sequence[bytes], content: bytes) -> Message:
    message = Message.decode(words)
    if (message.id, message.channel) != (topics[2], topics[3]):
        raise Malformed(_EVENT, "a message with another id, or of another channel")
    is_sent = topics[0] == SENT
    if own != (message.source if is_sent else message.destination):
        raise Malformed(_EVENT, "a message of another ledger")
    if is_sent and sha256(content) != message.body:
        raise Malformed(_EVENT, "another body than the message's")
    return message
