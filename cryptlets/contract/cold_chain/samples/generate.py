"""Writes sample files of a temperature logger, the same bytes for the same seed; ``--check`` compares instead.

No float and no libm: the walk of the temperature is in whole thousandths of a degree, so every machine writes the same.
"""

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Final, Literal

Kind = Literal["good", "bad", "glitch"]

START: Final = datetime(2023, 3, 24, 18, 0, tzinfo=UTC)
"""Two days later Central Europe puts its clocks forward, so the offset changes within a long file."""
SUMMER_TIME: Final = datetime(2023, 3, 26, 1, 0, tzinfo=UTC)
SET_POINT: Final = 5_000
WARM: Final = 16_000
SAMPLES: Final[tuple[tuple[str, int, Kind], ...]] = (
    ("good.csv", 1, "good"),
    ("bad.csv", 2, "bad"),
    ("glitch.csv", 3, "glitch"),
)
FLEET_CYCLE: Final = 24
FLEET_KINDS: Final[dict[int, Kind]] = {3: "glitch", 5: "bad", 11: "glitch", 17: "bad", 19: "glitch"}
"""Of each 24 shipments of a fleet, those that are not simply good."""


@dataclass(frozen=True)
class _Row:
    at: datetime
    text: str

    def line(self, number: int) -> str:
        offset = timezone(timedelta(hours=2 if self.at >= SUMMER_TIME else 1))
        return f"{number},{self.at.astimezone(offset).isoformat()},{self.text},"


def generate(seed: int, *, hours: int = 96, minutes: int = 5, kind: Kind = "good") -> bytes:
    """Returns a logger's file.

    Args:
        seed: decides every value; also the serial number.
        hours: length of the journey.
        minutes: the logger's interval.
        kind: ``good``: kept cold; ``bad``: the refrigeration fails for a third of the journey; ``glitch``: kept cold,
            with values that a failing sensor writes.
    """
    draw = random.Random(f"cold-chain sample {seed}")  # noqa: S311 - reproducible is what it is for
    count = hours * 60 // minutes
    rows = [
        _Row(START + timedelta(minutes=minutes * at), _celsius(value))
        for at, value in enumerate(_temperatures(draw, count, has_failed=kind == "bad"))
    ]
    if kind == "glitch":
        rows = list(_with_glitches(draw, rows))
    lines = [*_head(seed, minutes), *_exported(draw, rows)]
    return "\r\n".join([*lines, ""]).encode()


def _temperatures(draw: random.Random, count: int, *, has_failed: bool) -> Iterator[int]:
    """Yields thousandths of a degree: a compressor's saw tooth with noise; where it fails, a drift to the outside."""
    value, is_cooling = SET_POINT, True
    fails_from, fails_until = (count // 3, 2 * count // 3) if has_failed else (count, count)
    for at in range(count):
        if fails_from <= at < fails_until:
            value += (WARM - value) // 6
        else:
            is_cooling = value > SET_POINT - 1_200 if is_cooling else value > SET_POINT + 1_200
            value += (-240 if is_cooling else 180) - max(0, value - 7_000) // 3
        value += draw.randrange(-60, 61)
        yield value


def _with_glitches(draw: random.Random, rows: list[_Row]) -> Iterator[_Row]:
    """Yields the rows with about one in sixty spoilt, at least one of each kind."""
    spoilt = ("999.9", "-127.0", "---")
    places = draw.sample(range(2, len(rows) - 2), max(len(spoilt), len(rows) // 60))
    for at, row in enumerate(rows):
        yield _Row(row.at, spoilt[places.index(at) % len(spoilt)]) if at in places else row


def _exported(draw: random.Random, rows: list[_Row]) -> list[str]:
    """Returns the lines as a device writes them out: a silence, a repeated row, a row too late, a blank line."""
    silent_from = draw.randrange(len(rows) // 4, len(rows) // 2)
    left = [row for at, row in enumerate(rows) if not silent_from <= at < silent_from + len(rows) // 40 + 1]
    repeated = draw.randrange(2, len(left) // 4)
    left.insert(repeated + 1, left[repeated])
    late = draw.randrange(len(left) // 2, len(left) - 4)
    left.insert(late + 2, left.pop(late))
    lines = [row.line(number) for number, row in enumerate(left, 1)]
    lines.insert(draw.randrange(len(lines) // 2, len(lines)), "")
    return lines


def _head(seed: int, minutes: int) -> list[str]:
    return [
        "Device,TL-200 temperature logger",
        f"Serial number,TL200-{seed:06}",
        f"Shipment,PH-2023-{seed:05}",
        "Firmware,3.1.4",
        "Calibrated until,2024-01-31",
        f"Logging interval,{minutes // 60:02}:{minutes % 60:02}:00",
        "Alarm limits,2.0 °C to 8.0 °C",
        "",
        "No.,Timestamp,Temperature (°C),Event",
    ]


def _celsius(millicelsius: int) -> str:
    """Returns the temperature as the device shows it, with one decimal."""
    tenths = (millicelsius + 50) // 100
    return f"{'-' if tenths < 0 else ''}{abs(tenths) // 10}.{abs(tenths) % 10}"


def write_fleet(folder: Path, count: int, seed: int) -> None:
    """Writes the files of many short shipments, most of them good: a day each, a reading every ten minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        kind = FLEET_KINDS.get(number % FLEET_CYCLE, "good")
        data = generate(seed * 1_000 + number, hours=24, minutes=10, kind=kind)
        (folder / f"shipment-{number:04}.csv").write_bytes(data)


def main() -> int:
    """Writes the samples beside this file, or with ``--check`` says which of them differ."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("--fleet", type=int, metavar="N", help="write the files of N short shipments instead")
    parser.add_argument("--seed", type=int, default=1, help="seed of the fleet")
    parser.add_argument("--out", type=Path, default=Path("fleet"), help="folder of the fleet")
    arguments = parser.parse_args()
    if arguments.fleet is not None:
        write_fleet(arguments.out, arguments.fleet, arguments.seed)
        return 0
    return _write_samples(only_check=arguments.check)


def _write_samples(*, only_check: bool) -> int:
    stale = []
    for name, seed, kind in SAMPLES:
        path, data = Path(__file__).with_name(name), generate(seed, kind=kind)
        if not only_check:
            path.write_bytes(data)
        elif not path.is_file() or path.read_bytes() != data:
            stale.append(name)
    for name in stale:
        print(f"{name} is not what its seed gives: run {Path(__file__).name}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
