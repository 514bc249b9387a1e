"""What both protocols read alike: a message of a kind, and a field that is one word."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from fabric.core.errors import Malformed
from fabric.core.ids import WORD_BYTES

M = TypeVar("M", bound=Message)


def parse(kind: type[M], data: bytes) -> M:
    """Reads a message; raises ``Malformed`` naming its kind."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise Malformed(kind.DESCRIPTOR.name, "not a protobuf message") from error


def word(data: bytes, field: str) -> bytes:
    """Returns a field of 32 bytes; raises ``Malformed`` for another length."""
    if len(data) != WORD_BYTES:
        raise Malformed(field, f"expected {WORD_BYTES} bytes, got {len(data)}")
    return data
