"""The cryptlet: the file of a temperature logger in, a verdict on the shipment out."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from fabric.sdk import Context, ContractCryptlet, InvalidInput, method

from .kinetics import mean_kinetic_millicelsius
from .logger_file import LoggerFile, parse
from .series import Limits, Series, clean

LABEL = Limits(2_000, 8_000)
"""Where the product must be kept: 2 to 8 °C."""
HARM = Limits(0, 25_000)
"""What it never survives, however short: frost, or more than 25 °C."""
MAX_EXCURSION = 3_600
"""Longest single excursion from the label, in seconds."""
MAX_OUT_OF_RANGE = 4 * 3_600
"""Longest time outside the label on the whole journey, in seconds."""
MIN_READINGS = 12
"""Fewer do not show a journey."""
MAX_UNKNOWN = 20
"""Of the journey, at most one part in so many may lie in gaps; of the lines, be glitches."""


class Verdict(BaseModel):
    """What the readings say. Only whole numbers and texts: every machine writes the same bytes.

    Attributes:
        verdict: accepted, rejected, or inconclusive where the readings do not show enough of the journey.
        accepted: whether the verdict is accepted, for a contract that needs no more.
        reasons: what stands against it; empty when accepted.
        serial: serial number of the logger.
        shipment: the shipment that the file names, or empty.
        first: time of the first reading, UTC.
        last: time of the last reading, UTC.
        readings: number of readings that were judged.
        mean_kinetic_millicelsius: mean kinetic temperature in thousandths of a degree Celsius.
        min_millicelsius: lowest reading.
        max_millicelsius: highest reading.
        seconds_out_of_range: time outside 2 to 8 °C.
        excursions: number of separate excursions from 2 to 8 °C.
        longest_excursion_seconds: the longest of them.
        gaps: number of times that the logger was silent.
        seconds_in_gaps: time of which nothing is known.
        glitches: lines on which the sensor gave no value; left out.
        duplicates: readings of a time that was there already; left out.
        out_of_order: readings that stood behind a later one; put in order.
    """

    model_config = ConfigDict(frozen=True)

    verdict: Literal["accepted", "rejected", "inconclusive"]
    accepted: bool
    reasons: tuple[str, ...]
    serial: str
    shipment: str
    first: str
    last: str
    readings: int
    mean_kinetic_millicelsius: int
    min_millicelsius: int
    max_millicelsius: int
    seconds_out_of_range: int
    excursions: int
    longest_excursion_seconds: int
    gaps: int
    seconds_in_gaps: int
    glitches: int
    duplicates: int
    out_of_order: int


class ColdChain(ContractCryptlet):
    """Judges refrigerated shipments. The limits are part of the code, so the measurement covers them."""

    @method
    def judge(self, ctx: Context, log: bytes) -> Verdict:
        """Judges one shipment from the raw file of its temperature logger.

        Raises:
            InvalidInput: the file is no logger's file, or holds no reading.
        """
        file = parse(log)
        series = clean(file.readings, LABEL)
        if not series.readings:
            raise InvalidInput("the file holds no reading with a temperature")
        return _verdict(file, series, int(ctx.as_of.timestamp()))


def _verdict(file: LoggerFile, series: Series, now: int) -> Verdict:
    values = [reading.millicelsius for reading in series.readings]
    mean = mean_kinetic_millicelsius(values)
    excursions, gaps = series.excursions(LABEL), series.gaps()
    against = tuple(_harm(values, mean, excursions))
    doubts = tuple(_doubts(file, series, gaps, now))
    return Verdict(
        verdict="rejected" if against else "inconclusive" if doubts else "accepted",
        accepted=not against and not doubts,
        reasons=against + doubts,
        serial=file.serial,
        shipment=file.shipment,
        first=_utc(series.readings[0].at),
        last=_utc(series.readings[-1].at),
        readings=len(values),
        mean_kinetic_millicelsius=mean,
        min_millicelsius=min(values),
        max_millicelsius=max(values),
        seconds_out_of_range=sum(excursions),
        excursions=len(excursions),
        longest_excursion_seconds=max(excursions, default=0),
        gaps=len(gaps),
        seconds_in_gaps=sum(gaps),
        glitches=file.glitches,
        duplicates=series.duplicates,
        out_of_order=series.out_of_order,
    )


def _harm(values: list[int], mean: int, excursions: list[int]) -> Iterator[str]:
    """Yields what speaks against the product itself."""
    if mean > LABEL.high:
        yield f"mean kinetic temperature {_degrees(mean)} is above {_degrees(LABEL.high)}"
    if min(values) < HARM.low:
        yield f"a reading of {_degrees(min(values))} is below {_degrees(HARM.low)}"
    if max(values) > HARM.high:
        yield f"a reading of {_degrees(max(values))} is above {_degrees(HARM.high)}"
    if max(excursions, default=0) > MAX_EXCURSION:
        yield f"an excursion of {max(excursions)} s is longer than {MAX_EXCURSION} s"
    if sum(excursions) > MAX_OUT_OF_RANGE:
        yield f"{sum(excursions)} s out of range are more than {MAX_OUT_OF_RANGE} s"


def _doubts(file: LoggerFile, series: Series, gaps: list[int], now: int) -> Iterator[str]:
    """Yields why the readings do not show enough."""
    count, last = len(series.readings), series.readings[-1].at
    if last > now:
        yield f"a reading of {_utc(last)} lies after the judgement of {_utc(now)}"
    if count < MIN_READINGS:
        yield f"{count} readings are fewer than {MIN_READINGS}"
    journey = last - series.readings[0].at
    if sum(gaps) * MAX_UNKNOWN > journey:
        yield f"{sum(gaps)} s of {journey} s lie in gaps, more than one part in {MAX_UNKNOWN}"
    lines = len(file.readings) + file.glitches
    if file.glitches * MAX_UNKNOWN > lines:
        yield f"{file.glitches} of {lines} lines are glitches, more than one part in {MAX_UNKNOWN}"


def _degrees(millicelsius: int) -> str:
    sign, size = "-" if millicelsius < 0 else "", abs(millicelsius)
    return f"{sign}{size // 1000}.{size % 1000:03} °C"


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
