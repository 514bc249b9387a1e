"""kill -9 of the writer or of the server in the middle of enqueue transactions.

What was answered is there, and no batch is there by half.
"""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from fabric.core.clock import FrozenClock
from fabric.core.errors import StoreError
from fabric.store.store import Store, open_store
from fabric.store.values import AlreadyStored, WorkKind, WorkState
from tests.support.batches import RECIPIENT, accept, acceptance, destination, invocation, sign
from tests.support.postgres import Server
from tests.support.store_writer import BATCH

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 6


async def killed_after(place: tuple[str, Path], first: int, lines: int) -> int:
    """Kills a writer some batches after it began, while it goes on; returns how far it said it had come."""
    writer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.store_writer", *map(str, place), str(first)),
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
async def test_killed_between_and_within_transactions(database: str, tmp_path: Path) -> None:
    first = 0
    place = database, tmp_path / "blobs"
    for round_ in range(ROUNDS):
        answered = await killed_after(place, first, 1 + 2 * round_)
        store = await open_store(*place, FrozenClock())
        first = await check(store, answered)
        await store.aclose()


@pytest.mark.fault
@pytest.mark.postgres
async def test_a_server_killed_under_a_writer_loses_nothing(server: Server, tmp_path: Path) -> None:
    store = await open_store(server.make("killed"), tmp_path / "blobs", FrozenClock())
    failures = repeated = 0
    stop = asyncio.Event()

    async def write() -> int:
        nonlocal failures, repeated
        first = 0
        while not stop.is_set():
            items = [accept(number) for number in range(first, first + BATCH)]
            batches = [sign(items, destination(name), recipient=RECIPIENT) for name in ("a", "b")]
            try:
                await store.enqueue(acceptance(items, batches, consumed=True))
            except AlreadyStored:
                repeated += 1  # it had committed, and only the answer was lost
            except StoreError:
                failures += 1
                await asyncio.sleep(0.02)
                continue
            first += BATCH
        return first

    writing = asyncio.create_task(write())
    for _ in range(3):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        await asyncio.to_thread(server.start)
    stop.set()
    answered = await writing
    assert failures > repeated
    names = [invocation(number).id for number in range(answered + BATCH)]
    assert set(await store.results(names)) == set(names[:answered])
    counts = await store.outbox.counts()
    assert counts[destination("a").id, WorkKind.CONSUME, WorkState.NEW] == answered
    await store.aclose()
