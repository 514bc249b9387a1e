"""The watcher: pages in order, none skipped, halted by a reorg of what it has read."""

import asyncio

import pytest
import structlog

from fabric.core.errors import LedgerUnavailable, Reorged
from fabric.core.ids import BindingVersion, sha256
from fabric.ledger import watcher as watcher_module
from fabric.ledger.port import RequestPage
from fabric.ledger.rules.operations import Request
from fabric.ledger.watcher import Watcher, requests_of
from fabric.store.values import CursorMove
from tests.support.batches import RECIPIENT
from tests.support.waiting import stop, until
from tests.unit.ledger.conftest import HERE, World


class Following:
    """A watcher whose pages are remembered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pages: list[RequestPage] = []
        self.pauses: list[float] = []
        self.failure: Exception | None = None
        self.recovered = 0
        self.watched = requests_of(HERE.id, world.ledger)
        self.watcher = Watcher(self.watched, world.store, self.accept, world.clock, pause=self.pause)
        self.watcher.listen(self.recover)

    def recover(self) -> None:
        self.recovered += 1

    async def accept(self, page: RequestPage) -> None:
        if self.failure:
            raise self.failure
        self.pages.append(page)
        await self.world.store.requests.store([], CursorMove(self.watched.cursor, page.cursor))

    async def has_recovered(self) -> bool:
        return bool(self.recovered)

    async def has_pages(self) -> bool:
        return bool(self.pages)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.failure = None
        await asyncio.sleep(0)

    def ask(self, count: int) -> None:
        for _ in range(count):
            words = (sha256(b"judge"), sha256(b"input"), BindingVersion(sha256(b"binding")))
            self.world.ledger.request(RECIPIENT, Request(*words, 0))


@pytest.fixture
def following(world: World) -> Following:
    return Following(world)


async def test_pages_come_in_order_and_end(following: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_module, "PAGE", 2)
    following.ask(5)
    moved = [await following.watcher.step() for _ in range(4)]
    assert moved == [True, True, True, False]
    assert [request.index for page in following.pages for request in page.requests] == [0, 1, 2, 3, 4]


async def test_a_page_that_was_not_accepted_is_read_again(following: Following) -> None:
    following.ask(1)
    following.failure = LedgerUnavailable("on purpose")
    with pytest.raises(LedgerUnavailable):
        await following.watcher.step()
    following.failure = None
    assert await following.watcher.step()
    assert [request.index for page in following.pages for request in page.requests] == [0]


async def test_run_goes_on_after_an_error(following: Following) -> None:
    following.ask(1)
    following.failure = LedgerUnavailable("on purpose")
    with structlog.testing.capture_logs():
        task = asyncio.create_task(following.watcher.run())
        await until(following.has_recovered)
        await stop(task)
    assert len(following.pages) == following.recovered == 1
    assert len(following.pages) == 1


async def test_a_reorg_of_what_was_read_halts_the_ledger(following: Following) -> None:
    following.ask(1)
    await following.watcher.step()
    following.world.ledger.chain.reorg(1)
    with pytest.raises(Reorged):
        await following.watcher.step()
    with structlog.testing.capture_logs():
        await following.watcher.run()
    assert await following.world.store.halts.of(HERE.id)
