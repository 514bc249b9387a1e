"""Local sockets: a Unix socket of mode 0600 whose peers send frames and get one frame for each, in order."""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from fabric.core.errors import ConfigError, Malformed, PlatformError
from fabric.wire.frames import frame, read_frame

MAX_PATH_BYTES: Final = 107
"""Longest path of a Unix socket on Linux."""
_BUFFER_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Door:
    """What a local server does with its peers.

    Attributes:
        answer: request to reply; must not raise for anything that a peer can send.
        complain: the reply to an ill-formed frame, after which the connection is closed.
        max_bytes: longest request.
    """

    answer: Callable[[bytes], Awaitable[bytes]]
    complain: Callable[[Malformed], bytes]
    max_bytes: int

    async def serve(self, path: Path) -> asyncio.Server:
        """Listens at a path, which only this user may open; other users' peers are closed unheard.

        Raises:
            ConfigError: the path is too long for a Unix socket.
        """
        check_path(path)
        _clear(path)
        before = os.umask(0o177)
        try:
            return await asyncio.start_unix_server(self._converse, path, limit=_BUFFER_BYTES)
        finally:
            os.umask(before)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if _peer_user(writer.get_extra_info("socket")) == os.geteuid():
                await self._answer_all(reader, writer)
        except ConnectionError:
            pass  # the peer left; nothing of ours depends on its hearing the reply
        finally:
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await read_frame(reader, self.max_bytes)) is not None:
                writer.write(frame(await self.answer(request)))
                await writer.drain()
        except Malformed as error:
            writer.write(frame(self.complain(error)))
            await writer.drain()


class Line:
    """A connection to such a socket; concurrent requests wait for one another."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Connects when first asked.

        Args:
            path: the socket.
            max_bytes: longest reply that is read.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> bytes:
        """Returns the reply to a request.

        Raises:
            PlatformError: nobody listens, or the peer closed; whether it acted on the request is unknown.
            Malformed: the reply is no frame, or too long.
        """
        async with self._lock:
            reader, writer = await self._connected()
            try:
                writer.write(frame(request))
                await writer.drain()
                reply = await read_frame(reader, self._max_bytes)
            except BaseException as error:
                # A cancelled request leaves its reply behind; the next must not read it.
                self._hang_up()
                if isinstance(error, ConnectionError):
                    message = f"{self._path}: {error}"
                    raise PlatformError(message) from error
                raise
            if reply is None:
                self._hang_up()
                message = f"{self._path}: closed without a reply"
                raise PlatformError(message)
            return reply

    async def aclose(self) -> None:
        """Closes the connection; idempotent."""
        self._hang_up()

    async def __aenter__(self) -> Self:
        """Returns itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the connection."""
        await self.aclose()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            check_path(self._path)
            try:
                self._streams = await asyncio.open_unix_connection(self._path, limit=_BUFFER_BYTES)
            except OSError as error:
                message = f"{self._path}: {error.strerror}"
                raise PlatformError(message) from error
        return self._streams

    def _hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def check_path(path: Path) -> None:
    """Refuses a path that no Unix socket can have; raises ``ConfigError``."""
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        message = f"{path}: a socket's path takes at most {MAX_PATH_BYTES} bytes; choose a shorter state folder"
        raise ConfigError(message)


def _clear(path: Path) -> None:
    """Removes the socket of an earlier process, which nobody answers any more."""
    path.unlink(missing_ok=True)


def _peer_user(peer: socket.socket) -> int:
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return int(user)
