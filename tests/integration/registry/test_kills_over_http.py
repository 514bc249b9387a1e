"""The real server, killed while a publisher's real upload is under way; what it is told, and what a repeat finds."""

import asyncio
import signal
from pathlib import Path
from typing import Final

import pytest

from fabric.core.errors import NotFound, Retry, StoreError
from registry.client.api import Api
from registry.client.audit import audit
from registry.client.transport import Web
from tests.support.cut_wire import Point, cut_wire, served
from tests.support.projects import SOURCE
from tests.support.registries import ALICE, House, opened, release, wheel

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(300)]

TOLD: Final = r"no answer \(\w+\): the connection ended while this was brought.*do the same again, which is safe"
LARGE: Final = wheel(source=SOURCE + "".join(f"# {number:060}\n" for number in range(40_000)))
"""More than fits between two processes."""
ENTRY, FILE = "api/v1/entries", "api/v1/pending"


def _publish(url: str) -> int | None:
    return Api(Web(url)).enter("acme", release(LARGE, ALICE), [ALICE.key], LARGE).position


def _is_published(house: House, url: str) -> bool:
    reader = house.reader(source=Web(url))
    reader.refresh()
    try:
        found = reader.resolve("acme", "greeter")
    except NotFound:
        return False
    assert reader.wheel(found)[0] == LARGE
    return True


def _repeat(house: House, url: str) -> bool:
    """Does what author and readers do after the restart; returns whether it was published before."""
    was = _is_published(house, url)
    assert [_publish(url) for _ in range(2)] == [2, 2]
    assert _is_published(house, url)
    audit(house.reader(source=Web(url)), lambda _: None)
    return was


CASES: Final[dict[tuple[str, Point], bool | None]] = {
    (ENTRY, Point.MID_BODY): False,
    (ENTRY, Point.ANSWERED): False,
    (FILE, Point.BEFORE_BODY): False,
    (FILE, Point.MID_BODY): False,
    (FILE, Point.AFTER_BODY): None,  # it may have come so far, or not
    (FILE, Point.ANSWERED): True,
}


@pytest.mark.parametrize(("path", "point"), CASES)
async def test_killed_in_an_upload(tmp_path: Path, path: str, point: Point) -> None:
    async with opened(tmp_path) as house:
        await house.claim("acme", ALICE)
    folder = tmp_path / "registry"
    async with served(folder) as server, cut_wire(server, path, point) as url:
        with pytest.raises(StoreError, match=TOLD) as caught:
            await asyncio.to_thread(_publish, url)
        assert (caught.value.retry, server.process.returncode) == (Retry.SAFE, -signal.SIGKILL)
    async with served(folder) as server:
        was = await asyncio.to_thread(_repeat, house, server.url)
        assert CASES[path, point] in {was, None}
    async with opened(tmp_path) as house:
        assert (house.registry.book.size, await house.registry.store.pending()) == (3, [])
        files = [place for place in folder.rglob("*") if place.is_file()]
        assert [place for place in files if place.name.endswith(".new") or "staged" in place.parts] == []
        assert [place.read_bytes() for place in files if place.suffix == ".whl"] == [LARGE]
