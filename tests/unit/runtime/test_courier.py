import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fabric.runtime import courier
from fabric.runtime.courier import Courier


class Echo:
    """Answers each frame with itself, until told to hang up."""

    def __init__(self) -> None:
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.arrived.set()
        self.writers.append(writer)
        try:
            while True:
                length = await reader.readexactly(4)
                frame = await reader.readexactly(int.from_bytes(length, "big"))
                await self.gate.wait()
                writer.write(length + frame)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.fixture
async def carrier(tmp_path: Path) -> AsyncIterator[Courier]:
    made = Courier(str(tmp_path / "s"))
    yield made
    await made.close()


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_unix_server(echo.accept, path)
    try:
        yield echo
    finally:
        server.close()
        echo.gate.set()
        for writer in echo.writers:
            writer.close()
        await asyncio.gather(*echo.tasks)


async def test_frames_go_out_and_come_back(carrier: Courier, tmp_path: Path) -> None:
    async with listening(tmp_path / "s") as echo:
        for frame in (b"", b"x", bytes(1 << 20)):
            assert await carrier.exchange(frame) == courier.FRAME + frame
        assert echo.connections == 1


async def test_exchanges_at_a_time_have_connections_of_their_own(carrier: Courier, tmp_path: Path) -> None:
    async with listening(tmp_path / "s") as echo:
        frames = [bytes([number]) * 100 for number in range(8)]
        answers = await asyncio.gather(*map(carrier.exchange, frames))
        assert answers == [courier.FRAME + frame for frame in frames]
        assert echo.connections == 8
        await asyncio.gather(*map(carrier.exchange, frames))
        assert echo.connections == 8


async def test_an_enclave_that_is_gone_is_a_value(carrier: Courier) -> None:
    assert await carrier.exchange(b"x") == courier.FAILURE + b"enclave-lost"


async def test_an_enclave_that_ends_in_the_middle_is_a_value(carrier: Courier, tmp_path: Path) -> None:
    async with listening(tmp_path / "s") as echo:
        echo.gate.clear()
        waiting = asyncio.create_task(carrier.exchange(b"x"))
        await echo.arrived.wait()
        echo.writers[0].close()
        assert await waiting == courier.FAILURE + b"enclave-lost"


async def test_a_connection_of_an_enclave_before_is_not_held_against_the_new_one(
    carrier: Courier, tmp_path: Path
) -> None:
    async with listening(tmp_path / "s"):
        await carrier.exchange(b"x")
    async with listening(tmp_path / "s"):
        assert await carrier.exchange(b"y") == courier.FRAME + b"y"


async def test_an_exchange_that_was_given_up_leaves_no_answer_for_the_next(carrier: Courier, tmp_path: Path) -> None:
    async with listening(tmp_path / "s") as echo:
        await carrier.exchange(b"warm")
        echo.gate.clear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(carrier.exchange(b"late"), 0.01)
        echo.gate.set()
        assert await carrier.exchange(b"next") == courier.FRAME + b"next"


async def test_frames_beyond_the_limit_are_a_value(
    carrier: Courier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "MAX_FRAME", 8)
    async with listening(tmp_path / "s"):
        assert await carrier.exchange(bytes(9)) == courier.FAILURE + b"oversize"
