"""The loops of a ledger: whatever becomes of a resumption, they run afterwards."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from fabric.core.clock import FrozenClock
from fabric.core.errors import Refused
from fabric.gateway.ledgers import Working
from fabric.ledger.fakes.memory import MemoryLedger
from fabric.ledger.rules.state import Genesis
from fabric.store.store import open_store
from fabric.trust.schemes import ED25519
from tests.support.batches import APPRAISER, destination

LEDGER = MemoryLedger(Genesis(destination("a"), (APPRAISER.public,), 1, ED25519), FrozenClock())


def working() -> Working:
    return Working("here", LEDGER, cast("Any", None), cast("Any", None), asserted=True)


async def test_an_operator_who_leaves_meanwhile_leaves_no_ledger_without_its_loops() -> None:
    begun: list[int] = []
    ending, may_end = asyncio.Event(), asyncio.Event()

    async def loop() -> None:
        begun.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await may_end.wait()

    item = working()
    item.run("loop", loop)
    await asyncio.sleep(0)
    resuming = asyncio.create_task(item.resume(cast("Any", None), FrozenClock(), "local", "why"))
    await ending.wait()
    resuming.cancel()  # the deadline of the call, or Ctrl-C in its terminal
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await resuming
    await asyncio.sleep(0)
    assert len(begun) == 2
    await item.stop()


async def test_a_ledger_that_is_not_halted_goes_on(tmp_path: Path) -> None:
    begun: list[int] = []

    async def loop() -> None:
        begun.append(1)
        await asyncio.Event().wait()

    store = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", FrozenClock())
    item = working()
    item.run("loop", loop)
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="not halted"):
        await item.resume(store, FrozenClock(), "local", "why")
    await asyncio.sleep(0)
    assert len(begun) == 2
    await item.stop()
    await store.aclose()
