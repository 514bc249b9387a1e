"""Answers that no honest node gives."""

import asyncio
import traceback
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.ethereum import rpc as module
from adapters.ethereum.checks import check
from adapters.ethereum.rpc import Rpc, place_of
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


@asynccontextmanager
async def serving(head: bytes, parts: int = 0) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        writer.write(head)
        try:
            for _ in range(parts):
                writer.write(b" " * (1 << 20))
                await writer.drain()
            writer.close()
        except ConnectionError:
            pass  # the asker has had enough

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.ethereum
async def test_an_answer_without_end_is_read_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 8 << 20)
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", 256) as place:
        rpc = Rpc(f"http://{place}")
        tracemalloc.start()
        try:
            with pytest.raises(LedgerUnavailable, match="more than 8 MiB"):
                await rpc.ask([("eth_chainId", [])])
            assert tracemalloc.get_traced_memory()[1] < 32 << 20
        finally:
            tracemalloc.stop()
            await rpc.aclose()


@pytest.mark.ethereum
async def test_no_text_of_a_failure_holds_a_providers_key() -> None:
    async with serving(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n") as place:
        url = f"http://user:hunter2@{place}/v3/SECRETKEY"
        rpc = Rpc(url)
        with pytest.raises(LedgerUnavailable, match=f"no answer from the node at {place}: HTTP status 429") as caught:
            await rpc.ask([("eth_chainId", [])])
        await rpc.aclose()
        told = "".join(traceback.format_exception(caught.value))
        # "dXNlcjpodW50ZXIy" is the header's form of it.
        assert not any(secret in told for secret in ("SECRETKEY", "hunter2", "dXNlcjpodW50ZXIy"))
        settings = {"url": url, "settlement": "0x" + "11" * 20, "salt": "22" * 32}
        (finding,) = await check(settings, b"", None)
        assert "SECRETKEY" not in finding.found + finding.fix
        assert place_of(url) in finding.fix


@pytest.mark.ethereum
async def test_nobody_at_the_address_is_said_in_words() -> None:
    rpc = Rpc("http://127.0.0.1:9")
    with pytest.raises(LedgerUnavailable, match=r"^no answer from the node at 127.0.0.1:9: .*[Cc]onnect"):
        await rpc.ask([("eth_chainId", [])])
    await rpc.aclose()
