"""Rhythm: when a ledger is asked next. Blocks come regularly: it is asked often when the next one is expected. Pure."""

from typing import Final

QUICK_SECONDS: Final = 0.04
"""Time between two questions around the expected moment."""
EARLY_SECONDS: Final = 0.1
LATE_SECONDS: Final = 0.2
"""How long before and after that moment."""
LONGEST_SECONDS: Final = 30.0
"""A longer silence tells nothing of the ledger's rhythm."""
_WEIGHT: Final = 0.25
"""Of the newest interval in the mean."""


class Rhythm:
    """Knows when something new was seen. Never asks less often than every ``poll_seconds``."""

    def __init__(self, poll_seconds: float) -> None:
        """Takes the time between two questions when nothing is expected."""
        self._poll_seconds = poll_seconds
        self._last: float | None = None
        self._interval = 0.0

    def moved(self, now: float) -> None:
        """Takes note that something new was seen; ``now`` in monotonic seconds."""
        interval = LONGEST_SECONDS if self._last is None else now - self._last
        self._last = now
        if interval < LONGEST_SECONDS:
            # A question that came late makes one interval longer and the next one shorter: the mean is right.
            self._interval += (interval - self._interval) * (_WEIGHT if self._interval else 1.0)

    def rest(self, now: float) -> float:
        """Returns how long to wait until the next question, seconds."""
        if self._last is None or self._interval <= self._poll_seconds:
            return self._poll_seconds
        expected = self._last + self._interval
        if now >= expected + LATE_SECONDS:
            return self._poll_seconds
        return min(self._poll_seconds, max(QUICK_SECONDS, expected - EARLY_SECONDS - now))
