"""Frames on a stream socket: a u32 big-endian length, then that many bytes; never more than the reader allows."""

import asyncio
import socket
from typing import Final

from fabric.core.errors import Malformed

LENGTH_BYTES: Final = 4


def frame(data: bytes) -> bytes:
    """Returns the length prefix and the data; raises ``ValueError`` for 2**32 bytes or more."""
    if len(data) >= 1 << 32:
        message = f"a frame takes less than 2**32 bytes, got {len(data)}"
        raise ValueError(message)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


async def read_frame(reader: asyncio.StreamReader, max_bytes: int) -> bytes | None:
    """Returns the next frame's data, None when the peer closed between two frames.

    Raises:
        Malformed: the peer closed inside a frame or announced more than ``max_bytes``.
        ConnectionError: the connection broke.
    """
    try:
        length = await _read_exactly(reader, LENGTH_BYTES)
        if length is None:
            return None
        return await reader.readexactly(_checked(length, max_bytes))
    except asyncio.IncompleteReadError as error:
        raise Malformed("frame", "the stream ended inside a frame") from error


def receive(stream: socket.socket, max_bytes: int) -> bytes | None:
    """The same as ``read_frame`` for a blocking socket."""
    length = _receive_exactly(stream, LENGTH_BYTES)
    if not length:
        return None
    size = _checked(length, max_bytes) if len(length) == LENGTH_BYTES else -1
    data = _receive_exactly(stream, size) if size >= 0 else b""
    if len(data) != size:
        raise Malformed("frame", "the stream ended inside a frame")
    return data


def _checked(length: bytes, max_bytes: int) -> int:
    size = int.from_bytes(length, "big")
    if size > max_bytes:
        raise Malformed("frame", f"at most {max_bytes} bytes, announced {size}")
    return size


async def _read_exactly(reader: asyncio.StreamReader, size: int) -> bytes | None:
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None


def _receive_exactly(stream: socket.socket, size: int) -> bytes:
    """Returns ``size`` bytes, fewer only where the peer closed."""
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        count = stream.recv_into(view[at:])
        if not count:
            break
        at += count
    return bytes(view[:at])
