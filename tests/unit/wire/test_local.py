"""Local sockets: private, a reply for each request in order, and a clear error for whatever a peer does."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fabric.core.errors import ConfigError, Malformed, PlatformError
from fabric.wire.frames import frame
from fabric.wire.local import MAX_PATH_BYTES, Door, Line

LIMIT = 1_000


async def _echo(request: bytes) -> bytes:
    if request == b"slowly":
        await asyncio.sleep(0)
    return b"re: " + request


DOOR = Door(_echo, lambda error: b"malformed: " + error.reason.encode(), LIMIT)


@pytest.fixture
async def path(tmp_path: Path) -> AsyncIterator[Path]:
    where = tmp_path / "s"
    async with await DOOR.serve(where):
        yield where


async def test_requests_and_replies(path: Path) -> None:
    async with Line(path, LIMIT) as line:
        assert await line.ask(b"one") == b"re: one"
        assert await line.ask(b"") == b"re: "


async def test_concurrent_requests_get_their_own_replies(path: Path) -> None:
    async with Line(path, LIMIT) as line:
        asked = [b"slowly", *(str(number).encode() for number in range(20))]
        assert await asyncio.gather(*map(line.ask, asked)) == [b"re: " + one for one in asked]


async def test_a_cancelled_request_does_not_leave_its_reply_to_the_next(tmp_path: Path) -> None:
    held = asyncio.Event()

    async def answer(request: bytes) -> bytes:
        if request == b"held":
            await held.wait()
        return b"re: " + request

    async with await Door(answer, lambda _: b"", LIMIT).serve(tmp_path / "s"), Line(tmp_path / "s", LIMIT) as line:
        first = asyncio.create_task(line.ask(b"held"))
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        held.set()
        assert await line.ask(b"next") == b"re: next"


async def test_only_this_user_may_connect(path: Path) -> None:
    mode = (await asyncio.to_thread(path.stat)).st_mode
    assert stat.S_IMODE(mode) == 0o600


async def test_the_socket_of_an_earlier_process_is_replaced(path: Path) -> None:
    async with await DOOR.serve(path), Line(path, LIMIT) as line:
        assert await line.ask(b"x") == b"re: x"


async def test_a_frame_beyond_the_limit_gets_a_complaint_and_the_end(path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write((LIMIT + 1).to_bytes(4, "big"))
    assert b"malformed: at most 1000 bytes" in await reader.read()
    writer.close()


async def test_a_peer_that_leaves_inside_a_frame_harms_nobody(path: Path) -> None:
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(b"\0\0\0\x09half")
    writer.close()
    await writer.wait_closed()
    async with Line(path, LIMIT) as line:
        assert await line.ask(b"x") == b"re: x"


async def test_a_reply_beyond_the_limit_is_malformed(path: Path) -> None:
    async with Line(path, 8) as line:
        with pytest.raises(Malformed, match="at most 8 bytes"):
            await line.ask(b"a long request")
        assert await line.ask(b"x") == b"re: x"


async def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="No such file"):
        await Line(tmp_path / "nobody", LIMIT).ask(b"x")


async def test_a_peer_that_closes_without_a_reply(tmp_path: Path) -> None:
    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_unix_server(close, tmp_path / "s"), Line(tmp_path / "s", LIMIT) as line:
        with pytest.raises(PlatformError):
            await line.ask(b"x")


async def test_a_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    long = tmp_path / ("x" * MAX_PATH_BYTES)
    with pytest.raises(ConfigError, match="choose a shorter state folder"):
        await DOOR.serve(long)
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        await Line(long, LIMIT).ask(b"x")


def test_a_frame_is_what_is_sent() -> None:
    assert frame(b"ab") == b"\0\0\0\2ab"
