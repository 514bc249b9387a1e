"""Letter: what a mailbox takes as the payload of a record, a delivery or an acknowledgement (docs/spec/message.md).

The codec ``{"kind": "message"}`` of every ledger kind writes it from a relay cryptlet's output, in the enclave and
again in the verifier.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from fabric.core import canonical
from fabric.core.canonical import MAX_INTEGER, JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import (
    WORD_BYTES,
    Account,
    ChannelId,
    DestinationId,
    Digest,
    acknowledgement_id,
    delivery_id,
    parse_word,
    tag,
)
from fabric.trust import words
from fabric.trust.fields import read_base64, read_choice, read_integer, read_object
from fabric.trust.message import (
    MAX_BODY_BYTES,
    MAX_RESULT_BYTES,
    MESSAGE_BYTES,
    Ending,
    Message,
    Shown,
    read_enum,
)

DELIVERY_TAG: Final = tag("cryptlet-fabric/delivery/v1")
ACKNOWLEDGEMENT_TAG: Final = tag("cryptlet-fabric/ack/v1")
CODEC: Final = "message"
"""Name of the codec."""
_DELIVERY_HEAD: Final = 2 * WORD_BYTES
_ACKNOWLEDGEMENT_HEAD: Final = 4 * WORD_BYTES
_WORDS: Final = ("channel", "source", "destination", "sender", "recipient", "body")
_NUMBERS: Final = ("sequence", "expiry")
_MESSAGE_NAMES: Final = frozenset((*_WORDS, *_NUMBERS))


@dataclass(frozen=True)
class Delivery:
    """A message and its body, for the recipient.

    Attributes:
        shown: how the enclave was shown that it was sent.
        message: the message.
        body: the bytes; whether they are the message's is for the rules to say.
    """

    shown: Shown
    message: Message
    body: bytes

    @cached_property
    def encoded(self) -> bytes:
        """The payload."""
        return b"".join((DELIVERY_TAG, words.uint(self.shown), self.message.encoded, self.body))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads a payload; raises ``Malformed``."""
        head, message, body = _split(data, DELIVERY_TAG, _DELIVERY_HEAD, "delivery")
        return cls(read_enum(head[WORD_BYTES:], Shown, "delivery.source"), message, body)


@dataclass(frozen=True)
class Acknowledgement:
    """What became of a message, for its sender.

    Attributes:
        shown: how the enclave was shown the ending.
        ending: delivered or expired.
        time: the destination's time of it, Unix seconds.
        message: the message.
        result: what the recipient returned.
    """

    shown: Shown
    ending: Ending
    time: int
    message: Message
    result: bytes

    @cached_property
    def encoded(self) -> bytes:
        """The payload."""
        numbers = (words.uint(self.shown), words.uint(self.ending), words.uint(self.time))
        return b"".join((ACKNOWLEDGEMENT_TAG, *numbers, self.message.encoded, self.result))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads a payload; raises ``Malformed``."""
        head, message, result = _split(data, ACKNOWLEDGEMENT_TAG, _ACKNOWLEDGEMENT_HEAD, "acknowledgement")
        ending = read_enum(head[64:96], Ending, "acknowledgement.outcome")
        if len(result) > (MAX_RESULT_BYTES if ending is Ending.DELIVERED else 0):
            raise Malformed("acknowledgement.result", f"of {len(result)} bytes, for a message that is {ending.name}")
        shown = read_enum(head[32:64], Shown, "acknowledgement.source")
        return cls(shown, ending, words.read_uint(head[96:128], "acknowledgement.time"), message, result)


Letter = Delivery | Acknowledgement


def read_letter(payload: bytes) -> Letter:
    """Reads a payload of either kind by its tag; raises ``Malformed``."""
    return Delivery.decode(payload) if payload[:WORD_BYTES] == DELIVERY_TAG else Acknowledgement.decode(payload)


def is_message_codec(codec: Mapping[str, JsonValue]) -> bool:
    """Says whether a codec is that of messages; raises ``Malformed`` for one with a foreign name beside its kind."""
    if codec.get("kind") != CODEC:
        return False
    read_object(dict(codec), frozenset({"kind"}), "codec")
    return True


def check_plain_codec(codec: Mapping[str, JsonValue]) -> None:
    """Accepts ``{"kind": "json"}`` and ``{"kind": "message"}``, nothing else; raises ``Malformed``.

    The codecs of ledgers whose accounts run no code.
    """
    if not is_message_codec(codec):
        read_choice(read_object(dict(codec), frozenset({"kind"}), "codec")["kind"], ("json", CODEC), "codec.kind")


def write_plain(codec: Mapping[str, JsonValue], output: JsonValue) -> bytes:
    """Returns the output's canonical JSON, or the letter that it describes; raises ``Malformed``."""
    check_plain_codec(codec)
    return write_letter(output) if is_message_codec(codec) else canonical.encode(output)


def write_letter(output: JsonValue) -> bytes:
    """Returns the payload that the codec makes of an output; raises ``Malformed`` naming the field."""
    if not isinstance(output, dict) or set(output) not in ({"delivery"}, {"acknowledgement"}):
        raise Malformed("output", "expected an object with either delivery or acknowledgement")
    (name,) = output
    return _WRITERS[name](output[name]).encoded


def message_object(message: Message) -> JsonObject:
    """Returns a message as a JSON object."""
    fields: JsonObject = {name: getattr(message, name).hex() for name in _WORDS}
    return fields | {name: getattr(message, name) for name in _NUMBERS}


def parse_message(value: JsonValue, field: str) -> Message:
    """Reads the object of a message; raises ``Malformed``."""
    fields = read_object(value, _MESSAGE_NAMES, field)
    word = {name: parse_word(fields[name], f"{field}.{name}") for name in _WORDS}
    number = {name: read_integer(fields[name], f"{field}.{name}", 0, MAX_INTEGER) for name in _NUMBERS}
    return Message(
        channel=ChannelId(word["channel"]),
        source=DestinationId(word["source"]),
        destination=DestinationId(word["destination"]),
        sender=Account(word["sender"]),
        recipient=Account(word["recipient"]),
        sequence=number["sequence"],
        expiry=number["expiry"],
        body=Digest(word["body"]),
    )


def read_body(value: JsonValue, field: str) -> bytes:
    """Reads a body in base64; raises ``Malformed``, also for one that is too long."""
    return _bounded(value, field, MAX_BODY_BYTES)


def effect_of(payload: bytes) -> Digest | None:
    """Returns the id of the effect that a payload has on its message, whichever record brings it; None of no letter."""
    try:
        letter = read_letter(payload)
    except Malformed:
        return None
    if isinstance(letter, Delivery):
        return delivery_id(letter.message.id)
    return acknowledgement_id(letter.message.id, letter.ending)


def _delivery(value: JsonValue) -> Delivery:
    fields = read_object(value, frozenset({"message", "body", "source"}), "output.delivery")
    return Delivery(
        _shown(fields["source"], "output.delivery.source"),
        parse_message(fields["message"], "output.delivery.message"),
        read_body(fields["body"], "output.delivery.body"),
    )


def _acknowledgement(value: JsonValue) -> Acknowledgement:
    field = "output.acknowledgement"
    fields = read_object(value, frozenset({"message", "outcome", "time", "result", "source"}), field)
    ending = Ending[read_choice(fields["outcome"], ("delivered", "expired"), f"{field}.outcome").upper()]
    return Acknowledgement(
        _shown(fields["source"], f"{field}.source"),
        ending,
        read_integer(fields["time"], f"{field}.time", 0, MAX_INTEGER),
        parse_message(fields["message"], f"{field}.message"),
        _bounded(fields["result"], f"{field}.result", MAX_RESULT_BYTES if ending is Ending.DELIVERED else 0),
    )


_WRITERS: Final[dict[str, Callable[[JsonValue], Letter]]] = {"delivery": _delivery, "acknowledgement": _acknowledgement}


def _shown(value: JsonValue, field: str) -> Shown:
    return Shown[read_choice(value, ("proven", "asserted"), field).upper()]


def _bounded(value: JsonValue, field: str, limit: int) -> bytes:
    data = read_base64(value, field)
    if len(data) > limit:
        raise Malformed(field, f"at most {limit} bytes, got {len(data)}")
    return data


def _split(data: bytes, expected: bytes, head: int, name: str) -> tuple[bytes, Message, bytes]:
    if len(data) < head + MESSAGE_BYTES:
        raise Malformed(name, f"expected at least {head + MESSAGE_BYTES} bytes, got {len(data)}")
    if data[:WORD_BYTES] != expected:
        raise Malformed(name, "another format tag")
    message = Message.decode(data[head : head + MESSAGE_BYTES])
    return data[:head], message, data[head + MESSAGE_BYTES :]
