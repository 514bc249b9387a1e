"""The real server as a process, and a wire to it on which it is killed at a point of a request."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

SERVE: Final = (sys.executable, "-m", "fabric.cli.main", "registry", "serve")
_PIECE: Final = 4_096


class Point(StrEnum):
    """Where in a request the server dies."""

    BEFORE_BODY = "before the body"
    MID_BODY = "in the middle of the body"
    AFTER_BODY = "after the body"
    ANSWERED = "before its answer arrives"


@dataclass(frozen=True)
class Server:
    """A served registry as a process.

    Attributes:
        process: the process.
        port: on loopback.
    """

    process: asyncio.subprocess.Process
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def kill(self) -> None:
        if self.process.returncode is None:
            os.kill(self.process.pid, signal.SIGKILL)
        await self.process.communicate()


@asynccontextmanager
async def served(folder: Path, *options: str) -> AsyncIterator[Server]:
    """Runs ``cryptlet registry serve`` for as long as the block lasts, or until it is killed."""
    pipe = asyncio.subprocess.PIPE
    command = (*SERVE, str(folder), "--port", "0", *options)
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    assert process.stdout is not None
    said = (await process.stdout.readline()).decode()
    assert "entries" in said
    server = Server(process, int(said.rpartition(":")[2]))
    try:
        yield server
    finally:
        await server.kill()


@dataclass(frozen=True)
class _Cutter:
    """Carries requests to a server, and kills it in the one that asks for a path."""

    server: Server
    path: str
    point: Point

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            while not await self._carry((reader, writer), (there, to_there)):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the author hung up
        finally:
            writer.close()
            to_there.close()

    async def _carry(
        self,
        here: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> bool:
        """Carries one request and its answer; returns whether the server died of it."""
        head = await here[0].readuntil(b"\r\n\r\n")
        is_it = self.path.encode() in head.partition(b"\r\n")[0]
        there[1].write(head)
        if is_it and self.point is Point.BEFORE_BODY:
            return await self._die(there[1])
        length, sent = _length(head), 0
        while sent < length:
            data = await here[0].readexactly(min(_PIECE, length - sent))
            there[1].write(data)
            sent += len(data)
            if is_it and self.point is Point.MID_BODY and 2 * sent >= length:
                return await self._die(there[1])
        if is_it and self.point is Point.AFTER_BODY:
            return await self._die(there[1])
        answer = await there[0].readuntil(b"\r\n\r\n")
        if is_it and self.point is Point.ANSWERED:
            return await self._die(there[1])
        here[1].write(answer + await there[0].readexactly(_length(answer)))
        return False

    async def _die(self, to_there: asyncio.StreamWriter) -> bool:
        await to_there.drain()
        await self.server.kill()
        return True


@asynccontextmanager
async def cut_wire(server: Server, path: str, point: Point) -> AsyncIterator[str]:
    """Puts a wire before a server, which dies of the request for a path; yields the wire's URL."""
    listener = await asyncio.start_server(_Cutter(server, path, point), "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


def _length(head: bytes) -> int:
    """Returns how many bytes follow a head."""
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next((int(value) for name, _, value in lines if name == b"content-length"), 0)
