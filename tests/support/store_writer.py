"""A process that accepts batches without end.

``python -m tests.support.store_writer DATABASE BLOBS FIRST``

Prints ``ready`` once the store is open, then the number after the last invocation of each batch whose enqueue
returned. Its parent kills it.
"""

import asyncio
import sys
from pathlib import Path

from fabric.core.clock import FrozenClock
from fabric.store.store import open_store
from tests.support.batches import RECIPIENT, accept, acceptance, destination, sign

BATCH = 32


async def write(database: str, blobs: Path, first: int) -> None:
    """Accepts batches from invocation number ``first`` on, some of their inputs kept as blobs."""
    store = await open_store(database, blobs, FrozenClock())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        items = [accept(n, data=b"x" * 5_000 if n % BATCH == 0 else None) for n in range(first, first + BATCH)]
        batches = [sign(items, destination(name), recipient=RECIPIENT) for name in ("a", "b")]
        await store.enqueue(acceptance(items, batches, consumed=True))
        first += BATCH
        sys.stdout.write(f"{first}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
