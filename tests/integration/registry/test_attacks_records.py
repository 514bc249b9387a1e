"""Records that do not follow from the log, under the stolen online key: refused by a reader, or by an audit."""

import asyncio
from pathlib import Path

import pytest

from fabric.core import canonical
from fabric.core.errors import VerificationError
from fabric.core.ids import sha256
from fabric.trust.standing import State
from registry.book.bodies import Compromise
from registry.client.audit import audit
from registry.client.transport import Web
from registry.records import FORMAT, names_path, namespace_path, records, wheel_path
from tests.support.evil_mirror import Mirror
from tests.support.registries import ALICE, BOB, MALLORY, opened, owners, release, wheel
from tests.support.registry_server import serving

pytestmark = pytest.mark.e2e


async def test_an_index_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    """The thief of the online key gives a name in use to another, true bundle."""
    async with opened(tmp_path) as house, serving(Mirror(house.public).app()) as url:
        await house.claim("acme", ALICE)
        await house.publish("acme", wheel(), ALICE)
        await house.claim("mallory", MALLORY)
        evil = await house.publish("mallory", wheel(version="6.6.6"), MALLORY)
        path = names_path("acme", "greeter")
        house.registry.publisher.tuf.publish(
            {path: canonical.encode({"format": FORMAT, "versions": {"6.6.6": evil.measurement.hex()}})}
        )

        def look() -> None:
            reader = house.reader(source=Web(url))
            reader.refresh()
            reader.resolve("acme", "greeter")

        with pytest.raises(VerificationError, match=r"leads from acme/greeter@6\.6\.6 to mallory/greeter@6\.6\.6"):
            await asyncio.to_thread(look)


async def test_the_server_with_a_lost_publishers_key_fools_a_reader_until_an_audit(tmp_path: Path) -> None:
    """What remains: two thefts at once, the server's keys and a key that an owner has declared lost.

    The thief hides the declaration from the namespace's record, and logs a release by the lost key. A reader of a few
    records cannot miss what it is not shown; who reads the whole log does, and the refusal names the entry.
    """
    async with opened(tmp_path) as house, serving(Mirror(house.public).app()) as url:
        await house.claim("acme", ALICE)
        await house.registry.submit(house.entry("acme", owners(ALICE, BOB), ALICE))
        path = namespace_path("acme")
        before = records(house.registry.book, house.registry.leaves)[path]
        await house.registry.submit(house.entry("acme", Compromise(ALICE.key.public, 0), BOB))
        data = wheel(version="6.6.6")
        house.registry.publisher.shelf.put(wheel_path(sha256(data)), data)
        await house.force(house.entry("acme", release(data, ALICE), ALICE))
        house.registry.publisher.tuf.publish({path: before})
        target = list(house.registry.book.listings)[-1]

        def look() -> None:
            reader = house.reader(source=Web(url))
            reader.refresh()
            assert reader.find(target).listing.now.state is State.ACTIVE
            with pytest.raises(VerificationError, match=r"rules: release in namespace 'acme': .* is in wrong hands"):
                audit(reader, lambda _: None)

        await asyncio.to_thread(look)
