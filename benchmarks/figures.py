"""A figure: a number, what it is measured against, and what was aimed at."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_ROUND: Final = 100
"""From here on a baseline is shown without decimals."""


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        name: what was measured.
        value: the number.
        unit: its unit.
        baseline: what it is compared with, in the same unit; None where the bar is absolute.
        bar: what is aimed at, for people.
        limit: what limits it, for people.
    """

    name: str
    value: float
    unit: str
    baseline: float | None
    bar: str
    limit: str = ""

    @property
    def ratio(self) -> float | None:
        """Value over baseline."""
        return self.value / self.baseline if self.baseline else None


def show(figures: list[Figure], path: Path) -> None:
    """Prints the table and keeps it as JSON."""
    print(f"{'figure':58} {'value':>12} {'baseline':>10} {'ratio':>7}  bar")
    for item in figures:
        baseline = f"{item.baseline:10.{0 if item.baseline >= _ROUND else 2}f}" if item.baseline else " " * 10
        ratio = f"{item.ratio:7.2f}" if item.ratio else " " * 7
        print(f"{item.name:58} {item.value:9.1f} {item.unit:>2} {baseline} {ratio}  {item.bar}")
        if item.limit:
            print(f"    {item.limit}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(item) | {"ratio": item.ratio} for item in figures], indent=2) + "\n")
    print(f"kept in {path}")
