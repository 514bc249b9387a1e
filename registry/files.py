"""Files that appear whole or not at all, and stay: written beside their place, synced, renamed into it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fabric.core.errors import StoreError


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
        """Puts files in place one after the other, each durably before the next; raises ``StoreError``."""
        for path, data in files.items():
            target = self.root / path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                _place(target, data)
            except OSError as error:
                raise _converted(target, error) from error

    def remove(self, path: str) -> None:
        """Takes a file away, if it is there; raises ``StoreError``."""
        try:
            (self.root / path).unlink(missing_ok=True)
        except OSError as error:
            raise _converted(self.root / path, error) from error


def _place(target: Path, data: bytes) -> None:
    scratch = target.with_name(f".{target.name}.new")
    try:
        with scratch.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(target)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _converted(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path}: {error.strerror or error}; nothing was changed: mend it, then do the same again")
