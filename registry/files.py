"""Files that appear whole or not at all, and stay: written beside their place, synced, renamed into it."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from fabric.core.errors import StoreError

_DRAFT: Final = ".new"
_MANY: Final = 32
_THREADS: Final = 8


class Shelf:
    """A folder of static files.

    Attributes:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        """Takes the folder; it is made when something is put there."""
        self.root: Final = root

    def read(self, path: str) -> bytes | None:
        """Returns a file's bytes, None where there is none; raises ``StoreError``."""
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _converted(self.root / path, error) from error

    def has(self, path: str) -> bool:
        """Says whether there is such a file."""
        return (self.root / path).is_file()

    def put(self, path: str, data: bytes) -> None:
        """Puts a file in place, durably, over what was there; raises ``StoreError``, and then nothing has changed."""
        self.put_all({path: data})

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Puts files in place, all durably when this returns.

        Raises:
            StoreError: the disk did not take one; each of the others is whole in its place, or not there.
        """
        targets = {self.root / path: data for path, data in files.items()}
        try:
            for folder in {target.parent for target in targets}:
                _make(folder)
            if len(targets) < _MANY:
                _place(targets)
                return
            # A disk syncs eight files in little more than the time of one.
            with ThreadPoolExecutor(_THREADS) as threads:
                items = list(targets.items())
                list(threads.map(_place, [dict(items[at::_THREADS]) for at in range(_THREADS)]))
        except OSError as error:
            raise _converted(Path(error.filename or self.root), error) from error

    def sweep(self) -> int:
        """Takes away drafts that a killed process left; returns how many. Nobody else may be writing here.

        Raises:
            StoreError: the folder cannot be read or changed.
        """
        try:
            drafts = [path for path in self.root.rglob(f".*{_DRAFT}") if path.is_file()]
            for draft in drafts:
                draft.unlink(missing_ok=True)
        except OSError as error:
            raise _converted(Path(error.filename or self.root), error) from error
        return len(drafts)

    def remove(self, path: str) -> None:
        """Takes a file away, if it is there; raises ``StoreError``."""
        try:
            (self.root / path).unlink(missing_ok=True)
        except OSError as error:
            raise _converted(self.root / path, error) from error


def _place(targets: Mapping[Path, bytes]) -> None:
    for target, data in targets.items():
        scratch = target.with_name(f".{target.name}{_DRAFT}")
        try:
            with scratch.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(target)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
    for folder in {target.parent for target in targets}:
        _sync(folder)


def _make(folder: Path) -> None:
    """Makes a folder and those above it; a new name is durable when the folder that it is in was synced."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        _sync(each.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _converted(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path}: {error.strerror or error}; nothing was changed: mend it, then do the same again")
