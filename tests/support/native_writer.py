"""A process that settles batches on a native ledger without end.

``python -m tests.support.native_writer FOLDER FIRST``

Prints ``ready`` once the ledger is open, then one line for each commit that was acknowledged: the number of the last
batch in it. Its parent kills it.
"""

import asyncio
import sys
from pathlib import Path

from fabric.core.ids import NOBODY
from tests.support import native

BATCH = 3


async def write(folder: Path, first: int) -> None:
    """Settles batches number ``first`` and up, three to a commit."""
    ledger = await native.open_native(folder)
    await ledger.submit(await ledger.prepare([native.register(ledger.destination.id)], []))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        group = range(first, first + BATCH)
        work = [native.settle(ledger, native.records(ledger, [f"{n}"], NOBODY)) for n in group]
        await ledger.submit(await ledger.prepare(work, []))
        sys.stdout.write(f"{group[-1]}\n")
        sys.stdout.flush()
        first += BATCH


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
