"""Frames: a length and as many bytes; a peer that lies about either is refused, over both kinds of stream."""

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from fabric.core.errors import Malformed
from fabric.wire.frames import frame, read_frame, receive

LIMIT = 100


async def read_all(data: bytes) -> list[bytes]:
    """Reads frames up to the end of a stream."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    found = []
    while (one := await read_frame(reader, LIMIT)) is not None:
        found.append(one)
    return found


def receive_all(data: bytes) -> list[bytes]:
    """The same over a blocking socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.close()
        found = []
        while (one := receive(ours, LIMIT)) is not None:
            found.append(one)
        return found


@given(st.lists(st.binary(max_size=LIMIT), max_size=5))
def test_frames_are_read_back(parts: list[bytes]) -> None:
    data = b"".join(map(frame, parts))
    assert asyncio.run(read_all(data)) == parts
    assert receive_all(data) == parts


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0", "ended inside a frame"),
        (b"\0\0\0", "ended inside a frame"),
        (b"\0\0\0\5abcd", "ended inside a frame"),
        (frame(b"x") + b"\0\0\0\1", "ended inside a frame"),
        (b"\0\0\0\x65" + bytes(101), "at most 100 bytes, announced 101"),
        (b"\xff\xff\xff\xff", "announced 4294967295"),
    ],
    ids=["length", "most-of-length", "data", "second", "long", "longest"],
)
def test_a_stream_that_ends_or_lies_is_malformed(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        asyncio.run(read_all(data))
    with pytest.raises(Malformed, match=reason):
        receive_all(data)


@given(st.binary(max_size=40))
def test_both_readers_agree_on_any_bytes(data: bytes) -> None:
    assert _verdict(lambda: asyncio.run(read_all(data))) == _verdict(lambda: receive_all(data))


def _verdict(read: object) -> object:
    try:
        return read()  # type: ignore[operator]
    except Malformed as error:
        return error.reason


def test_a_frame_has_a_length_of_32_bits() -> None:
    class Long(bytes):
        @override
        def __len__(self) -> int:
            return 1 << 32

    with pytest.raises(ValueError, match="less than 2"):
        frame(Long())
