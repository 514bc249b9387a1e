"""The shelf over a real registry: what the pages say is what its log, wheels and counts say."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.bundles.bundle import read_bundle
from fabric.core import canonical
from fabric.core.errors import Malformed, StoreError, VerificationError
from fabric.core.ids import Digest, sha256
from fabric.trust.standing import State
from registry.book.bodies import Compromise, Link, Owners, Rebuild, Service
from registry.client.audit import audit
from registry.client.lock import load_lock
from registry.client.verify import Demands, examine
from registry.house.catalogue import score
from registry.names import parse_ref
from registry.records import wheel_path
from registry.server.app import make_app
from registry.server.publishers import HISTORY
from registry.server.shelf import FRONT, PAGE, BookShelf
from tests.support.account_links import EVM, HYPERLEDGER, NATIVE, linked
from tests.support.asgi import Answer, call_here
from tests.support.registries import ALICE, BOB, MALLORY, House, opened, owners, wheel
from tests.support.shelves import pages_app
from tests.vectors.gen_data_service import FIELDS

LEDGER: Final = f"native {'ab' * 32}"
API: Final = "/api/v1/cryptlets/acme/greeter"
README: Final = "# Greeter\n\n<script>alert(1)</script>\n"


def service(version: str = "1.0.0", **changes: canonical.JsonValue) -> Service:
    return Service("ecb-rates", version, {**FIELDS, "version": version, **changes})


async def get(shelf: BookShelf, path: str) -> Answer:
    return await call_here(pages_app(shelf, "registry.test"), path, {})


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as made:
        await made.claim("acme", ALICE)
        yield made


@pytest.fixture
def shelf(house: House) -> BookShelf:
    return BookShelf(house.registry)


async def test_an_empty_registry_has_a_front(shelf: BookShelf) -> None:
    front = shelf.front()
    assert (front.newest, front.most_used) == ((), ())
    assert (front.cryptlets, front.releases, front.namespaces, front.log_size) == (0, 0, 1, 2)
    assert shelf.search("", 1).pages == 0


async def test_a_release_is_what_its_wheel_and_the_log_say(house: House, shelf: BookShelf) -> None:
    bundle = await house.publish("acme", wheel(readme=README), ALICE)
    view = shelf.release("acme", "greeter", "1.0.0")
    assert view is not None
    assert (view.measurement, view.position) == (bundle.measurement, house.registry.book.size - 1)
    assert view.publisher == ALICE.key.public.hex()
    assert view.readme == README
    assert [method.name for method in view.terms.methods] == ["greet"]
    assert (view.standing.state, view.previous, view.rebuilds) == (State.ACTIVE, None, ())
    assert shelf.release("acme", "greeter", "1.0.1") is None
    assert shelf.release("acme", "other", "1.0.0") is None
    assert shelf.release("nobody", "greeter", "1.0.0") is None


@pytest.mark.parametrize("state", [State.DEPRECATED, State.YANKED, State.REVOKED])
async def test_a_state_comes_with_its_reason_and_entry(house: House, shelf: BookShelf, state: State) -> None:
    bundle = await house.publish("acme", wheel(), ALICE)
    await house.change(bundle, state, "it leaks", ALICE)
    view = shelf.release("acme", "greeter", "1.0.0")
    assert view is not None
    assert (view.standing.state, view.standing.reason) == (state, "it leaks")
    assert view.standing.position == view.position + 1
    cryptlet = shelf.cryptlet("acme", "greeter")
    assert cryptlet is not None
    assert (cryptlet.newest is None) is (state is not State.DEPRECATED)


async def test_versions_are_newest_first_and_the_one_to_install_can_be_bound(house: House, shelf: BookShelf) -> None:
    for version in ("1.9.0", "1.10.0"):
        await house.publish("acme", wheel(version=version, readme=f"# {version}"), ALICE)
    last = await house.publish("acme", wheel(version="2.0.0rc1"), ALICE)
    view = shelf.cryptlet("acme", "greeter")
    assert view is not None
    assert [row.version for row in view.versions] == ["1.10.0", "1.9.0", "2.0.0rc1"]
    assert view.newest == view.versions[0]
    pre = shelf.release("acme", "greeter", "2.0.0rc1")
    assert pre is not None
    assert (pre.previous, pre.measurement) == (None, last.measurement)
    newest = house.registry.book.find("acme", "greeter", "1.10.0").measurement
    await house.change(read_bundle(wheel(version="1.10.0", readme="# 1.10.0")), State.YANKED, "bad", ALICE)
    view = shelf.cryptlet("acme", "greeter")
    assert view is not None
    assert view.newest is not None
    assert (view.newest.version, view.readme) == ("1.9.0", "# 1.9.0")
    assert view.versions[0].measurement == newest


async def test_rebuilds_are_counted_among_all_who_rebuild(house: House, shelf: BookShelf) -> None:
    await house.claim("bobs", BOB)
    await house.claim("mallorys", MALLORY)
    first = await house.publish("acme", wheel(), ALICE)
    second = await house.publish("acme", wheel(version="1.1.0"), ALICE)
    await house.registry.submit(house.entry("bobs", Rebuild(first.measurement), BOB))
    await house.registry.submit(house.entry("mallorys", Rebuild(second.measurement), MALLORY))
    view = shelf.release("acme", "greeter", "1.0.0")
    assert view is not None
    assert [(item.who, item.measurement) for item in view.rebuilds] == [("bobs", first.measurement), ("mallorys", None)]
    assert (view.rebuilds[0].key, view.rebuilds[1].key) == (BOB.key.public.hex(), "")
    assert view.rebuilds[0].position == house.registry.book.size - 2


async def test_a_list_and_a_page_say_what_a_release_asks_for(house: House, shelf: BookShelf) -> None:
    await house.publish("acme", wheel(capabilities='["native"]'), ALICE)
    await house.publish("acme", wheel("other"), ALICE)
    asked = {item.name: item.capabilities for item in shelf.search("acme", 1).listings}
    assert asked == {"greeter": ("native",), "other": ()}
    assert "asks for <code>native</code>" in (await get(shelf, "/search?q=greeter")).text
    assert "asks for" not in (await get(shelf, "/search?q=other")).text
    page = (await get(shelf, "/cryptlets/acme/greeter/1.0.0")).text
    assert "It brings machine code of others, which runs where a binding grants it." in page


async def test_pages_verify_and_api_count_one_way_when_a_rebuilders_key_is_stolen(house: House, tmp_path: Path) -> None:
    await house.claim("bobs", BOB, ALICE)
    await house.claim("mallorys", MALLORY)
    bundle = await house.publish("acme", wheel(), ALICE)
    for namespace, person in (("bobs", BOB), ("mallorys", MALLORY)):
        await house.registry.submit(house.entry(namespace, Rebuild(bundle.measurement), person))
    assert await _counted(house, tmp_path, 2) == ("2 of 2", ("bobs", "mallorys"))
    book = house.registry.book
    since = book.listings[bundle.measurement].rebuilds["bobs"].logged
    await house.registry.submit(house.entry("bobs", Compromise(BOB.key.public, since), ALICE))
    with pytest.raises(VerificationError, match=r"1 of the 2 rebuilds .*\(mallorys\); not counted, .*stolen.*: bobs"):
        await _counted(house, tmp_path, 2)
    assert await _counted(house, tmp_path, 1) == ("1 of 2", ("mallorys",))
    page = (await get(BookShelf(house.registry), "/cryptlets/acme/greeter/1.0.0")).text
    assert "Signed with a stolen key: it counts nothing." in page
    assert BOB.key.public.hex() in page
    await house.registry.submit(house.entry("bobs", Rebuild(bundle.measurement), ALICE))
    assert await _counted(house, tmp_path, 2) == ("2 of 2", ("bobs", "mallorys"))
    audit(house.reader("auditor"), lambda _: None)


async def _counted(house: House, folder: Path, wanted: int) -> tuple[str, tuple[str, ...]]:
    """Returns what the page says, and whom reader and API count, who agree."""
    reader = house.reader()
    reader.refresh()
    lock = load_lock(folder / "cryptlet.lock")
    found = examine(reader, parse_ref("acme/greeter@1.0.0"), lock, Demands(wanted)).found
    (release,) = json.loads((await call_here(make_app(house.registry), API, {})).text)["releases"]
    assert release["rebuilds"] == [*found.book.rebuilders(found.listing)]
    page = (await get(BookShelf(house.registry), "/cryptlets/acme/greeter/1.0.0")).text
    said = re.search(r"<strong>(\d of \d)</strong> independent", page)
    assert said is not None
    return said[1], tuple(release["rebuilds"])


async def test_usage_is_what_was_counted(house: House, shelf: BookShelf) -> None:
    first = await house.publish("acme", wheel(), ALICE)
    second = await house.publish("acme", wheel(version="1.1.0"), ALICE)
    for number, bundle in enumerate((first, first, second)):
        await house.registry.count(Digest(sha256(bytes([number]))), bundle.measurement, LEDGER)
    release, cryptlet = shelf.release("acme", "greeter", "1.0.0"), shelf.cryptlet("acme", "greeter")
    assert release is not None
    assert cryptlet is not None
    (told,) = release.usage
    assert (told.ledger, told.destination, told.records) == ("native", "ab" * 32, 2)
    assert told.counted == house.registry.usage_until
    assert [item.records for item in cryptlet.usage] == [3]
    assert [(item.name, item.records) for item in shelf.front().most_used] == [("greeter", 3)]


async def test_a_search_finds_data_services_beside_code_page_by_page(house: House, shelf: BookShelf) -> None:
    for number in range(PAGE):
        await house.publish("acme", wheel(name=f"greeter-{number}"), ALICE)
    await house.registry.submit(house.entry("acme", service(), ALICE))
    first, second = shelf.search("acme", 1), shelf.search("acme", 2)
    assert (first.total, first.pages, len(first.listings), len(second.listings)) == (PAGE + 1, 2, PAGE, 1)
    assert len({item.name for item in (*first.listings, *second.listings)}) == PAGE + 1
    assert shelf.search("acme", 3).listings == ()
    (rates,) = shelf.search("euro reference", 1).listings
    assert (rates.name, rates.kind, rates.is_priced) == ("ecb-rates", "data", False)
    assert shelf.search("greeter-7", 1).listings[0].name == "greeter-7"
    assert shelf.search("greetr-7", 1).similar[0] == "acme/greeter-7"
    assert "acme/ecb-rates" in shelf.search("ecb-rate-", 1).similar
    assert len(shelf.front().newest) == FRONT
    assert shelf.front().cryptlets == PAGE + 1


async def test_versions_of_a_data_service_can_be_compared(house: House, shelf: BookShelf) -> None:
    await house.registry.submit(house.entry("acme", service(), ALICE))
    assert shelf.cryptlet("acme", "ecb-rates") is not None
    await house.registry.submit(house.entry("acme", service("1.1.0", freshness_seconds=2 * 86_400), ALICE))
    view = shelf.release("acme", "ecb-rates", "1.1.0")
    assert view is not None
    assert (view.previous, view.versions) == ("1.0.0", ("1.1.0", "1.0.0"))
    assert view.data is not None
    assert view.data.freshness_seconds == 2 * 86_400
    answer = await get(shelf, "/cryptlets/acme/ecb-rates/1.1.0")
    assert "promises less" in answer.text
    assert "cryptlet install" not in answer.text
    assert "free of charge" not in answer.text


async def test_a_publisher_shows_which_keys_and_accounts_count(house: House, shelf: BookShelf) -> None:
    await house.registry.submit(house.entry("acme", owners(ALICE, BOB), ALICE, BOB))
    for account, person in ((EVM, ALICE), (NATIVE, BOB), (HYPERLEDGER, ALICE)):
        await house.registry.submit(house.entry("acme", Link(linked(account, person).to_json()), person))
    stolen = shelf.publisher("acme")
    assert stolen is not None
    since = stolen.since
    await house.registry.submit(house.entry("acme", Compromise(BOB.key.public, since), ALICE))
    view = shelf.publisher("acme")
    assert view is not None
    assert [(key.key, key.until is None, key.compromised) for key in view.keys] == [
        (ALICE.key.public.hex(), True, None),
        (BOB.key.public.hex(), False, since),
    ]
    assert [(item.account, item.is_stolen, item.msp) for item in view.accounts] == [
        (EVM, False, ""),
        (NATIVE, True, ""),
        (HYPERLEDGER, False, "Org1MSP"),
    ]
    assert [entry.what for entry in view.history] == [
        "lost a key",
        *("linked an account" for _ in range(3)),
        "changed its owners",
        "claimed the namespace",
    ]
    assert shelf.publisher("nobody") is None


async def test_a_key_that_comes_back_is_in_force(house: House, shelf: BookShelf) -> None:
    for now in (owners(ALICE, BOB), owners(ALICE), owners(ALICE, BOB)):
        await house.registry.submit(house.entry("acme", now, ALICE, BOB))
    view = shelf.publisher("acme")
    assert view is not None
    assert [key.until for key in view.keys] == [None, None]


async def test_a_closed_namespace_has_no_key_in_force(house: House, shelf: BookShelf) -> None:
    await house.registry.submit(house.entry("acme", Owners((), 0), ALICE))
    view = shelf.publisher("acme")
    assert view is not None
    assert all(key.until is not None for key in view.keys)


async def test_a_long_history_is_cut_and_says_so(house: House, shelf: BookShelf) -> None:
    bundle = await house.publish("acme", wheel(), ALICE)
    for number in range(HISTORY):
        state = State.DEPRECATED if number % 2 == 0 else State.ACTIVE
        await house.change(bundle, state, "" if state is State.ACTIVE else "old", ALICE)
    view = shelf.publisher("acme")
    assert view is not None
    assert (len(view.history), view.history_total) == (HISTORY, HISTORY + 2)
    assert view.history[0].position == house.registry.book.size - 1
    assert view.history[0].subject == "acme/greeter@1.0.0 to active"


@pytest.mark.parametrize(("spoil", "error"), [("gone", StoreError), ("other", StoreError), ("noise", Malformed)])
async def test_a_lost_wheel_takes_its_own_page_alone(
    house: House, shelf: BookShelf, spoil: str, error: type[Exception]
) -> None:
    await house.publish("acme", wheel(), ALICE)
    await house.publish("acme", wheel(name="other"), ALICE)
    file = house.public / wheel_path(sha256(wheel()))
    if spoil == "gone":
        file.unlink()
    else:
        file.write_bytes(wheel(name="other") if spoil == "other" else b"noise")
    with pytest.raises(error):
        shelf.release("acme", "greeter", "1.0.0")
    listed = {item.name: item.is_priced for item in shelf.search("", 1).listings}
    assert listed == {"greeter": False, "other": True}
    assert len(shelf.front().newest) == 2
    answer = await get(shelf, "/cryptlets/acme/greeter/1.0.0")
    assert answer.status == 503
    assert str(house.public) not in answer.text


async def test_a_wheel_is_read_once(house: House, shelf: BookShelf) -> None:
    await house.publish("acme", wheel(), ALICE)
    assert shelf.release("acme", "greeter", "1.0.0") is not None
    (house.public / wheel_path(sha256(wheel()))).unlink()
    assert shelf.release("acme", "greeter", "1.0.0") is not None


async def test_what_is_revoked_stands_behind_what_is_not(house: House, shelf: BookShelf) -> None:
    await house.publish("acme", wheel(), ALICE)
    second = await house.publish("acme", wheel(version="1.1.0"), ALICE)
    await house.change(second, State.REVOKED, "leaks", ALICE)
    (found,) = shelf.search("greeter", 1).listings
    assert (found.version, found.standing.state) == ("1.0.0", State.ACTIVE)


@given(st.lists(st.text("ab-", min_size=1, max_size=3), max_size=3), st.text("ab ", max_size=6))
def test_points_take_every_word(words: list[str], text: str) -> None:
    points = score(words, "acme", "cab", text)
    assert (points > 0) is all(word in "cab" or word == "acme" or word in text for word in words)
