"""A registry and a real fabric: checkpoints on ledgers convict a registry that shows another history; usage is counted
from anchored records.
"""

import asyncio
import shutil
from functools import cached_property
from pathlib import Path

import pytest
from typing_extensions import override

from fabric.client import Client
from fabric.core.errors import FabricError, VerificationError
from fabric.trust.policy import Policy
from registry.client.anchors import check_anchors
from registry.client.transport import Web
from registry.server.anchoring import Anchorer
from registry.server.app import make_app
from registry.tuf.keys import Key
from tests.support.house import House
from tests.support.house_work import binding_of, document, invocation_of, wait_final
from tests.support.projects import FINGERPRINT, PUBLISHER, built
from tests.support.registries import ALICE, Person, opened, wheel
from tests.support.registry_server import serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

BINDING = "checkpoints"


class Box(Person):
    """Who published the cryptlets of the box in tests."""

    @cached_property
    @override
    def key(self) -> Key:
        return Key(PUBLISHER.key)


@pytest.fixture(autouse=True)
async def binding(house: House, client: Client) -> None:
    await client.put_binding(binding_of(house, BINDING, methods=("document", "file")).document)


async def test_a_ledger_convicts_a_registry_of_two_histories(house: House, tmp_path: Path) -> None:
    policy = Policy.parse((house.state / "policy.json").read_bytes())
    async with opened(tmp_path / "true") as first:
        await first.claim("acme", ALICE)
        await asyncio.to_thread(shutil.copytree, tmp_path / "true", tmp_path / "false")
        await first.publish("acme", wheel(), ALICE)
        anchorer = Anchorer(first.registry, house.client, BINDING, 0.2)
        assert await anchorer.anchor() == 3
        assert await anchorer.anchor() is None  # nothing new
        await first.publish("acme", wheel(version="1.1.0"), ALICE)
        reader = first.reader()
        await asyncio.to_thread(reader.refresh)
        told = await asyncio.to_thread(check_anchors, reader, policy)
        assert told == "anchors: 1 checkpoints hold, the newest of 3 entries on ethereum, native"
    async with opened(tmp_path / "false") as other:
        for version in ("6.0.0", "6.1.0"):
            await other.publish("acme", wheel(version=version), ALICE)
        anchors = tmp_path / "true" / "registry" / "public" / "log" / "anchors"
        await asyncio.to_thread(shutil.copytree, anchors, other.public / "log" / "anchors")
        liar = other.reader()
        await asyncio.to_thread(liar.refresh)
        with pytest.raises(VerificationError, match=r"anchors: split view: ethereum holds 3 entries of registry\.test"):
            await asyncio.to_thread(check_anchors, liar, policy)


async def test_usage_is_counted_from_anchored_records_once(house: House, client: Client, tmp_path: Path) -> None:
    policy = Policy.parse((house.state / "policy.json").read_bytes())
    (answer,) = (await client.invoke(BINDING, [document(7, "usage")])).answers
    (result,) = await wait_final(client, [invocation_of(answer)])
    proofs = [await client.proof(invocation_of(answer), anchor.destination) for anchor in result.anchors]
    async with opened(tmp_path) as home, serving(make_app(home.registry, policy=policy)) as url:
        await home.claim("acme", Box("box"))
        web = Web(url)
        status, said = await asyncio.to_thread(web.ask, "POST", "api/v1/usage", proofs[0])
        assert (status, b"no bundle of measurement" in said) == (404, True)
        bundle = await home.publish("acme", built(FINGERPRINT).wheel, Box("box"))
        for proof in (*proofs, *proofs):
            status, said = await asyncio.to_thread(web.ask, "POST", "api/v1/usage", proof)
            assert status == 200, said
        counted = home.registry.usage[bundle.measurement]
        assert sorted(name.partition(" ")[0] for name in counted) == ["ethereum", "native"]
        assert set(counted.values()) == {1}
        spoiled = proofs[0].replace(b'"method":"document"', b'"method":"documenu"')
        status, said = await asyncio.to_thread(web.ask, "POST", "api/v1/usage", spoiled)
        assert (status, b"statement" in said) == (422, True)
        _, page = await asyncio.to_thread(web.ask, "GET", "cryptlets/acme/fingerprint", None)
        assert b"Anchored records by ledger" in page


async def test_a_fabric_that_is_away_anchors_later(tmp_path: Path) -> None:
    async with opened(tmp_path) as home:
        anchorer = Anchorer(home.registry, lambda: Client("127.0.0.1:1", "x", 2.0), BINDING)
        with pytest.raises(FabricError):
            await anchorer.anchor()
