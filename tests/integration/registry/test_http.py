"""The registry over HTTP: publishing by its API, reading by its static files."""

import asyncio
from pathlib import Path

import pytest

from fabric.core.errors import Malformed, NotFound, Refused
from fabric.core.ids import sha256
from registry.book.bodies import Claim
from registry.book.entry import Entry
from registry.client.api import Api
from registry.client.transport import Web
from registry.server.app import make_app
from tests.support.registries import ALICE, BOB, MALLORY, opened, owners, release, wheel
from tests.support.registry_server import serving

pytestmark = pytest.mark.e2e


async def test_claim_approve_publish_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:

        def publish() -> None:
            api = Api(Web(url))
            claim = api.make("acme", Claim(owners(ALICE)), [ALICE.key])
            told = api.submit(claim)
            assert told.position is None
            assert "waits for its approval" in told.lacks
            waiting = api.waiting(told.digest.hex())
            assert waiting == claim
            for key in house.authorities:
                waiting = waiting.signed_by(key.public, key.sign)
            assert api.submit(waiting).position == 1
            data = wheel()
            entry = api.make("acme", release(data, ALICE), [ALICE.key])
            assert api.submit(entry, data).position == 2
            assert api.submit(entry, data).position == 2  # a repeat is answered with its place
            reader = house.reader(source=Web(url))
            reader.refresh()
            found = reader.resolve("acme", "greeter")
            assert reader.wheel(found)[0] == data
            assert reader.standings([found.listing.measurement])
            assert [item["ref"] for item in api.search("greets")["results"]] == ["acme/greeter@1.0.0"]  # type: ignore[index, union-attr, call-overload]

        await asyncio.to_thread(publish)


async def test_a_staged_release_waits_for_a_second_key(tmp_path: Path) -> None:
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:
        await house.claim("acme", ALICE, BOB)

        def publish() -> None:
            api, data = Api(Web(url)), wheel()
            entry = api.make("acme", release(data, ALICE, staged=True), [ALICE.key])
            told = api.submit(entry, data)
            assert (told.position, "1 of the 2 owners" in told.lacks) == (None, True)
            reader = house.reader(source=Web(url))
            reader.refresh()
            with pytest.raises(NotFound):
                reader.resolve("acme", "greeter")
            waiting = api.waiting(told.digest.hex())
            assert api.waiting_wheel(told.digest.hex(), BOB.key) == data
            with pytest.raises(Refused, match=r"neither owns it nor is an authority"):
                api.submit(waiting.signed_by(MALLORY.key.public, MALLORY.key.sign))
            assert api.submit(waiting.signed_by(BOB.key.public, BOB.key.sign)).position == 2

        await asyncio.to_thread(publish)


async def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:
        await house.claim("acme", ALICE)

        def ask() -> None:
            web, api = Web(url), Api(Web(url))
            assert web.ask("POST", "api/v1/entries", b"{")[0] == 400
            assert web.ask("POST", "api/v1/entries", b"x" * 60_000)[0] == 413
            assert web.ask("PUT", f"api/v1/pending/{'00' * 32}/wheels/{'00' * 32}", b"x")[0] == 404
            for path in (
                "metadata/../../registry.db",
                "metadata/%2e%2e/%2e%2e/registry.db",
                "keys/log.key",
                "metadata/.x",
            ):
                assert web.ask("GET", path, None)[0] == 404
            entry = Entry("registry.test/two", "acme", 1, Claim(owners(ALICE)))
            with pytest.raises(Refused, match=r"signed for the log 'registry.test/two'"):
                api.submit(entry.signed_by(ALICE.key.public, ALICE.key.sign))
            other = api.make("acme", release(wheel(), ALICE), [ALICE.key])
            with pytest.raises(Refused, match=r"the registry waits for the wheel"):
                api.submit(other, wheel(version="1.0.1"))
            path = f"api/v1/pending/{other.digest.hex()}/wheels/{sha256(wheel()).hex()}"
            status, said = web.ask("PUT", path, wheel(version="1.0.1"))
            assert (status, b"bytes of SHA-256" in said) == (409, True)
            forged = api.make("acme", release(wheel(), ALICE), [])
            signature = other.signatures[0]
            with pytest.raises(Malformed, match=r"does not hold"):
                api.submit(forged.with_signatures([type(signature)(signature.scheme, signature.key, bytes(64))]))

        await asyncio.to_thread(ask)
