"""The steps of a registry that must last: renames, syncs, removals, commits; something happens before one of them."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from fabric.store.database import Database
from tests.support.depth import DEPTH

KINDS: Final = (
    ("staged/", "staged wheel"),
    ("/wheels/", "wheel"),
    ("/tile/", "tile"),
    ("checkpoint", "checkpoint"),
    ("/targets/", "record"),
    (".bin-", "bin"),
    ("snapshot.json", "snapshot"),
    ("timestamp.json", "timestamp"),
    ("/standings/", "standing"),
)


def kind_of(path: str) -> str:
    """Returns what a file of the registry is."""
    return next((name for part, name in KINDS if part in path), Path(path).name)


def chosen(steps: list[str]) -> list[int]:
    """Returns the numbers of the steps that a test takes: for every change one of each kind, in depth all."""
    first = {name: number for number, name in reversed([*enumerate(steps, 1)])}
    return [*range(1, len(steps) + 1)] if DEPTH > 1 else sorted(first.values())


@dataclass
class Steps:
    """Counts steps, and has something happen before one of them.

    Attributes:
        number: of that step, counted from 1; 0 for none.
        act: what happens; gets the file that is about to be synced, if one is.
        names: what the steps were.
        renamed: files whose folder was not synced since they were renamed into place, and what they were before.
    """

    number: int
    act: Callable[["Steps", str], None]
    names: list[str] = field(default_factory=list)
    renamed: dict[str, bytes | None] = field(default_factory=dict)
    _turn: threading.RLock = field(default_factory=threading.RLock)

    def step(self, name: str, unsynced: str = "") -> None:
        """Counts one step that is about to be made, maybe the sync of a file."""
        self.names.append(name)
        if len(self.names) == self.number:
            self.act(self, unsynced)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Puts itself before what makes something last, for as long as the block lasts."""
        replace, fsync, unlink, write = os.replace, os.fsync, os.unlink, Database.write

        def replacing(source: str, target: str) -> None:
            with self._turn:
                self.step(f"rename {kind_of(str(target))}")
                there = Path(target)
                self.renamed.setdefault(str(target), there.read_bytes() if there.exists() else None)
                replace(source, target)

        def syncing(handle: int) -> None:
            path = Path(f"/proc/self/fd/{handle}").readlink()
            is_folder = path.is_dir()
            with self._turn:
                self.step("sync folder" if is_folder else "sync file", "" if is_folder else str(path))
                fsync(handle)
                if is_folder:
                    self.renamed = {name: old for name, old in self.renamed.items() if Path(name).parent != path}

        def unlinking(path: str) -> None:
            with self._turn:
                if Path(path).exists():
                    self.step(f"remove {kind_of(str(path))}")
                unlink(path)

        async def writing(database: Database, work: Callable[[Connection], object]) -> object:
            self.step("before a commit")
            found = await write(database, work)
            self.step("after a commit")
            return found

        os.replace, os.fsync, os.unlink = replacing, syncing, unlinking  # type: ignore[assignment]
        Database.write = writing  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            os.replace, os.fsync, os.unlink = replace, fsync, unlink
            Database.write = write  # type: ignore[method-assign]
