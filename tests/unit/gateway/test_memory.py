"""What a fabric makes of a ledger that does not remember, at its start: halted, or refused; a halted one is opened."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from fabric.core.clock import FrozenClock
from fabric.core.errors import ForeignLedger
from fabric.gateway.ledgers import _check_memory
from fabric.ledger.fakes.memory import MemoryLedger
from fabric.ledger.rules.state import Genesis
from fabric.store.store import open_store
from fabric.trust.schemes import ED25519
from tests.support.batches import APPRAISER, NOW
from tests.unit.ledger.conftest import HERE, World
from tests.unit.ledger.test_resume import Telling, finish


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = FrozenClock(NOW)
    store = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", clock)
    made = World(store, MemoryLedger(Genesis(HERE, (APPRAISER.public,), 1, ED25519), clock), clock)
    await finish(made)
    yield made
    await store.aclose()


async def test_what_is_remembered_is_opened(world: World) -> None:
    await _check_memory("here", Telling(world.ledger, gone=99), world.store, world.clock)
    assert await world.store.halts.of(HERE.id) is None


async def test_blocks_that_were_replaced_while_nobody_looked_halt_it(world: World) -> None:
    with structlog.testing.capture_logs():
        await _check_memory("here", Telling(world.ledger, gone=1), world.store, world.clock)
    halt = await world.store.halts.of(HERE.id)
    assert halt
    assert "was final and is now another one" in halt.reason


async def test_a_ledger_that_is_not_that_far_is_refused_and_not_halted(world: World) -> None:
    """A node that lags behind is no reorg; nobody should have to resume after it."""
    world.ledger.chain.reorg(world.ledger.chain.height)
    for ledger in (Telling(world.ledger, gone=99), world.ledger):
        with pytest.raises(ForeignLedger, match="let the node catch up, restore its data"):
            await _check_memory("here", ledger, world.store, world.clock)
    assert await world.store.halts.of(HERE.id) is None


async def test_a_halted_ledger_is_opened_whatever_it_remembers(world: World) -> None:
    await world.store.halts.put(HERE.id, "block 7 is gone", NOW)
    world.ledger.chain.reorg(world.ledger.chain.height)
    with structlog.testing.capture_logs() as logs:
        await _check_memory("here", world.ledger, world.store, world.clock)
    assert "cryptlet ledger resume here" in logs[0]["fix"]
