"""Uploads that come too slowly, too often, or too many at once; heads that never end. Reading goes on meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fabric.core.clock import FrozenClock
from fabric.core.errors import Retry
from registry.book.bodies import MAX_WHEEL_BYTES
from registry.busy import TooOften
from registry.client.api import Api
from registry.client.transport import Web
from registry.server import protocol
from registry.server.app import make_app
from registry.server.limits import Gate, Limits
from registry.server.protocol import PatientProtocol
from tests.support.cut_wire import served
from tests.support.raw_client import HERE, ask, line
from tests.support.registries import ALICE, House, opened, release, wheel
from tests.support.registry_server import serving

pytestmark = pytest.mark.e2e

ENTRIES = "/api/v1/entries"
CURRENT = "/metadata/timestamp.json"
SHORT_SECONDS = 0.2
THERE, ELSEWHERE = "127.0.0.2", "127.0.0.3"


@dataclass
class Scene:
    """A served registry whose limits stand on a clock that the test moves."""

    house: House
    gate: Gate
    clock: FrozenClock
    url: str = field(default="")

    async def reads(self) -> None:
        """Finds that reading goes on, and that no place is left taken."""
        assert (await ask(self.url, CURRENT)).status == 200

    async def freed(self) -> None:
        """Waits until every place is free; the test's bound against hanging ends it otherwise."""
        while self.gate._inside:  # noqa: ASYNC110 - the server's side of a cut connection rings no bell
            await asyncio.sleep(0.01)


@asynccontextmanager
async def scene(folder: Path, limits: Limits, proxy: str = "") -> AsyncIterator[Scene]:
    clock = FrozenClock()
    gate = Gate(limits, clock)
    async with opened(folder) as house, serving(make_app(house.registry, gate=gate), proxy) as url:
        yield Scene(house, gate, clock, url)


async def test_a_body_that_stops_is_given_up(tmp_path: Path) -> None:
    async with scene(tmp_path, Limits(idle_seconds=SHORT_SECONDS)) as at, line(at.url) as one:
        await one.begin(ENTRIES, 1_000)
        await one.send(b"0123456789")
        answer = await one.answer()
        assert (answer.status, answer.error["code"], answer.error["retry"]) == (408, "too-slow", "safe")
        assert "nothing came for 0.2 s after 10 bytes; nothing of it was taken" in answer.error["message"]
        assert await one.closed()
        await at.freed()
        await at.reads()


async def test_a_body_that_drips_is_given_up(tmp_path: Path) -> None:
    async with scene(tmp_path, Limits()) as at, line(at.url) as one:
        await one.begin(ENTRIES, 1_000)
        answer = asyncio.create_task(one.answer())
        sent = 0
        while not answer.done():
            await one.send(b" ")
            sent += 1
            at.clock.advance(1)
            await asyncio.sleep(0.01)
        assert (await answer).status == 408
        assert "less than 32768 bytes a second" in (await answer).error["message"]
        assert sent < 100  # ten seconds are its own; the rest is what was under way


async def test_a_body_at_the_least_pace_is_taken(tmp_path: Path) -> None:
    async with scene(tmp_path, Limits(bytes_per_second=100)) as at, line(at.url) as one:
        await one.begin(ENTRIES, 2_000)
        for _ in range(20):
            await one.send(b" " * 100)
            at.clock.advance(1)
            await asyncio.sleep(0.01)
        assert (await one.answer()).error["code"] == "malformed"  # read to its end


async def test_an_upload_that_is_cut_leaves_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path, Limits()) as at:
        await at.house.claim("acme", ALICE)
        data = wheel()
        outcome = await at.house.registry.submit(at.house.entry("acme", release(data, ALICE), ALICE))
        assert outcome.wheel is not None
        async with line(at.url) as one:
            await one.begin(f"/api/v1/pending/{outcome.digest.hex()}/wheels/{outcome.wheel.hex()}", len(data), "PUT")
            await one.send(data[: len(data) // 2])
        await at.freed()
        assert not (tmp_path / "registry" / "staged").exists()
        await asyncio.to_thread(Api(Web(at.url)).submit, at.house.entry("acme", release(data, ALICE), ALICE), data)
        assert at.house.registry.book.size == 3


UNASKED: dict[str, tuple[str, str, str]] = {
    f"PUT /api/v1/pending/{'00' * 32}/wheels/{'00' * 32}": ("", "not-found", "submit the release first"),
    "POST /api/v1/staged/acme": ("Authorization: Bearer x\r\n", "unauthenticated", "the namespace trusts no issuer"),
    "POST /api/v1/staged/nobodys": ("Authorization: Bearer x\r\n", "not-found", "nobodys"),
    "POST /api/v1/usage": ("", "refused", "this registry counts no usage"),
}


@pytest.mark.parametrize("what", UNASKED)
async def test_what_nobody_asked_for_is_refused_before_its_body(tmp_path: Path, what: str) -> None:
    more, code, message = UNASKED[what]
    method, _, path = what.partition(" ")
    async with scene(tmp_path, Limits()) as at, line(at.url) as one:
        await at.house.claim("acme", ALICE)
        await one.begin(path, MAX_WHEEL_BYTES, method, more)  # and not a byte of it
        error = (await one.answer()).error
        assert (error["code"], message in error["message"]) == (code, True)


async def test_places_are_bounded_in_all_and_for_each_address(tmp_path: Path) -> None:
    async with scene(tmp_path, Limits(at_once=2, at_once_each=1)) as at, AsyncExitStack() as stack:
        held = [await stack.enter_async_context(line(at.url, source)) for source in (HERE, THERE)]
        for one in held:
            await one.begin(ENTRIES, 1)
        while at.gate._inside.total() < 2:  # noqa: ASYNC110 - until the server has read both heads
            await asyncio.sleep(0.01)
        mine = await ask(at.url, ENTRIES, b"{")
        assert (mine.status, mine.error["code"], mine.headers["retry-after"]) == (429, "too-often", "10")
        assert "1 uploads from 127.0.0.1 are under way" in mine.error["message"]
        other = await ask(at.url, ENTRIES, b"{", ELSEWHERE)
        assert (other.status, other.error["code"], other.headers["retry-after"]) == (503, "busy", "10")
        await at.reads()
        await held[0].send(b"{")
        assert (await held[0].answer()).status == 400
        assert (await ask(at.url, ENTRIES, b"{", ELSEWHERE)).status == 400


async def test_an_address_has_its_share_a_minute(tmp_path: Path) -> None:
    async with scene(tmp_path, Limits(per_minute=3)) as at:

        async def brought(source: str = HERE, more: str = "") -> int:
            return (await ask(at.url, ENTRIES, b"{", source, more)).status

        assert [await brought() for _ in range(4)] == [400, 400, 400, 429]
        refused = await ask(at.url, ENTRIES, b"{", more="X-Forwarded-For: 203.0.113.7\r\n")  # believed of nobody
        assert (refused.status, refused.headers["retry-after"]) == (429, "20")
        assert "more than 3 uploads a minute from 127.0.0.1: do the same again in 20 s" in refused.error["message"]
        assert await brought(THERE) == 400
        for _ in range(10):
            await at.reads()
        at.clock.advance(19)
        assert await brought() == 429
        at.clock.advance(1)
        assert [await brought(), await brought()] == [400, 429]


async def test_the_word_of_the_named_proxy_counts_and_only_its(tmp_path: Path) -> None:
    async with scene(tmp_path, Limits(per_minute=1), proxy=HERE) as at:

        async def brought(client: str, source: str = HERE) -> int:
            return (await ask(at.url, ENTRIES, b"{", source, f"X-Forwarded-For: {client}\r\n")).status

        assert [await brought("203.0.113.7") for _ in range(2)] == [400, 429]
        assert await brought("203.0.113.8") == 400
        assert await brought("203.0.113.9, 203.0.113.8") == 429  # the last one is the proxy's, the rest anybody's
        assert await brought("203.0.113.10", THERE) == 400
        assert await brought("203.0.113.11", THERE) == 429


async def test_who_brings_much_too_often_hears_why(tmp_path: Path) -> None:
    async with scene(tmp_path, Limits(per_minute=1)) as at:
        assert (await ask(at.url, ENTRIES, b"{")).status == 400
        api = Api(Web(at.url))

        def bring() -> None:
            api._ask("PUT", f"api/v1/pending/{'00' * 32}/wheels/{'00' * 32}", bytes(MAX_WHEEL_BYTES))

        with pytest.raises(TooOften, match="do the same again in 60 s") as caught:
            await asyncio.to_thread(bring)
        assert caught.value.retry is Retry.SAFE


async def test_an_operator_sets_the_limits_of_the_real_server(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    options = ("--uploads-per-minute", "2", "--uploads-at-once", "1", "--proxy", THERE)
    async with served(tmp_path / "registry", *options) as server:
        named = [f"X-Forwarded-For: 203.0.113.{number}\r\n" for number in range(3)]
        mine = [(await ask(server.url, ENTRIES, b"{", HERE, each)).status for each in named]
        theirs = [(await ask(server.url, ENTRIES, b"{", THERE, each)).status for each in named]
        assert (mine, theirs) == ([400, 400, 429], [400, 400, 400])
        async with line(server.url, THERE) as one:
            await one.begin(ENTRIES, 1, more="Expect: 100-continue\r\n")
            assert b" 100 " in await one.reader.readuntil(b"\r\n\r\n")  # it reads the body: the place is taken
            assert (await ask(server.url, ENTRIES, b"{", ELSEWHERE)).status == 503
            await one.send(b"{")
            assert (await one.answer()).status == 400
        assert (await ask(server.url, CURRENT)).status == 200


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PatientProtocol, "head_seconds", SHORT_SECONDS)


DRIPS: dict[str, tuple[bytes, bytes, list[bytes]]] = {
    "nothing": (b"", b"", [b"408"]),
    "a head": (b"GET / HTTP/1.1\r\nX-More: ", b"x", [b"408"]),
    "a line": (b"", b"G", [b"408"]),
    "the head of a second request": (b"GET /api/v1/ HTTP/1.1\r\nHost: x\r\n\r\n", b"G", [b"200", b"408"]),
    "a body that was answered": (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b" ", [b"404"]),
}


@pytest.mark.parametrize("name", DRIPS)
@pytest.mark.usefixtures("hasty")
async def test_a_connection_without_a_request_is_closed(tmp_path: Path, name: str) -> None:
    head, drop, statuses = DRIPS[name]
    async with scene(tmp_path, Limits()) as at, line(at.url) as one:
        said = bytearray()
        ended = asyncio.create_task(_hear(one.reader, said))
        await one.send(head)
        while not ended.done():
            one.writer.write(drop)
            await asyncio.sleep(SHORT_SECONDS / 10)
        assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == statuses
        await at.reads()


async def _hear(reader: asyncio.StreamReader, said: bytearray) -> None:
    """Reads until the server closes, which whoever still sends hears as an error."""
    with suppress(ConnectionError):
        while data := await reader.read(4_096):
            said += data


UNREAD = f"wheels/{'00' * 32}.whl"


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Returns what is set when the server has lost a connection."""
    event, before = asyncio.Event(), PatientProtocol.connection_lost

    def connection_lost(self: PatientProtocol, exc: Exception | None) -> None:
        before(self, exc)
        event.set()

    monkeypatch.setattr(PatientProtocol, "connection_lost", connection_lost)
    return event


@pytest.mark.parametrize("more", ["", "Connection: close\r\n"])
async def test_who_does_not_read_holds_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: asyncio.Event, more: str
) -> None:
    monkeypatch.setattr(PatientProtocol, "read_seconds", SHORT_SECONDS)
    async with scene(tmp_path, Limits()) as at, line(at.url) as one:
        at.house.registry.publisher.shelf.put(UNREAD, bytes(MAX_WHEEL_BYTES))  # more than waits between the two
        await one.send(f"GET /{UNREAD} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
        await lost.wait()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await one.answer()
        await at.reads()


async def test_who_reads_gets_all_of_it_however_long_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PatientProtocol, "read_seconds", 0.001)  # it is looked at again and again
    monkeypatch.setattr(protocol, "READ_PACE", 0)
    async with scene(tmp_path, Limits()) as at, line(at.url) as one:
        at.house.registry.publisher.shelf.put(UNREAD, bytes(MAX_WHEEL_BYTES))
        await one.begin(f"/{UNREAD}", 0, "GET")
        assert len((await one.answer()).body) == MAX_WHEEL_BYTES
