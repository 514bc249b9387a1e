"""The enclave's handle on its signing child. Every call is one round trip; they wait for one another."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from fabric.core.errors import Malformed, SigningFailed
from fabric.core.ids import WORD_BYTES, InvocationId
from fabric.enclave.signing.protocol import (
    MAX_FRAME_BYTES,
    OK,
    BatchRequest,
    Identity,
    Operation,
    SignedHeader,
    read_identity,
    read_signed,
    split_words,
    write_batches,
)
from fabric.wire.frames import frame, read_frame

_BUFFER_BYTES: Final = 1 << 20


class SigningClient:
    """Typed operations of the signing child. Open it with ``open_signing_client``."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Takes the connected socket."""
        self._reader, self._writer = streams
        self._lock = asyncio.Lock()
        self._exchanges: set[asyncio.Task[bytes]] = set()
        self._identity: Identity | None = None

    async def describe(self) -> Identity:
        """Returns who the child is; asked once."""
        if self._identity is None:
            self._identity = read_identity(await self._ask(Operation.DESCRIBE, b""))
        return self._identity

    async def begin(self, isolation: str) -> None:
        """Tells the isolation level, once; raises ``SigningFailed`` when refused."""
        await self._ask(Operation.BEGIN, isolation.encode())

    async def evidence(self, nonce: bytes) -> bytes:
        """Returns evidence for a nonce of 32 bytes; raises ``SigningFailed`` when refused."""
        return await self._ask(Operation.EVIDENCE, nonce)

    async def entropy(self, invocations: Sequence[InvocationId]) -> list[bytes]:
        """Returns a 32-byte seed for each of up to 1,024 invocations."""
        body = await self._ask(Operation.ENTROPY, b"".join(invocations))
        if len(body) != WORD_BYTES * len(invocations):
            message = "the signing child gave another number of seeds than was asked for"
            raise SigningFailed(message)
        return split_words(body)

    async def sign(self, batches: Sequence[BatchRequest]) -> list[SignedHeader]:
        """Returns signed headers of up to 16 batches, in order, in one round trip; all of them or none.

        Raises:
            SigningFailed: the child refused, naming what, or is gone.
        """
        if not batches:
            return []
        keys = (await self.describe()).keys
        signed = read_signed(await self._ask(Operation.SIGN, write_batches(batches)), keys)
        if len(signed) != len(batches):
            message = "the signing child gave another number of headers than was asked for"
            raise SigningFailed(message)
        return signed

    async def _ask(self, operation: Operation, body: bytes) -> bytes:
        # Shielded: the reply to a cancelled caller must be read before the next one asks.
        exchange = asyncio.create_task(self._exchange(bytes([operation]) + body))
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._exchanges.discard)
        reply = await asyncio.shield(exchange)
        if reply[:1] != OK:
            message = f"the signing child refused: {reply[1:].decode(errors='replace')}"
            raise SigningFailed(message)
        return reply[1:]

    async def _exchange(self, request: bytes) -> bytes:
        try:
            async with self._lock:
                self._writer.write(frame(request))
                await self._writer.drain()
                reply = await read_frame(self._reader, MAX_FRAME_BYTES)
        except (ConnectionError, Malformed) as error:
            message = "the signing child is gone"
            raise SigningFailed(message) from error
        if not reply:
            message = "the signing child is gone"
            raise SigningFailed(message)
        return reply


async def open_signing_client(stream: socket.socket) -> SigningClient:
    """Returns the handle on the child at the other end of a socket."""
    streams = await asyncio.open_connection(sock=stream, limit=_BUFFER_BYTES)
    return SigningClient(streams)
