"""What is brought to a registry over HTTP by somebody who means it ill: too much, without end, again, or deep."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from fabric.core import canonical
from fabric.core.errors import FabricError, Refused
from registry.book.bodies import Claim, Issuer, Owners
from registry.book.entry import MAX_ENTRY_BYTES, Entry
from registry.client.api import Api
from registry.client.audit import audit
from registry.client.transport import MAX_ANSWER, Web
from registry.server.app import make_app
from tests.support.registries import ALICE, BOB, MALLORY, House, Person, opened, owners, release, wheel
from tests.support.registry_server import serving

pytestmark = pytest.mark.e2e

KERNEL = 8 << 20
"""More than the sockets' buffers hold."""
HEADS = {
    "a length that is a lie": b"Content-Length: 1000000000000\r\n\r\n",
    "chunks without end": b"Transfer-Encoding: chunked\r\n\r\n",
}


async def _pour(url: str, head: bytes) -> tuple[bytes, int]:
    """Sends a body for as long as somebody reads; returns the answer's first line and how much was sent."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /api/v1/entries HTTP/1.1\r\nHost: x\r\n" + head)
    answer = asyncio.create_task(reader.readline())
    sent, chunk = 0, b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    try:
        while not answer.done() and sent < 4 * KERNEL:
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
            await asyncio.sleep(0)
        return await answer, sent
    finally:
        writer.close()


@pytest.mark.parametrize("name", HEADS)
async def test_an_entry_without_end_is_refused_while_it_comes(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:
        line, sent = await _pour(url, HEADS[name])
        assert line == b"HTTP/1.1 413 Content Too Large\r\n" or line.startswith(b"HTTP/1.1 413 ")
        assert sent <= 2 * MAX_ENTRY_BYTES + KERNEL


NONSENSE: dict[str, bytes] = {
    "deep lists": b"[" * 40_000,
    "deep objects": b'{"a":' * 8_000,
    "a long number": b"1" * 40_000,
    "a name twice": b'{"signatures":[],"signatures":[],"statement":{}}',
    "no UTF-8": b'{"signatures":[],"statement":"\xff"}',
    "half of a letter": b'{"signatures":[],"statement":"\\ud800"}',
    "not a number": b'{"signatures":[],"statement":NaN}',
    "nothing": b"",
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_nonsense_is_refused_and_hurts_nobody(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:
        status, _ = await asyncio.to_thread(Web(url).ask, "POST", "api/v1/entries", NONSENSE[name])
        assert status == 400
        assert (await house.claim("acme", ALICE)).position == 1


async def test_an_entry_that_waited_is_not_brought_again_after_it_was_logged(tmp_path: Path) -> None:
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:
        await house.claim("acme", ALICE, BOB)
        data = wheel()
        staged = house.entry("acme", release(data, ALICE, staged=True), ALICE)

        def bring() -> None:
            api = Api(Web(url))
            first = api.submit(staged, data)
            assert (first.position, api.pending()[0]["digest"]) == (None, first.digest.hex())
            logged = api.submit(staged.signed_by(BOB.key.public, BOB.key.sign))
            assert logged.position == 2
            assert api.submit(staged).position == 2  # it is where it was
            assert [item["digest"] for item in api.pending() if item["digest"] == first.digest.hex()] == []
            with pytest.raises(Refused, match="somebody else was faster, or it was logged before"):
                api.submit(_moved(staged, house))

        await asyncio.to_thread(bring)
        assert house.registry.book.size == 3


def _moved(entry: Entry, house: House) -> Entry:
    """Returns the same word under the old number, with another body's bytes: nothing that was logged."""
    other = Entry(entry.registry, entry.namespace, entry.sequence, owners(MALLORY, ALICE))
    assert entry.sequence < house.registry.book.holdings["acme"].sequence
    return other.signed_by(ALICE.key.public, ALICE.key.sign)


async def test_what_waits_is_listed_however_much_of_it_there_is(tmp_path: Path) -> None:
    """Anybody may claim, in 49,152 bytes; an operator who cannot read the list could approve nobody any more."""
    people = [Person(f"owner-{number}") for number in range(120)]
    issuers = tuple(
        Issuer(f"https://{number}.example", "x", {f"claim-{at}": "y" * 900 for at in range(7)}) for number in range(6)
    )
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:
        for number, person in enumerate(people):
            claim = Claim(replace(owners(person), issuers=issuers))
            await house.registry.submit(house.entry(f"name-{number}", claim, person))
        listed = await asyncio.to_thread(Api(Web(url)).pending)
        assert len({str(item["namespace"]) for item in listed}) == len(people)
        assert sum(len(canonical.encode(item)) for item in listed) > MAX_ANSWER


async def test_signatures_that_come_one_after_the_other_make_no_entry_too_long(tmp_path: Path) -> None:
    """Each part is within the bound and the whole is not: logged, nobody could read the log any more."""
    people = [Person(f"owner-{number}") for number in range(16)]
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:
        claim = house.entry("acme", Claim(owners(*people, threshold=16)), *people, keys=house.authorities)
        assert (await house.registry.submit(claim)).position == 1
        entry = _filled(house, people)

        def bring() -> None:
            api = Api(Web(url))
            for half in (people[:8], people[8:]):
                part = entry
                for person in half:
                    part = part.signed_by(person.key.public, person.key.sign)
                assert len(canonical.encode(part.to_json())) <= MAX_ENTRY_BYTES
                api.submit(part)

        with pytest.raises(FabricError, match=rf"bytes with its signatures, and may have {MAX_ENTRY_BYTES}"):
            await asyncio.to_thread(bring)
    async with opened(tmp_path) as house:  # which reads its log again
        audit(house.reader(), lambda _: None)
        assert house.registry.book.size == 2


def _filled(house: House, people: list[Person]) -> Entry:
    """Returns a change of owners that is as long as it may be with eight signatures."""
    keys = owners(*people).keys
    spare = MAX_ENTRY_BYTES - len(canonical.encode(house.entry("acme", Owners(keys, 16), *people[:8]).to_json()))
    claims = {f"claim-{number}": "x" * 1_000 for number in range(9)}
    issuers = [Issuer(f"https://{number}.example", "registry", claims) for number in range(7)]
    parts = canonical.encode([item.to_json() for item in issuers])
    assert len(parts) > spare
    surplus = len(parts) - spare
    while surplus > 0:  # shorten one claim after the other
        at, name = next(
            (at, name) for at, item in enumerate(issuers) for name, text in item.claims.items() if len(text) > 1
        )
        cut = min(999, surplus)
        text = issuers[at].claims[name]
        issuers[at] = Issuer(issuers[at].url, "registry", {**issuers[at].claims, name: text[: len(text) - cut]})
        surplus -= cut
    return house.entry("acme", Owners(keys, 16, tuple(issuers)))
