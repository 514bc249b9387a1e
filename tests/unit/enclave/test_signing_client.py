"""The handle on the signing child: one reply to one request, whoever is cancelled, and an end that is told."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fabric.core.errors import SigningFailed
from fabric.core.ids import InvocationId, sha256
from fabric.enclave.signing.child import answer
from fabric.enclave.signing.client import SigningClient, open_signing_client
from fabric.enclave.signing.protocol import MAX_FRAME_BYTES
from fabric.enclave.signing.vault import Vault
from fabric.wire.frames import frame, read_frame
from tests.support.enclaves import ATTESTER, CODE, config

VAULT = Vault(config(Path("unused")), ATTESTER, CODE)
ONE, TWO = InvocationId(sha256(b"one")), InvocationId(sha256(b"two"))


class Child:
    """Plays the child's loop in this process, one request after another, as fast as the gate lets it."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Takes the child's end of the socket."""
        self._reader, self.writer = streams
        self.gate = asyncio.Event()
        self.gate.set()

    async def serve(self) -> None:
        """Answers until the peer closes."""
        while (request := await read_frame(self._reader, MAX_FRAME_BYTES)) is not None:
            await self.gate.wait()
            self.writer.write(frame(answer(VAULT, request)))


@pytest.fixture
async def pair() -> AsyncIterator[tuple[SigningClient, Child]]:
    ours, theirs = socket.socketpair()
    client = await open_signing_client(ours)
    child = Child(await asyncio.open_connection(sock=theirs))
    task = asyncio.create_task(child.serve())
    yield client, child
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    child.writer.close()
    client._writer.close()


async def test_concurrent_requests_get_their_own_replies(pair: tuple[SigningClient, Child]) -> None:
    client, _ = pair
    found = await asyncio.gather(*(client.entropy([ONE if at % 2 else TWO]) for at in range(20)))
    assert found == [VAULT.entropy([ONE if at % 2 else TWO]) for at in range(20)]


async def test_a_cancelled_request_leaves_no_reply_behind(pair: tuple[SigningClient, Child]) -> None:
    client, child = pair
    child.gate.clear()
    first = asyncio.create_task(client.entropy([ONE]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(client.entropy([TWO]))
    child.gate.set()
    assert await second == VAULT.entropy([TWO])


async def test_a_refusal_is_told(pair: tuple[SigningClient, Child]) -> None:
    with pytest.raises(SigningFailed, match="before the isolation level"):
        await pair[0].evidence(bytes(32))


async def test_the_end_of_the_child_is_told(pair: tuple[SigningClient, Child]) -> None:
    client, child = pair
    child.writer.close()
    with pytest.raises(SigningFailed, match="gone"):
        await client.describe()
