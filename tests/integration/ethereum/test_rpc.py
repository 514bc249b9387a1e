"""Answers that no honest node gives."""

import asyncio

import pytest

from adapters.ethereum.rpc import Rpc
from fabric.core.errors import LedgerUnavailable

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize("body", [b"[" * 400_000, b'{"id":' * 400_000, b"", b"null", b"\xff", b"[{}]"])
async def test_a_hostile_answer_is_an_error_and_not_the_end_of_the_process(body: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        writer.write(HEAD % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    rpc = Rpc(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        with pytest.raises(LedgerUnavailable):
            await rpc.ask([("eth_chainId", [])])
    finally:
        await rpc.aclose()
        server.close()
