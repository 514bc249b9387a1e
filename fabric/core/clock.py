"""Time as an argument: nothing outside this module asks the machine what time it is."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

_LAST: Final = 253_402_300_799
"""The last second that a calendar of four digits a year can name."""


class Clock(Protocol):
    """A source of time."""

    def unix_seconds(self) -> int:
        """Returns whole seconds since 1970-01-01T00:00:00Z."""
        ...

    def monotonic_seconds(self) -> float:
        """Returns seconds since an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's clock."""

    def unix_seconds(self) -> int:
        """Returns whole seconds since 1970-01-01T00:00:00Z."""
        return int(time.time())  # noqa: TID251 - the one reader of the machine's clock

    def monotonic_seconds(self) -> float:
        """Returns the system-wide monotonic clock in seconds."""
        return time.monotonic()


@dataclass
class FrozenClock:
    """A clock that moves only when told to."""

    seconds: int = 1_700_000_000

    def unix_seconds(self) -> int:
        """Returns the frozen time."""
        return self.seconds

    def monotonic_seconds(self) -> float:
        """Returns the frozen time."""
        return float(self.seconds)

    def advance(self, seconds: int) -> None:
        """Moves the clock forward."""
        self.seconds += seconds


def utc_text(seconds: int) -> str:
    """Returns a time in Unix seconds as people read it; one that no calendar has, as the number it is."""
    if not 0 <= seconds <= _LAST:
        return str(seconds)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%SZ}"
