"""Crash points: named places just after or before something durable, where a fault test ends the process.

A room that has one takes a ``Reached`` from the composition root and calls it there; ``unharmed`` is what every
process gets unless it was started for such a test. Nothing is read or killed in here.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final


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
    AFTER_MAIL = "after-mail"
    """A mailbox's events are stored with their cursor, and nothing came of them yet."""
    AFTER_ATTEMPT = "after-attempt"
    """An attempt to carry a message is stored, and nothing was run or sent for it."""
    AFTER_RELAY_INVOKE = "after-relay-invoke"
    """What was run for a message is stored, and the message's row does not say so."""


RELAY_POINTS: Final = frozenset({CrashPoint.AFTER_MAIL, CrashPoint.AFTER_ATTEMPT, CrashPoint.AFTER_RELAY_INVOKE})
"""Points that only messages between ledgers reach."""

Reached = Callable[[CrashPoint], None]
"""Called when a crash point is passed."""


def unharmed(_point: CrashPoint) -> None:
    """Passes every crash point."""
