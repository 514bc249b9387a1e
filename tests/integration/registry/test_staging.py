"""A build server stages a bundle by an OIDC token of a local issuer; nothing runs before an owner's key signed it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fabric.bundles.bundle import read_bundle
from fabric.core.clock import SystemClock
from fabric.core.errors import FabricError, NotFound
from registry.book.bodies import Issuer as Trusted
from registry.book.bodies import Release
from registry.client.api import Api
from registry.client.transport import Web
from registry.publish import sign_publication
from registry.server.app import make_app
from tests.support.issuer import AUDIENCE, REPOSITORY, Issuer, running_issuer
from tests.support.registries import ALICE, BOB, House, opened, owners, wheel
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
            assert api.waiting_wheel(digest) == data
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
        await asyncio.to_thread(api.stage, "acme", token, wheel())
        with pytest.raises(FabricError, match="was used before"):
            await asyncio.to_thread(api.stage, "acme", token, wheel())
        async with serving(make_app(house.registry, is_local=True)) as url:  # a restart remembers
            with pytest.raises(FabricError, match="was used before"):
                await asyncio.to_thread(Api(Web(url)).stage, "acme", token, wheel())


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
