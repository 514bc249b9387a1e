"""Waiting for a process to end, by a handle that cannot become another process."""

import os
import select
from pathlib import Path
from typing import Final

_BOUND_MS: Final = 30_000


class Ending:
    """A process that is to end; make it while the process runs."""

    def __init__(self, pid: int) -> None:
        """Takes the process that has the number now."""
        self._handle = os.pidfd_open(pid)

    def wait(self) -> bool:
        """Waits for the end; False when a bound against hanging passes first."""
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        found = bool(poll.poll(_BOUND_MS))
        os.close(self._handle)
        return found


def children(pid: int) -> list[int]:
    """Returns the direct children of a process, in the order of their start."""
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
