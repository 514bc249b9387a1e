"""A build server stages a bundle by an OIDC token of a local issuer; nothing runs before an owner's key signed it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import registry.house.registry as house_of_registry
from fabric.bundles.bundle import read_bundle
from fabric.core.clock import FrozenClock, SystemClock
from fabric.core.errors import FabricError, NotFound, Refused, Unauthenticated
from fabric.core.ids import sha256
from registry.book.bodies import Issuer as Trusted
from registry.book.bodies import Release
from registry.client.api import Api
from registry.client.transport import Web
from registry.house.registry import WAIT_SECONDS
from registry.house.store import Pending
from registry.publish import sign_publication
from registry.server.app import make_app
from tests.support.issuer import AUDIENCE, REPOSITORY, Issuer, running_issuer
from tests.support.registries import ALICE, BOB, MALLORY, House, opened, owners, wheel
from tests.support.registry_server import serving

pytestmark = pytest.mark.e2e


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[tuple[House, Api, Issuer]]:
    with running_issuer() as issuer:
        async with opened(tmp_path) as house, serving(make_app(house.registry, is_local=True)) as url:
            await house.claim("acme", ALICE)
            trusted = Trusted(issuer.url, AUDIENCE, {"repository": REPOSITORY})
            await house.registry.submit(house.entry("acme", replace(owners(ALICE), issuers=(trusted,)), ALICE))
            await house.claim("bobs", ALICE)
            yield house, Api(Web(url)), issuer


def _token(issuer: Issuer, **claims: str) -> str:
    return issuer.mint.token({**issuer.mint.claims(SystemClock().unix_seconds()), **claims})


async def test_what_a_token_brings_waits_for_an_owner(tmp_path: Path) -> None:
    async with scene(tmp_path) as (house, api, issuer):
        data = wheel()

        def stage() -> None:
            digest = str(api.stage("acme", _token(issuer), data)["digest"])
            staged = api.staged(digest)
            assert staged is not None
            namespace, body = staged
            provenance: Any = body["provenance"]
            assert provenance == {
                "issuer": issuer.url,
                "subject": f"repo:{REPOSITORY}:ref:refs/heads/main",
                "repository": REPOSITORY,
            }
            assert api.waiting_wheel(digest, ALICE.key) == data
            for stranger in (BOB, MALLORY):  # with the file they could publish it first
                with pytest.raises(Unauthenticated, match="owns neither the namespace nor the registry"):
                    api.waiting_wheel(digest, stranger.key)
            reader = house.reader()
            reader.refresh()
            with pytest.raises(NotFound):
                reader.resolve("acme", "greeter")
            publication = sign_publication(read_bundle(data), ALICE.publisher)
            body_of_release = Release(publication, len(data), provenance=provenance)
            told = api.submit(api.make(namespace, body_of_release, [ALICE.key]), data)
            assert told.position is not None
            reader.refresh()
            assert reader.resolve("acme", "greeter").listing.provenance["repository"] == REPOSITORY
            assert api.pending() == []

        await asyncio.to_thread(stage)


REFUSED: dict[str, tuple[Callable[[Issuer], str], str, str]] = {
    "another repository": (
        lambda issuer: _token(issuer, repository="mallory/cold-chain"),
        "acme",
        r"repository.*acme/cold-chain.*mallory/cold-chain",
    ),
    "another audience": (lambda issuer: _token(issuer, aud="https://elsewhere.example"), "acme", r"aud.*elsewhere"),
    "a namespace that trusts nobody": (_token, "bobs", r"trusts no issuer"),
    "a namespace of nobody": (_token, "nobody", r"nobody has claimed"),
    "no token": (lambda _: "x", "acme", r"token"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_token_that_does_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    make, namespace, pattern = REFUSED[name]
    async with scene(tmp_path) as (_, api, issuer):
        with pytest.raises(FabricError, match=rf"(?s){pattern}"):
            await asyncio.to_thread(api.stage, namespace, make(issuer), wheel())


async def test_a_token_is_used_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as (house, api, issuer):
        token = _token(issuer)
        with pytest.raises(FabricError, match="bundle"):
            await asyncio.to_thread(api.stage, "acme", token, b"cut off")  # which leaves the token as it was
        first = await asyncio.to_thread(api.stage, "acme", token, wheel())
        assert await asyncio.to_thread(api.stage, "acme", token, wheel()) == first, "who heard no answer repeats"
        async with serving(make_app(house.registry, is_local=True)) as url:  # a restart remembers
            again = Api(Web(url))
            assert await asyncio.to_thread(again.stage, "acme", token, wheel()) == first
            with pytest.raises(FabricError, match="was used before"):
                await asyncio.to_thread(again.stage, "acme", token, wheel(version="2.0.0"))
        assert len(await asyncio.to_thread(api.pending)) == 1


async def test_without_a_token_that_fits_no_byte_of_the_file_is_taken(tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, api, _issuer):
        host, _, port = api._web.name.removeprefix("http://").rstrip("/").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /api/v1/staged/acme HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b.c\r\n"
            b"Content-Length: 30000000\r\n\r\n"
        )
        await writer.drain()
        assert (await reader.readline()).split()[1] in {b"400", b"401"}
        writer.close()


async def test_a_namespace_takes_no_room_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house_of_registry, "MAX_OF_NAMESPACE", 2)
    clock = FrozenClock(SystemClock().unix_seconds())
    async with opened(tmp_path, clock) as house:
        await house.claim("acme", ALICE, BOB, threshold=2)
        await house.claim("bobs", BOB)
        files = [wheel(version=f"1.0.{number}") for number in range(3)]
        for number, data in enumerate(files[:2]):
            assert await _bring(house, data, "acme", str(number))
        with pytest.raises(Refused, match="2 entries of 'acme' wait already"):
            await _bring(house, files[2], "acme", "2")
        assert await _bring(house, files[2], "bobs", "2")
        assert len(_staged(house)) == 3
        clock.advance(WAIT_SECONDS + 1)
        assert await _bring(house, files[0], "bobs", "3")
        await house.registry.refresh()
        assert _staged(house) == [f"{sha256(files[0]).hex()}.whl"], "what nothing waits for is gone"


async def _bring(house: House, data: bytes, namespace: str, token: str) -> bool:
    now = house.clock.unix_seconds()
    item = Pending(sha256(namespace.encode(), data), "staged", namespace, b"{}", sha256(data), now)
    return await house.registry.stage(item, read_bundle(data), data, (token, now))


def _staged(house: House) -> list[str]:
    return sorted(path.name for path in house.registry.wheels.staged.root.rglob("*") if path.is_file())


async def test_a_bundle_of_another_namespace_is_not_staged(tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, api, issuer):
        with pytest.raises(Refused, match="is of the namespace 'bobs', as its manifest says, not 'acme'"):
            await asyncio.to_thread(api.stage, "acme", _token(issuer), wheel(namespace="bobs"))
        assert await asyncio.to_thread(api.pending) == []


async def test_a_token_that_was_used_leaves_no_file(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
        files = [wheel(version=f"1.0.{number}") for number in range(4)]
        brought = await asyncio.gather(*(_bring(house, data, "acme", "the token") for data in files))
        assert sorted(brought) == [False, False, False, True]  # at the same moment
        assert _staged(house) == [f"{sha256(files[brought.index(True)]).hex()}.whl"]


async def test_one_wheel_waits_in_two_namespaces(tmp_path: Path) -> None:
    async with scene(tmp_path) as (house, api, issuer):
        await house.claim("zeta-works", BOB)
        trusted = Trusted(issuer.url, AUDIENCE, {"repository": REPOSITORY})
        await house.registry.submit(house.entry("zeta-works", replace(owners(BOB), issuers=(trusted,)), BOB))
        for namespace in ("acme", "zeta-works"):
            token = _token(issuer, jti=f"for {namespace}")
            digest = str((await asyncio.to_thread(api.stage, namespace, token, wheel()))["digest"])
            staged = await asyncio.to_thread(api.staged, digest)
            assert staged is not None
            assert staged[0] == staged[1]["namespace"] == namespace
        waiting = await asyncio.to_thread(api.pending)
        assert sorted(str(item["namespace"]) for item in waiting) == ["acme", "zeta-works"]
