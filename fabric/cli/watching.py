"""Watching: which files of a project changed since the last look."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

LOOK_SECONDS: Final = 0.2
Look = dict[Path, tuple[int, int]]
"""Time of the last change, in nanoseconds, and size of each file."""
_SOURCES: Final = ("*.py", "*.typed")


def look(project: Path, others: Iterable[Path] = ()) -> Look:
    """Returns the state of a project's sources, of its ``cryptlet.toml``, and of other files."""
    found = [project / "cryptlet.toml", *others]
    for pattern in _SOURCES:
        found += [path for path in project.rglob(pattern) if not _is_aside(path.relative_to(project))]
    return {path: state for path in found if (state := _state(path)) is not None}


async def next_change(before: Look, again: Callable[[], Look]) -> list[Path]:
    """Waits until a look differs from an earlier one, and then until two looks agree; returns what changed.

    An editor may write a file in several steps, and a build in between would fail for no fault of the author.
    """
    while (now := again()) == before:  # noqa: ASYNC110 - files of others set no event
        await asyncio.sleep(LOOK_SECONDS)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        settled = again()
        if settled == now:
            return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
        now = settled


def _state(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None  # an editor replaces a file by removing it first
    return status.st_mtime_ns, status.st_size


def _is_aside(path: Path) -> bool:
    """Says whether a file lies where no source of the author's does: an environment, a cache."""
    return any(part.startswith(".") or part in {"__pycache__", "node_modules"} for part in path.parts)
