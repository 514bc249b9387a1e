"""Publishes one bundle into a registry's folder, and is killed at a durable step on the way. Run as a process.

Arguments: the folder of the house, and before which write, counted from 1, the process kills itself.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from registry.files import Shelf
from registry.house.store import Store
from tests.support.registries import ALICE, opened, wheel

COUNT = {"left": 0}


def tick() -> None:
    """Counts a durable step, and ends here where it is the one."""
    COUNT["left"] -= 1
    if COUNT["left"] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def arm(number: int) -> None:
    """Has this process die before a durable step."""
    put_all, append = Shelf.put_all, Store.append

    def put(self: Shelf, files: Mapping[str, bytes]) -> None:
        tick()
        put_all(self, files)

    async def add(self: Store, position: int, digest: object, leaf: bytes) -> None:
        tick()
        await append(self, position, digest, leaf)  # type: ignore[arg-type]

    Shelf.put_all, Store.append = put, add  # type: ignore[method-assign]
    COUNT["left"] = number


async def main(folder: Path, number: int) -> None:
    """Publishes."""
    async with opened(folder) as house:
        arm(number)
        await house.publish("acme", wheel(), ALICE)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
