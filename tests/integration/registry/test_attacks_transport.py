"""Answers that never end, below HTTP's bodies: heads, interim answers, framing, trailers, bombs; fast and slow."""

import asyncio
import gzip
from pathlib import Path

import pytest

from fabric.core.clock import FrozenClock
from fabric.core.errors import FabricError, StoreError, VerificationError
from registry.client.transport import DEADLINE_SECONDS, Web
from tests.support.raw_mirror import Pieces, dripping, forever, raw_mirror
from tests.support.registries import ALICE, House, opened, wheel

pytestmark = pytest.mark.e2e

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b"HTTP/1.1 200 OK\r\n\r\n"
LINES = b"X-More: and more\r\n" * 64
ENDLESS: dict[str, tuple[Pieces, str]] = {
    "interim answers": (forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 64), r"\d+ bytes with head and framing"),
    "headers": (forever(b"HTTP/1.1 200 OK\r\n", LINES), r"no answer \(ProtocolError\)"),
    "one header": (forever(b"HTTP/1.1 200 OK\r\nX-More: ", b"and more" * 64), r"no answer \(ProtocolError\)"),
    "a body": (forever(BODY, b" " * 4096), r"more than the 512000 bytes that it may have"),
    "chunks of a byte": (forever(CHUNKED, b"1\r\n \r\n" * 64), r"\d+ bytes with head and framing"),
    "a length of a chunk": (forever(CHUNKED, b"0" * 4096), r"no answer \(ProtocolError\)"),
    "trailers": (forever(CHUNKED + b"0\r\n", LINES), r"\d+ bytes with head and framing"),
}
ROOT_BYTES = 512_000
"""That the next root metadata may have: it is what a reader asks for first."""
KERNEL = 8 << 20
"""More than the two sockets' buffers hold of what nobody reads."""


def _refresh(house: House, url: str, clock: FrozenClock | None = None) -> None:
    house.reader("victim", Web(url, clock)).refresh()


@pytest.mark.parametrize("name", ENDLESS)
async def test_an_answer_without_end_costs_no_more_than_twice_the_file(tmp_path: Path, name: str) -> None:
    pieces, refusal = ENDLESS[name]
    async with opened(tmp_path) as house, raw_mirror(pieces) as mirror:
        with pytest.raises(StoreError, match=refusal):
            await asyncio.to_thread(_refresh, house, mirror.url)
        assert len(mirror.sent) == 1
        assert mirror.sent[0] <= 2 * ROOT_BYTES + KERNEL


@pytest.mark.parametrize("name", ENDLESS)
async def test_an_answer_that_drips_meets_the_deadline(tmp_path: Path, name: str) -> None:
    clock = FrozenClock()
    pieces = dripping(ENDLESS[name][0], lambda: clock.advance(1))
    async with opened(tmp_path) as house, raw_mirror(pieces) as mirror:
        with pytest.raises(StoreError, match=r"bytes in 30 s, which is too slow; take a mirror"):
            await asyncio.to_thread(_refresh, house, mirror.url, clock)
        assert mirror.sent[0] < DEADLINE_SECONDS * 100  # a read takes what has come by then


async def test_a_mirror_gets_rid_of_no_more_than_twice_what_the_largest_file_may_have(tmp_path: Path) -> None:
    async with opened(tmp_path) as house, raw_mirror(forever(BODY, b" " * 65_536)) as mirror:
        await house.claim("acme", ALICE)
        bundle = await house.publish("acme", wheel(), ALICE)

        def look() -> None:
            reader = house.reader("victim")
            reader.refresh()
            reader._source = Web(mirror.url)
            reader.standings([bundle.measurement])

        with pytest.raises(VerificationError, match=r"standing: .*more than the 33554432 bytes that it may have"):
            await asyncio.to_thread(look)
        assert mirror.sent[0] <= 2 * (32 << 20)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
async def test_a_bomb_is_never_unpacked(tmp_path: Path, encoding: str) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(bomb)}\r\n\r\n"
    async with opened(tmp_path) as house, raw_mirror(lambda: [head.encode(), bomb]) as mirror:
        with pytest.raises(StoreError, match=rf"sent as '{encoding}' where no encoding was asked for; take another"):
            await asyncio.to_thread(_refresh, house, mirror.url)


CUT: dict[str, bytes] = {
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
    "in the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
    "in a chunk": CHUNKED + b"64\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 100\r\n\r\n{}",
    "a length below zero": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "a chunk below zero": CHUNKED + b"-1\r\n{}\r\n",
    "a version of another time": b"HTTP/9.9 200 OK\r\n\r\n{}",
    "a status of letters": b"HTTP/1.1 OK OK\r\n\r\n{}",
}


@pytest.mark.parametrize("name", CUT)
async def test_an_answer_that_is_cut_or_spoiled_is_an_error_of_the_registry(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path) as house, raw_mirror(lambda: [CUT[name]]) as mirror:
        with pytest.raises(FabricError, match=r"metadata"):
            await asyncio.to_thread(_refresh, house, mirror.url)
