"""A token's claims beside those that were expected, for people: a table of short, harmless text."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fabric.core.canonical import JsonValue

MAX_ROWS: Final = 40
_WIDTH: Final = 64
NOTHING: Final = "-"


@dataclass(frozen=True)
class Row:
    """One claim.

    Attributes:
        name: of the claim.
        expected: what it must be, in words or as JSON; ``-`` where anything does.
        received: what it is, as JSON; ``-`` where there is none.
        holds: whether it is as expected.
    """

    name: str
    expected: str
    received: str
    holds: bool


def shown(value: JsonValue) -> str:
    """Returns a value as one line of printable ASCII, cut to 64 characters: a claim may hold anything."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("\x7f", "\\u007f")
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def first_different(rows: Iterable[Row]) -> Row | None:
    """Returns the first row that is not as expected."""
    return next((row for row in rows if not row.holds), None)


def table(rows: Sequence[Row]) -> str:
    """Returns the rows as lines ``claim | expected | received``, the different ones marked; at most 40 of them."""
    lines = [("  claim", "expected", "received")]
    lines += [(("  " if row.holds else "! ") + row.name, row.expected, row.received) for row in rows[:MAX_ROWS]]
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    text = [f"{name:<{widths[0]}} | {expected:<{widths[1]}} | {received}" for name, expected, received in lines]
    more = [f"  and {len(rows) - MAX_ROWS} more"] if len(rows) > MAX_ROWS else []
    return "\n".join((*text, *more))
