"""The cleaned series of a journey: readings in order of time, each once, and how long each of them stands.

A reading stands until the next one. Where the logger was silent for more than two of its intervals there is a gap; a
reading stands for one interval of it, and the rest of the gap is neither inside nor outside the limits: it is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median_low

from .logger_file import Reading

GAP_INTERVALS = 2


@dataclass(frozen=True)
class Limits:
    """A range of temperature, both ends inside, in thousandths of a degree Celsius."""

    low: int
    high: int

    def hold(self, millicelsius: int) -> bool:
        """Says whether a temperature is within the range."""
        return self.low <= millicelsius <= self.high

    def distance(self, millicelsius: int) -> int:
        """Returns how far a temperature lies outside; negative within."""
        return max(self.low - millicelsius, millicelsius - self.high)


@dataclass(frozen=True)
class Series:
    """Readings in strictly ascending order of time.

    Attributes:
        readings: the readings that are left.
        duplicates: readings left out because another one says the same time.
        out_of_order: readings that stood behind a later one.
        interval: the logger's usual interval in seconds; 0 for a single reading.
    """

    readings: tuple[Reading, ...]
    duplicates: int
    out_of_order: int
    interval: int

    def gaps(self) -> list[int]:
        """Returns the unknown seconds of each gap."""
        steps = (later.at - earlier.at for earlier, later in pairwise(self.readings))
        return [step - self.interval for step in steps if step > GAP_INTERVALS * self.interval]

    def seconds(self) -> list[int]:
        """Returns for how many seconds each reading stands; the last one stands for one interval."""
        steps = [later.at - earlier.at for earlier, later in pairwise(self.readings)]
        return [step if step <= GAP_INTERVALS * self.interval else self.interval for step in (*steps, self.interval)]

    def excursions(self, limits: Limits) -> list[int]:
        """Returns the seconds of each excursion: readings outside the limits with none inside between them."""
        timed = zip(self.readings, self.seconds(), strict=True)
        runs = groupby(timed, key=lambda pair: limits.hold(pair[0].millicelsius))
        return [sum(seconds for _, seconds in run) for is_inside, run in runs if not is_inside]


def clean(readings: Sequence[Reading], limits: Limits) -> Series:
    """Returns the series of a logger's readings, which may come out of order and more than once.

    Where two readings of one time differ, the worse one is kept: a doubt never helps a shipment.
    """
    worst_last = sorted(readings, key=lambda reading: (reading.at, limits.distance(reading.millicelsius)))
    by_time = {reading.at: reading for reading in worst_last}
    left = tuple(by_time.values())
    steps = [later.at - earlier.at for earlier, later in pairwise(left)]
    return Series(
        readings=left,
        duplicates=len(readings) - len(left),
        out_of_order=_count_late(readings),
        interval=median_low(steps) if steps else 0,
    )


def _count_late(readings: Sequence[Reading]) -> int:
    newest = late = 0
    for reading in readings:
        late += reading.at < newest
        newest = max(newest, reading.at)
    return late
