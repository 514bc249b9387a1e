"""Driver: the one process of the jail that the gateway talks to; it hires couriers and passes frames on.

It is a process of its own because a Ray driver unpickles what Ray hands it: code that runs in Ray could make the driver
run code too. Here that code finds itself in the same jail. ``python -m fabric.runtime.driver DESCRIPTOR [unjailed]``.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Final

from fabric.core import canonical
from fabric.core.errors import FabricError, Malformed
from fabric.enclave.sandbox import kernel
from fabric.runtime import link, processes
from fabric.runtime.couriers import Couriers
from fabric.runtime.head import HeadConfig, daemons, start_head
from fabric.runtime.link import Kind, Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

UNJAILED: Final = "unjailed"
_LIMIT: Final = 1 << 20


class Driver:
    """Answers the messages of one link, each in a task of its own."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        """Takes the side of the link on which answers leave."""
        self._writer = writer
        self._couriers = Couriers()
        self._tasks: set[asyncio.Task[None]] = set()
        self._end: Callable[[], None] = writer.close
        self._answers: dict[Kind, Callable[[bytes], Awaitable[bytes]]] = {
            Kind.START: self._start,
            Kind.HIRE: self._hire,
            Kind.DISMISS: self._dismiss,
            Kind.EXCHANGE: self._exchange,
            Kind.MEASURE: self._measure,
        }

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Serves until the gateway ends the link, or Ray's head ends: the gateway then starts another."""
        self._end = reader.feed_eof
        while (message := await link.receive(reader)) is not None:
            task = asyncio.create_task(self._answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Message) -> None:
        try:
            body = await self._answers[message.kind](message.body)
            answer = Message(Kind.DONE, message.call, body)
            data = link.encode(answer)
        except FabricError as error:
            data = _failed(message.call, error.code, str(error))
        except Exception as error:  # noqa: BLE001 - Ray raises many kinds; none may leave a question unanswered
            data = _failed(message.call, "courier-lost", f"{type(error).__name__}: {error}")
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):  # the reading side sees the end too
            await self._writer.drain()

    async def _start(self, body: bytes) -> bytes:
        # Blocks the loop: there is nothing else to answer before Ray runs.
        version = start_head(HeadConfig.parse(body))
        for handle in daemons():
            asyncio.get_running_loop().add_reader(handle, self._end)
        return version.encode()

    async def _hire(self, body: bytes) -> bytes:
        value = canonical.decode_object(body)
        name, path, options = value.get("name"), value.get("socket"), value.get("options")
        if not isinstance(name, str) or not isinstance(path, str) or not isinstance(options, dict):
            raise Malformed("link.hire", "expected name, socket, options")
        return link.write_number(await self._couriers.hire(name, path, options))

    async def _dismiss(self, body: bytes) -> bytes:
        self._couriers.dismiss(link.read_number(body))
        return b""

    async def _exchange(self, body: bytes) -> bytes:
        courier, milliseconds, frame = link.read_exchange(body)
        return await self._couriers.exchange(courier, frame, milliseconds / 1000)

    async def _measure(self, body: bytes) -> bytes:
        from fabric.runtime.baseline import calls_per_second  # noqa: PLC0415 - imports ray

        rate = await asyncio.to_thread(calls_per_second, link.read_number(body))
        return json.dumps(rate).encode()


def _failed(call: int, code: str, text: str) -> bytes:
    return link.encode(Message(Kind.FAILED, call, link.write_failure(code, text)))


async def run(handle: socket.socket) -> None:
    """Serves one link over a connected socket."""
    reader, writer = await asyncio.open_connection(sock=handle, limit=_LIMIT)
    await Driver(writer).serve(reader)


def main(descriptor: int, *, jailed: bool) -> None:
    """Serves the link on an inherited socket, then ends everything that was started from here."""
    if not jailed:
        kernel.die_with_parent()
    with contextlib.suppress(Malformed):  # the gateway was killed while it wrote
        asyncio.run(run(socket.socket(fileno=descriptor)))
    if not jailed:
        # No process 1 falls with us, and the kernel leaves our children alone.
        for process in reversed(processes.descendants(os.getpid())):
            process.kill()
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), jailed=UNJAILED not in sys.argv[2:])
