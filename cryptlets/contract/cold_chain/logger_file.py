"""The file of a temperature logger: comma-separated text as such devices export it, taken as it comes.

First lines of ``name,value`` (device, serial number, settings), then a line of column names, then one line a reading.
Only the columns with the time stamp and the temperature are read. What a device writes when its sensor fails is counted
and left out; anything else that is no reading is an error with its line number.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fabric.sdk import InvalidInput

MAX_READINGS = 200_000
MAX_TEXT = 64

SENSOR_RANGE = (-50_000, 80_000)
"""What a logger of this kind can measure, in thousandths of a degree Celsius. Outside it a value is a sensor's way to
say that it failed: 999.9, or -127 from a probe that lost its wire."""
NO_VALUE = frozenset({"", "-", "--", "---", "err", "error", "n/a", "nan", "lost"})

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBER = re.compile(r"[+-]?[0-9]{1,4}(\.[0-9]{1,3})?")
TIME_COLUMN = re.compile(r"(date/?)?\s*time\s*(stamp)?|timestamp", re.IGNORECASE)
TEMPERATURE_COLUMN = re.compile(r"temp(erature)?\.?\s*[(\[]?\s*(?P<unit>[^)\]\s]*)\s*[)\]]?", re.IGNORECASE)
CELSIUS = frozenset({"°c", "c", "degc", "celsius"})


@dataclass(frozen=True)
class Reading:
    """One measured value.

    Attributes:
        at: Unix seconds.
        millicelsius: temperature in thousandths of a degree Celsius.
    """

    at: int
    millicelsius: int


@dataclass(frozen=True)
class LoggerFile:
    """What stands in a logger's file.

    Attributes:
        serial: serial number of the logger.
        shipment: the shipment it says it travelled with; empty where it says none.
        readings: the readings in the order of the file.
        glitches: number of lines on which the sensor gave no value.
    """

    serial: str
    shipment: str
    readings: tuple[Reading, ...]
    glitches: int


def parse(log: bytes) -> LoggerFile:
    """Reads a logger's file: UTF-8 with or without mark, any line ends, blank lines anywhere.

    Raises:
        InvalidInput: it is no such file; names the line and what was expected.
    """
    lines = _lines(log)
    head, time_column, temperature_column = _read_head(lines)
    if not head.get("serial number"):
        raise InvalidInput("the file does not say its logger's 'Serial number' above the readings")
    readings = []
    glitches = 0
    for number, cells in lines:
        if len(cells) <= max(time_column, temperature_column):
            raise InvalidInput(f"line {number}: expected a time stamp and a temperature, got {len(cells)} cells: cut?")
        at = _time(number, cells[time_column])
        millicelsius = _millicelsius(number, cells[temperature_column])
        if millicelsius is None:
            glitches += 1
        else:
            readings.append(Reading(at, millicelsius))
        if len(readings) > MAX_READINGS:
            raise InvalidInput(f"line {number}: more than {MAX_READINGS} readings")
    return LoggerFile(head["serial number"], head.get("shipment", ""), tuple(readings), glitches)


def _lines(log: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yields number and trimmed cells of each line that is not blank."""
    try:
        text = log.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = log.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"line {line}: the file is not UTF-8 text") from error
    rows = csv.reader(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), skipinitialspace=True, strict=True)
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield rows.line_num, cells
    except csv.Error as error:
        raise InvalidInput(f"line {rows.line_num}: {error}") from error


def _read_head(lines: Iterable[tuple[int, list[str]]]) -> tuple[dict[str, str], int, int]:
    """Returns the named values above the readings, and the columns of time and temperature."""
    head: dict[str, str] = {}
    for number, cells in lines:
        times = [at for at, cell in enumerate(cells) if TIME_COLUMN.fullmatch(cell)]
        temperatures = [at for at, cell in enumerate(cells) if TEMPERATURE_COLUMN.fullmatch(cell)]
        if times and temperatures:
            _check_unit(number, cells[temperatures[0]])
            return head, times[0], temperatures[0]
        value = cells[1] if len(cells) > 1 else ""
        head[cells[0].rstrip(":").lower()] = value[:MAX_TEXT]
    raise InvalidInput("no line names a column 'Timestamp' and a column 'Temperature (°C)': not a logger's file")


def _check_unit(number: int, column: str) -> None:
    found = TEMPERATURE_COLUMN.fullmatch(column)
    unit = found["unit"] if found else ""
    if unit.lower() not in CELSIUS:
        raise InvalidInput(f"line {number}: expected a temperature column in °C, got {column!r}")


def _time(number: int, text: str) -> int:
    """Returns Unix seconds. A time stamp without zone is refused: an hour's doubt can hide an excursion."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise InvalidInput(
            f"line {number}: expected a time stamp with zone (2026-03-27T06:00:00+01:00), got {_cut(text)}"
        )
    return (time - EPOCH) // timedelta(seconds=1)


def _millicelsius(number: int, text: str) -> int | None:
    """Returns a temperature; None where the sensor gave no value."""
    if text.lower() in NO_VALUE:
        return None
    if not NUMBER.fullmatch(text):
        raise InvalidInput(f"line {number}: expected a temperature with at most 3 decimals, got {_cut(text)}")
    value = int(Decimal(text) * 1000)
    return value if SENSOR_RANGE[0] <= value <= SENSOR_RANGE[1] else None


def _cut(text: str) -> str:
    return repr(text[:MAX_TEXT])
