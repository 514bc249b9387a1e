"""Keeps a snapshot of an anvil, its last sound state: the node writes in place, and a kill meanwhile leaves a part.

A state can be whole and yet torn: the node takes its blocks first and its accounts afterwards, and where it makes a
block in between, the accounts hold what no block does. Such a chain would have lost events for ever that its contracts
count. It shows in the nonces: without contracts' they are as many as there are transactions.

``python -m adapters.ethereum.snapshots PID FOLDER`` runs beside the node for as long as it does, as nobody's child. It
moves each state that the node has begun to write out of the node's way, and over the one before once it is sound.
"""

import fcntl
import mmap
import os
import re
import select
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

STATE: Final = "state.json"
"""What the node reads at its start and writes every second."""
BEGUN: Final = "state.begun.json"
SNAPSHOT: Final = "state.snapshot.json"
DOUBTFUL: Final = "state.doubtful.json"
"""Whole and not sound: torn, or of a chain whose nonces somebody set by hand."""
_NEWEST_FIRST: Final = (STATE, BEGUN, DOUBTFUL, SNAPSHOT)
_LOCK: Final = "snapshots.lock"
_ENDING: Final = b'"historical_states":null}'
"""How the node's version ends a state, and ends nothing else in it."""
_NONCE: Final = re.compile(rb'"nonce":(\d+),"balance":"0x[0-9a-f]+","code":"0x"')
"""That of an account without code."""
_TRANSACTION: Final = re.compile(rb'"transaction_hash":')
_LOOK_SECONDS: Final = 0.1


def main(arguments: Sequence[str]) -> None:
    """Returns to whoever started it once the folder is kept; what goes on is a process of its own."""
    node, folder = os.pidfd_open(int(arguments[0])), Path(arguments[1])
    lock = lock_of(folder)
    if lock is None or os.fork():
        os._exit(0)  # somebody keeps it, now or since before
    os.setsid()
    keep(node, folder)
    os._exit(0)  # who gets the lock finds nobody here any more


def keep(node: int, folder: Path) -> None:
    """Keeps a node's states until it ends, then leaves the newest one alone; ``node`` is a handle of its process."""
    while not select.select([node], [], [], _LOOK_SECONDS)[0]:
        _take(folder)
    tidy(folder)


def lock_of(folder: Path) -> IO[str] | None:
    """Returns what bars others from keeping a folder while it is open; None while somebody keeps it."""
    lock = (folder / _LOCK).open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def tidy(folder: Path) -> bool:
    """Puts the newest sound state where a node reads it, else the newest whole one, and removes the others.

    Returns:
        False where there are states and none is whole.
    """
    present = [folder / name for name in _NEWEST_FIRST if (folder / name).exists()]
    whole = [path for path in present if is_whole(path)]
    if not whole:
        return not present
    next((path for path in whole if is_sound(path)), whole[0]).replace(folder / STATE)
    for path in present:
        if path.name != STATE:
            path.unlink(missing_ok=True)
    return True


def spare(folder: Path) -> None:
    """Keeps a copy of the state that a node is about to read, and will write over."""
    if (folder / STATE).exists():
        shutil.copyfile(folder / STATE, folder / SNAPSHOT)


def is_whole(state: Path) -> bool:
    """Says whether a state was written to its end."""
    with state.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - len(_ENDING)))
        return file.read() == _ENDING


def is_sound(state: Path) -> bool:
    """Says of a whole state whether its accounts are those after its last block."""
    with state.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        used = sum(int(found[1]) for found in _NONCE.finditer(text))
        return used == sum(1 for _ in _TRANSACTION.finditer(text))


def _take(folder: Path) -> None:
    """Moves on what the node has begun, and takes what it has finished."""
    state, begun = folder / STATE, folder / BEGUN
    if state.exists() and not begun.exists():
        # From here on the node writes to this very file under its new name; its next state is a file of its own.
        state.replace(begun)
    if begun.exists() and is_whole(begun):
        begun.replace(folder / (SNAPSHOT if is_sound(begun) else DOUBTFUL))


if __name__ == "__main__":
    main(sys.argv[1:])
