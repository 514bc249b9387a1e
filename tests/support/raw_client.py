"""A client below HTTP's libraries: sends what its test says, as slowly as it says, from the address that it says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

HERE = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What a server said.

    Attributes:
        status: of HTTP.
        headers: by name in lower case.
        body: the rest until the server closed, or as long as it said.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found


@dataclass(frozen=True)
class Line:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def begin(self, path: str, length: int, method: str = "POST", more: str = "") -> None:
        """Sends a head that promises a body."""
        await self.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{more}\r\n".encode())

    async def answer(self) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(": ") for line in head[1:] if line)
        headers = {name.lower(): value for name, _, value in pairs}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(head[0].split()[1]), headers, body)

    async def closed(self) -> bool:
        """Waits for the server to close; returns whether it said nothing more."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def line(url: str, source: str = HERE) -> AsyncIterator[Line]:
    """Opens a connection for as long as the block lasts."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), local_addr=(source, 0))
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


async def ask(url: str, path: str, body: bytes = b"", source: str = HERE, more: str = "") -> Answer:
    """Asks once: with a body by POST, else by GET."""
    async with line(url, source) as one:
        await one.begin(path, len(body), "POST" if body else "GET", more)
        await one.send(body)
        return await one.answer()
