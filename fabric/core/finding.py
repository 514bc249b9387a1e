"""Finding: one thing that ``cryptlet doctor`` looked at, how it is, and what mends it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARN = "warn"
    """It works, and something better be done about it."""
    FAIL = "fail"
    """A fabric, or a part of it, cannot run."""


@dataclass(frozen=True)
class Finding:
    """One row.

    Attributes:
        name: what was looked at.
        level: how it is.
        said: what was found, one sentence.
        fix: what mends it, one sentence; empty exactly when it is well.
    """

    name: str
    level: Level
    said: str
    fix: str = ""

    def __post_init__(self) -> None:
        """Holds every finding that is not well to naming what mends it.

        Raises:
            ValueError: a fix is missing, or there is one where nothing is wrong.
        """
        if (self.level is Level.OK) != (not self.fix):
            message = f"{self.name}: a finding has a fix exactly when something is wrong"
            raise ValueError(message)


def ok(name: str, said: str) -> Finding:
    """Returns a finding that all is well."""
    return Finding(name, Level.OK, said)


def warn(name: str, said: str, fix: str) -> Finding:
    """Returns a finding that something better be done."""
    return Finding(name, Level.WARN, said, fix)


def fail(name: str, said: str, fix: str) -> Finding:
    """Returns a finding that something cannot run."""
    return Finding(name, Level.FAIL, said, fix)
