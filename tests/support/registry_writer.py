"""Publishes a bundle into copies of a registry's folder, and dies at one durable step of each. Run as a process.

Arguments: the house's folder, an empty folder for its copies, how, and the numbers of the steps before which it dies,
counted from 1; 0 counts the steps. Of how, ``keep`` keeps on the disk all that was written, ``lose`` loses what was not
synced, as when the power fails, and ``start`` counts the steps of a start instead of those of a publish. It prints a
JSON list a number: what the steps were, the last of them being the one that it died before, or all where it did not.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from tests.support.durable_steps import Steps
from tests.support.registries import ALICE, opened, wheel


def _lose(steps: Steps, unsynced: str) -> None:
    """Leaves on the disk what a failing power may leave: half of a file, a folder as it was."""
    if unsynced:
        os.truncate(unsynced, Path(unsynced).stat().st_size // 2)
    for path, before in steps.renamed.items():
        if before is None:
            Path(path).unlink(missing_ok=True)
        else:
            Path(path).write_bytes(before)


async def _work(folder: Path, number: int, report: int, how: str) -> None:
    def die(steps: Steps, unsynced: str) -> None:
        steps.number = 0  # what is lost now is no step
        if how == "lose":
            _lose(steps, unsynced)
        os.write(report, json.dumps(steps.names[:number]).encode())
        os.kill(os.getpid(), signal.SIGKILL)

    steps = Steps(number, die)
    if how == "start":
        with steps.counted():
            async with opened(folder):
                pass
    else:
        async with opened(folder) as house:
            with steps.counted():
                await house.publish("acme", wheel(), ALICE)
    os.write(report, json.dumps(steps.names).encode())


def _one(source: Path, folder: Path, number: int, how: str) -> list[str]:
    shutil.copytree(source, folder)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        asyncio.run(_work(folder, number, writing, how))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        steps: list[str] = json.loads(pipe.read())
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == (-signal.SIGKILL if number else 0)
    return steps


def main(source: Path, copies: Path, how: str, numbers: list[int]) -> None:
    """Does the work as often as there are numbers."""
    for number in numbers:
        print(json.dumps(_one(source, copies / str(number), number, how)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], [int(each) for each in sys.argv[4:]])
