"""Link: messages between the gateway and the driver in the jail, over a socket pair.

A message is a length (u32), a call number (u32), a kind (u8) and a body; numbers are big-endian. The gateway asks, the
driver answers each call once, in any order. The bodies that matter are the enclave protocol's frames, which pass
unread. Nothing is ever unpickled on the gateway's side: what runs in Ray may lie, and can only spoil bytes.
"""

import asyncio
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from fabric.core.errors import Malformed

MAX_BODY: Final = 64 << 20
"""Of one message, in bytes."""
_HEAD: Final = struct.Struct(">IIB")
_TARGET: Final = struct.Struct(">II")


class Kind(IntEnum):
    """What a message asks or answers."""

    START = 1
    """Start Ray; the body is the settings as JSON."""
    HIRE = 2
    """Make a courier; the body is JSON, the answer its number (u32)."""
    DISMISS = 3
    """End a courier; the body is its number (u32)."""
    EXCHANGE = 4
    """Carry a frame; the body is courier (u32), time limit in milliseconds (u32), frame."""
    MEASURE = 5
    """Count plain actor calls; the body is how many (u32), the answer calls per second as text."""
    DONE = 16
    """The answer is the body."""
    FAILED = 17
    """The body is a code, a line break, and a text for people."""


@dataclass(frozen=True)
class Message:
    """One message; ``call`` ties an answer to its question."""

    kind: Kind
    call: int
    body: bytes


def encode(message: Message) -> bytes:
    """Returns the bytes of a message.

    Raises:
        Malformed: the body is longer than ``MAX_BODY``.
    """
    if len(message.body) > MAX_BODY:
        raise Malformed("link", f"at most {MAX_BODY} bytes in a message, got {len(message.body)}")
    return _HEAD.pack(len(message.body), message.call, message.kind) + message.body


async def receive(reader: asyncio.StreamReader) -> Message | None:
    """Reads one message; None where the other side ended between two messages.

    Raises:
        Malformed: the bytes are no message.
    """
    try:
        head = await reader.readexactly(_HEAD.size)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise Malformed("link", "the other side ended within a message") from error
        return None
    except ConnectionError:
        return None
    length, call, kind = _HEAD.unpack(head)
    if length > MAX_BODY or kind not in _KINDS:
        raise Malformed("link", f"no message: {length} bytes of kind {kind}")
    try:
        return Message(Kind(kind), call, await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Malformed("link", "the other side ended within a message") from error


def write_exchange(courier: int, milliseconds: int, frame: bytes) -> bytes:
    """Returns the body of an exchange."""
    return _TARGET.pack(courier, milliseconds) + frame


def read_exchange(body: bytes) -> tuple[int, int, bytes]:
    """Reads the body of an exchange: courier, milliseconds, frame; raises ``Malformed``."""
    if len(body) < _TARGET.size:
        raise Malformed("link.exchange", "shorter than its head")
    courier, milliseconds = _TARGET.unpack_from(body)
    return courier, milliseconds, body[_TARGET.size :]


def write_number(value: int) -> bytes:
    """Returns a body that is one number."""
    return value.to_bytes(4, "big")


def read_number(body: bytes) -> int:
    """Reads a body that is one number; raises ``Malformed``."""
    if len(body) != 4:  # noqa: PLR2004 - u32
        raise Malformed("link.number", f"expected 4 bytes, got {len(body)}")
    return int.from_bytes(body, "big")


def write_failure(code: str, text: str) -> bytes:
    """Returns the body of a failed answer."""
    return f"{code}\n{text}".encode(errors="replace")[:4096]


def read_failure(body: bytes) -> tuple[str, str]:
    """Reads the code and the text of a failed answer; any bytes are some failure."""
    code, _, text = body[:4096].decode(errors="replace").partition("\n")
    return code, text


_KINDS: Final = frozenset(Kind)
