"""The gateway's side of the link: questions in, answers or errors out."""

import asyncio
import contextlib
import itertools
import socket
from typing import Final, Self

from fabric.core.errors import FabricError, Malformed
from fabric.core.model import Failure
from fabric.runtime import link
from fabric.runtime.failures import CourierLost, error_of
from fabric.runtime.link import Kind, Message

_LIMIT: Final = 1 << 20


class GatewayLink:
    """Asks the driver; every question is answered, at the latest with ``CourierLost`` when the driver ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes both directions and starts to read answers; needs a running loop."""
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count(1)
        self.ended = asyncio.Event()
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def over(cls, handle: socket.socket) -> Self:
        """Returns the link over a connected socket, which it then owns."""
        return cls(*await asyncio.open_connection(sock=handle, limit=_LIMIT))

    async def ask(self, kind: Kind, body: bytes) -> bytes:
        """Asks one question and returns the answer's body.

        Raises:
            CourierLost: the driver is gone.
            FabricError: what the driver answered.
        """
        if self.ended.is_set():
            raise CourierLost("Ray is not running")
        call = next(self._numbers) & 0xFFFF_FFFF
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[call] = answer
        try:
            self._writer.write(link.encode(Message(kind, call, body)))
            with contextlib.suppress(ConnectionError):  # the reader sees the end too, and fails the answer
                await self._writer.drain()
            return await answer
        finally:
            self._waiting.pop(call, None)

    async def close(self) -> None:
        """Ends the link; the driver takes that as its end."""
        self._writer.close()
        await self._reading

    async def _read(self, reader: asyncio.StreamReader) -> None:
        reason = "Ray ended"
        try:
            while (message := await link.receive(reader)) is not None:
                self._settle(message)
        except Malformed as error:
            reason = f"what runs in Ray broke the link: {error}"
        finally:
            self.ended.set()
            self._writer.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(CourierLost(reason))

    def _settle(self, message: Message) -> None:
        answer = self._waiting.get(message.call)
        if answer is None or answer.done():
            return  # the asker has given up
        if message.kind is Kind.DONE:
            answer.set_result(message.body)
        else:
            answer.set_exception(_error(message))


def _error(message: Message) -> FabricError:
    code, text = link.read_failure(message.body)
    return error_of(Failure(code, text))
