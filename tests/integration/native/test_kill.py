"""kill -9 of a sequencer in the middle of its commits: what it acknowledged is there, and nothing is there by half."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from fabric.core.ids import NOBODY
from tests.support import native
from tests.support.native_writer import BATCH

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 6


async def killed_after(folder: Path, first: int, lines: int) -> int:
    """Kills a writer some commits after it began, while it goes on; returns the last number it acknowledged."""
    writer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.native_writer", str(folder), str(first)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"ready\n"
    for _ in range(lines):
        await writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    rest = await writer.stdout.read()
    assert await writer.wait() == -signal.SIGKILL
    acknowledged = rest.splitlines()
    return int(acknowledged[-1]) if acknowledged else first + lines * BATCH - 1


@pytest.mark.fault
async def test_killed_between_commits(tmp_path: Path) -> None:
    first = 0
    for round_ in range(ROUNDS):
        last = await killed_after(tmp_path, first, 1 + round_ * 2)
        ledger = await native.open_native(tmp_path)  # opening checks every entry, checkpoint and state row
        size = len(ledger._sequencer.history.tree)
        assert size >= 1 + last + 1
        assert (size - 1) % BATCH == 0
        numbers = range(size - 1)
        work = [native.settle(ledger, native.records(ledger, [f"{n}"], NOBODY)) for n in numbers]
        assert all([await ledger.is_settled(one.header.batch_id) for one in work])
        first = size - 1
        await ledger.aclose()
