"""Courier: the Ray actor that moves bytes to an enclave and back. It holds no key and reads no byte of a frame.

Whoever has a handle to an actor can run code in it, and so can be everything that it is; therefore it is nothing. Its
interface is bytes in, bytes out: Ray passes bytes on without pickling them. An answer is one byte, 0 for the enclave's
frame and 1 for a code of ``fabric.runtime.failures``, and the rest.
"""

import asyncio
import contextlib
import os
from typing import Final

FOLDER_VARIABLE: Final = "CRYPTLET_ENCLAVES"
FRAME: Final = b"\0"
"""First byte of an answer that is the enclave's frame."""
FAILURE: Final = b"\1"
"""First byte of an answer that is a failure's code."""
MAX_FRAME: Final = (64 << 20) - 64
"""Bytes of a frame, in either direction."""
CONNECTIONS: Final = 16
"""Exchanges at a time; each has a connection of its own to the enclave."""

_ENCLAVE_LOST: Final = FAILURE + b"enclave-lost"
_OVERSIZE: Final = FAILURE + b"oversize"
_LENGTH_BYTES: Final = 4
_BUFFER: Final = 1 << 20
_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Courier:
    """Carries frames to the enclave that listens on one Unix socket."""

    def __init__(self, path: str) -> None:
        """Takes the path of the enclave's socket; connects when there is something to carry.

        A relative path is one below the folder of enclaves on the machine where the courier happens to run.
        """
        self._path = os.path.join(os.environ.get(FOLDER_VARIABLE, "/"), path)  # noqa: PTH118 - imports next to nothing
        self._idle: list[_Connection] = []

    async def exchange(self, frame: bytes) -> bytes:
        """Carries one frame and returns the answer; never raises for a reason that lies with the enclave."""
        if len(frame) > MAX_FRAME:
            return _OVERSIZE
        # A connection that was idle may be one to an enclave that ended since; only a fresh one can tell.
        while self._idle:
            answer = await self._attempt(self._idle.pop(), frame)
            if answer != _ENCLAVE_LOST:
                return answer
        try:
            connection = await asyncio.open_unix_connection(self._path, limit=_BUFFER)
        except OSError:
            return _ENCLAVE_LOST
        return await self._attempt(connection, frame)

    async def close(self) -> None:
        """Ends the connections that carry nothing."""
        while self._idle:
            writer = self._idle.pop()[1]
            writer.close()
            with contextlib.suppress(OSError):  # what was not delivered belongs to nobody
                await writer.wait_closed()

    async def _attempt(self, connection: _Connection, frame: bytes) -> bytes:
        reader, writer = connection
        healthy = False
        try:
            writer.write(len(frame).to_bytes(_LENGTH_BYTES, "big"))
            writer.write(frame)
            await writer.drain()
            length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "big")
            if length > MAX_FRAME:
                return _OVERSIZE
            answer = FRAME + await reader.readexactly(length)
            healthy = True
        except (OSError, asyncio.IncompleteReadError):
            return _ENCLAVE_LOST
        finally:
            # A call that was cancelled or refused midway leaves bytes of its answer behind.
            if healthy:
                self._idle.append(connection)
            else:
                writer.close()
        return answer
