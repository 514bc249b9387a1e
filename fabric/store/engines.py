"""The two engines of a database, whatever its kind: one that writes and one that reads."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

READERS: Final = 2
"""Transactions that read at a time."""


@dataclass(frozen=True)
class Engines:
    """Where transactions run.

    Attributes:
        writing: for one writer at a time; its transactions are durable when they have committed.
        reading: for several readers; each transaction sees one consistent state.
    """

    writing: Engine
    reading: Engine

    def dispose(self) -> None:
        """Closes every connection that is not in use."""
        self.writing.dispose()
        self.reading.dispose()
