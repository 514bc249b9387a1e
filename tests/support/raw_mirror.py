"""A server of raw bytes: answers that no library would send, to whatever is asked."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Pieces = Callable[[], Iterable[bytes]]


@dataclass
class RawMirror:
    """What it was asked, and what it got rid of.

    Attributes:
        url: its address.
        sent: bytes that it handed to the kernel, of one answer each.
    """

    url: str = ""
    sent: list[int] = field(default_factory=list)


def forever(head: bytes, piece: bytes) -> Pieces:
    """Gives a head, then a piece again and again."""
    return lambda: itertools.chain([head], itertools.repeat(piece))


def dripping(pieces: Pieces, beat: Callable[[], None]) -> Pieces:
    """Gives the same bytes one at a time; ``beat`` is called before each."""

    def single() -> Iterator[bytes]:
        for piece in pieces():
            for at in range(len(piece)):
                beat()
                yield piece[at : at + 1]

    return single


@asynccontextmanager
async def raw_mirror(pieces: Pieces) -> AsyncIterator[RawMirror]:
    """Serves on a free port of loopback."""
    mirror = RawMirror()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        mirror.sent.append(0)
        try:
            for piece in pieces():
                writer.write(piece)
                await writer.drain()
                mirror.sent[-1] += len(piece)
                await asyncio.sleep(0)
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        mirror.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield mirror
