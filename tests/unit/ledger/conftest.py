"""A store, a ledger in memory and a dispatcher between them; time is a number that only tests change."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fabric.core.clock import FrozenClock
from fabric.ledger.dispatcher import Dispatcher, Pace
from fabric.ledger.fakes.memory import MemoryLedger
from fabric.ledger.port import Ledger
from fabric.ledger.rules.state import Genesis
from fabric.store.store import Store, open_store
from fabric.store.values import WorkKind, WorkState
from fabric.trust.schemes import ED25519
from tests.support.batches import APPRAISER, NOW, RECIPIENT, accept, acceptance, attest, destination, sign

HERE = destination("a")


@dataclass
class World:
    """One fabric's ledger side."""

    store: Store
    ledger: MemoryLedger
    clock: FrozenClock

    def dispatcher(self, ledger: Ledger | None = None, pace: Pace | None = None) -> Dispatcher:
        return Dispatcher(ledger or self.ledger, self.store.outbox, self.clock, pace=pace or Pace())

    async def register(self) -> None:
        await self.store.attest(attest([HERE.id]), [HERE.id])

    async def enqueue(self, first: int, count: int = 2, *, consumed: bool = True) -> None:
        items = [accept(first + number) for number in range(count)]
        batch = sign(items, HERE, recipient=RECIPIENT)
        await self.store.enqueue(acceptance(items, [batch], consumed=consumed))

    async def states(self) -> dict[tuple[WorkKind, WorkState], int]:
        return {(kind, state): count for (_, kind, state), count in (await self.store.outbox.counts()).items()}

    async def is_done(self) -> bool:
        return not await self.store.outbox.has_open(HERE.id)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = FrozenClock(NOW)
    store = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", clock)
    genesis = Genesis(HERE, (APPRAISER.public,), 1, ED25519)
    yield World(store, MemoryLedger(genesis, clock), clock)
    await store.aclose()
