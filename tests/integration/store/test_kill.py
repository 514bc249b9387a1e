"""kill -9 in the middle of enqueue transactions: what was answered is there, and no batch is there by half."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from fabric.core.clock import FrozenClock
from fabric.store.store import Store, open_store
from fabric.store.values import WorkKind, WorkState
from tests.support.batches import destination, invocation
from tests.support.store_writer import BATCH

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 6


async def killed_after(folder: Path, first: int, lines: int) -> int:
    """Kills a writer some batches after it began, while it goes on; returns how far it said it had come."""
    writer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.store_writer", str(folder), str(first)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"ready\n"
    told = [await writer.stdout.readline() for _ in range(lines)]
    writer.send_signal(signal.SIGKILL)
    told += (await writer.stdout.read()).splitlines()
    assert await writer.wait() == -signal.SIGKILL
    return int(told[-1])


async def check(store: Store, answered: int) -> int:
    """Checks that whole batches are stored, all that were answered among them; returns how many invocations."""
    counts = await store.outbox.counts()
    batches = counts[destination("a").id, WorkKind.SETTLE, WorkState.NEW]
    stored = batches * BATCH
    assert stored >= answered
    for name in ("a", "b"):
        assert counts[destination(name).id, WorkKind.SETTLE, WorkState.NEW] == batches
        assert counts[destination(name).id, WorkKind.CONSUME, WorkState.NEW] == stored
    names = [invocation(number).id for number in range(stored + BATCH)]
    assert set(await store.results(names)) == set(names[:stored])
    last = await store.proofs.material(names[stored - BATCH], destination("b").id)
    assert last.header.count == BATCH
    assert await store.invocations.input(names[stored - BATCH]) == b"x" * 5_000
    return stored


@pytest.mark.fault
async def test_killed_between_and_within_transactions(tmp_path: Path) -> None:
    first = 0
    for round_ in range(ROUNDS):
        answered = await killed_after(tmp_path, first, 1 + 2 * round_)
        store = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", FrozenClock())
        first = await check(store, answered)
        await store.aclose()
