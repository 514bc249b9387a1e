"""One sequencer: a lock on a file beside the ledger, which the kernel frees when its process ends."""

import fcntl
import os
from pathlib import Path
from typing import Self

from adapters.native.errors import SequencerRunning


class FileLock:
    """A held lock; ``release`` gives it back."""

    def __init__(self, descriptor: int) -> None:
        """Takes over an open, locked descriptor."""
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, path: Path) -> Self:
        """Locks a file, which it makes where there is none; never waits.

        Raises:
            SequencerRunning: someone holds it; says which process.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            message = f"another sequencer (process {holder}) appends to the ledger behind {path}; stop it first"
            raise SequencerRunning(message) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return cls(descriptor)

    def release(self) -> None:
        """Frees the lock; idempotent. The file stays, or a waiter could lock one that nobody else sees."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
