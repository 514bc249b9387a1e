"""The part of the caller's door that is about messages between ledgers: typed values to and from ``fabric_pb2``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from fabric.core.errors import Malformed
from fabric.core.ids import ChannelId, DestinationId, MessageId
from fabric.trust.message import Channel, Message
from fabric.wire.method import Method
from fabric.wire.reading import parse, word
from fabric.wire.v1 import fabric_pb2 as pb

MAX_LISTED: Final = 1_000
DEFAULT_LISTED: Final = 100
MAX_REASON: Final = 400
MAX_CALL_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """A message on its way, as people see it; texts as in docs/spec/relay.md.

    Attributes:
        message: the message.
        source: name of the sending ledger.
        destination: name of the receiving ledger.
        state: how far it has come.
        reason: why it is not further; empty where nothing is in the way.
        party: who must act.
        meaning: state and reason as a sentence.
        advice: what the party should do.
        detail: names and numbers.
        attempt: number of the last attempt of its present leg.
        next_attempt: when the next one begins, Unix seconds; 0 where none is planned.
        created: when this fabric learned of it, Unix seconds.
        changed: since when it is in this state for this reason, Unix seconds.
    """

    message: Message
    source: str
    destination: str
    state: str
    reason: str
    party: str
    meaning: str
    advice: str
    detail: str
    attempt: int
    next_attempt: int
    created: int
    changed: int


@dataclass(frozen=True, slots=True)
class MessageStep:
    """One entry of a message's trace; ``ledger`` and ``locator`` say where, ``time`` when it was noted here."""

    time: int
    state: str
    reason: str
    party: str
    detail: str
    attempt: int
    ledger: str
    locator: str
    ledger_time: int
    invocation: bytes


@dataclass(frozen=True, slots=True)
class MessageTrace:
    """A message and every step that it took."""

    message: MessageInfo
    steps: tuple[MessageStep, ...]


@dataclass(frozen=True, slots=True)
class MessageCount:
    """How many messages of a route are in a state for a reason, and since when the oldest one is."""

    source: str
    destination: str
    state: str
    reason: str
    party: str
    count: int
    oldest: int


@dataclass(frozen=True, slots=True)
class ListMessages:
    """Ask for messages.

    Attributes:
        states: only those in one of these states; none for all.
        channel: only those of this channel.
        limit: at most so many, 1 to 1,000.
        page: ``next_page`` of the list before; 0 begins.
    """

    states: tuple[str, ...] = ()
    channel: ChannelId | None = None
    limit: int = DEFAULT_LISTED
    page: int = 0


@dataclass(frozen=True, slots=True)
class MessageList:
    """Messages, the newest first; ``next_page`` is 0 at the end. ``counts`` are of all messages there are."""

    messages: tuple[MessageInfo, ...]
    next_page: int
    counts: tuple[MessageCount, ...]


@dataclass(frozen=True, slots=True)
class MessageName:
    """At least 8 hexadecimal digits of a message's id."""

    message: str


@dataclass(frozen=True, slots=True)
class RetryMessage:
    """Ask for another attempt now, and say why."""

    message: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChannelEnd:
    """One end of a channel: its ledger, whether it is open and where it was opened, and the next sequence from it."""

    ledger: str
    destination: DestinationId
    is_open: bool
    locator: str
    next_sequence: int


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """A channel that is open at an end; its ends in the channel's own order."""

    channel: Channel
    ends: tuple[ChannelEnd, ChannelEnd]


@dataclass(frozen=True, slots=True)
class ListChannels:
    """Ask for one channel, or for the newest."""

    channel: ChannelId | None = None


@dataclass(frozen=True, slots=True)
class ChannelList:
    """Channels, the newest first."""

    channels: tuple[ChannelInfo, ...]


@dataclass(frozen=True, slots=True)
class SubmitCall:
    """A call that an account signed, for a ledger by its configured name."""

    ledger: str
    call: bytes


@dataclass(frozen=True, slots=True)
class CallTaken:
    """Where a call took effect, and the ledger's time of it, Unix seconds."""

    locator: str
    position: int
    time: int


_INFO: Final = tuple(item.name for item in fields(MessageInfo) if item.name != "message")
_STEP: Final = tuple(item.name for item in fields(MessageStep))
_COUNT: Final = tuple(item.name for item in fields(MessageCount))


def _info_to_pb(value: MessageInfo) -> pb.MessageInfo:
    given = {name: getattr(value, name) for name in _INFO}
    return pb.MessageInfo(id=value.message.id, words=value.message.encoded, **given)


def _info(value: pb.MessageInfo) -> MessageInfo:
    message = Message.decode(value.words)
    if message.id != MessageId(word(value.id, "MessageInfo.id")):
        raise Malformed("MessageInfo.id", "not the id of its words")
    return MessageInfo(message, **{name: getattr(value, name) for name in _INFO})


def _encode_list(value: ListMessages) -> bytes:
    return pb.ListMessagesRequest(
        states=value.states, channel=value.channel or b"", limit=value.limit, page=value.page
    ).SerializeToString()


def _decode_list(data: bytes) -> ListMessages:
    message = parse(pb.ListMessagesRequest, data)
    if message.limit > MAX_LISTED:
        raise Malformed("ListMessagesRequest.limit", f"at most {MAX_LISTED}, got {message.limit}")
    channel = ChannelId(word(message.channel, "ListMessagesRequest.channel")) if message.channel else None
    return ListMessages(tuple(message.states), channel, message.limit or DEFAULT_LISTED, message.page)


def _encode_listed(value: MessageList) -> bytes:
    counts = [pb.MessageCount(**{name: getattr(item, name) for name in _COUNT}) for item in value.counts]
    messages = map(_info_to_pb, value.messages)
    return pb.ListMessagesReply(messages=messages, next_page=value.next_page, counts=counts).SerializeToString()


def _decode_listed(data: bytes) -> MessageList:
    message = parse(pb.ListMessagesReply, data)
    counts = [MessageCount(**{name: getattr(item, name) for name in _COUNT}) for item in message.counts]
    return MessageList(tuple(map(_info, message.messages)), message.next_page, tuple(counts))


def _encode_trace(value: MessageTrace) -> bytes:
    steps = [pb.MessageStep(**{name: getattr(item, name) for name in _STEP}) for item in value.steps]
    return pb.MessageTrace(message=_info_to_pb(value.message), steps=steps).SerializeToString()


def _decode_trace(data: bytes) -> MessageTrace:
    message = parse(pb.MessageTrace, data)
    steps = [MessageStep(**{name: getattr(item, name) for name in _STEP}) for item in message.steps]
    return MessageTrace(_info(message.message), tuple(steps))


def _decode_retry(data: bytes) -> RetryMessage:
    message = parse(pb.RetryMessageRequest, data)
    if not message.reason.strip() or len(message.reason) > MAX_REASON:
        raise Malformed("RetryMessageRequest.reason", f"expected 1 to {MAX_REASON} characters that say why")
    return RetryMessage(message.message, message.reason)


def _end_to_pb(value: ChannelEnd) -> pb.ChannelEnd:
    return pb.ChannelEnd(
        ledger=value.ledger,
        destination=value.destination,
        open=value.is_open,
        locator=value.locator,
        next_sequence=value.next_sequence,
    )


def _end(value: pb.ChannelEnd) -> ChannelEnd:
    place = DestinationId(word(value.destination, "ChannelEnd.destination"))
    return ChannelEnd(value.ledger, place, value.open, value.locator, value.next_sequence)


def _encode_channels(value: ChannelList) -> bytes:
    channels = [
        pb.ChannelInfo(
            id=item.channel.id,
            words=item.channel.encoded,
            first=_end_to_pb(item.ends[0]),
            second=_end_to_pb(item.ends[1]),
        )
        for item in value.channels
    ]
    return pb.ListChannelsReply(channels=channels).SerializeToString()


def _decode_channels(data: bytes) -> ChannelList:
    channels = [
        ChannelInfo(Channel.decode(item.words), (_end(item.first), _end(item.second)))
        for item in parse(pb.ListChannelsReply, data).channels
    ]
    return ChannelList(tuple(channels))


def _decode_list_channels(data: bytes) -> ListChannels:
    channel = parse(pb.ListChannelsRequest, data).channel
    return ListChannels(ChannelId(word(channel, "ListChannelsRequest.channel")) if channel else None)


def _decode_submit(data: bytes) -> SubmitCall:
    message = parse(pb.SubmitCallRequest, data)
    if len(message.call) > MAX_CALL_BYTES:
        raise Malformed("SubmitCallRequest.call", f"at most {MAX_CALL_BYTES} bytes, got {len(message.call)}")
    return SubmitCall(message.ledger, message.call)


def _decode_taken(data: bytes) -> CallTaken:
    message = parse(pb.SubmitCallReply, data)
    return CallTaken(message.locator, message.position, message.time)


def _encode_taken(value: CallTaken) -> bytes:
    return pb.SubmitCallReply(locator=value.locator, position=value.position, time=value.time).SerializeToString()


def _decode_info(data: bytes) -> MessageInfo:
    return _info(parse(pb.MessageInfo, data))


def _encode_info(value: MessageInfo) -> bytes:
    encoded: bytes = _info_to_pb(value).SerializeToString()
    return encoded


def _encode_submit(value: SubmitCall) -> bytes:
    return pb.SubmitCallRequest(ledger=value.ledger, call=value.call).SerializeToString()


_GET: Final[tuple[Any, Any]] = (
    lambda value: pb.GetMessageRequest(message=value.message).SerializeToString(),
    lambda data: MessageName(parse(pb.GetMessageRequest, data).message),
)
_RETRY: Final[tuple[Any, Any]] = (
    lambda value: pb.RetryMessageRequest(message=value.message, reason=value.reason).SerializeToString(),
    _decode_retry,
)
_LIST_CHANNELS: Final[tuple[Any, Any]] = (
    lambda value: pb.ListChannelsRequest(channel=value.channel or b"").SerializeToString(),
    _decode_list_channels,
)

MESSAGE_METHODS: Final[Mapping[str, Method]] = {
    "ListMessages": Method(_encode_list, _decode_list, _encode_listed, _decode_listed),
    "GetMessage": Method(*_GET, _encode_trace, _decode_trace),
    "RetryMessage": Method(*_RETRY, _encode_info, _decode_info),
    "ListChannels": Method(*_LIST_CHANNELS, _encode_channels, _decode_channels),
    "SubmitCall": Method(_encode_submit, _decode_submit, _encode_taken, _decode_taken),
}
