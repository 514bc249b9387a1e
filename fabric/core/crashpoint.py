"""Crash points: named places just after or before something durable, where a fault test ends the process.

A room that has one takes a ``Reached`` from the composition root and calls it there; ``unharmed`` is what every
process gets unless it was started for such a test. Nothing is read or killed in here.
"""

from collections.abc import Callable
from enum import StrEnum


class CrashPoint(StrEnum):
    """Where a process can be made to end."""

    AFTER_SIGN = "after-sign"
    """A batch is signed and nothing of it is stored."""
    AFTER_ENQUEUE = "after-enqueue"
    """A batch is stored and its caller has no answer yet."""
    AFTER_PREPARE = "after-prepare"
    """Submissions are stored and not yet sent."""
    AFTER_SUBMIT = "after-submit"
    """Submissions are sent and the store does not say so."""
    BEFORE_CONFIRM = "before-confirm"
    """The ledger's answer is known and not yet stored."""


Reached = Callable[[CrashPoint], None]
"""Called when a crash point is passed."""


def unharmed(_point: CrashPoint) -> None:
    """Passes every crash point."""
