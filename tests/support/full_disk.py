"""A small disk of its own that a test can fill: a file system in memory, mounted on a folder."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

MAY_MOUNT = os.geteuid() == 0
needs_mount = pytest.mark.skipif(not MAY_MOUNT, reason="only root may mount a file system in memory, which is the disk")
_BLOCK = 1 << 16


class Disk:
    """A mounted folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leaves not a byte."""
        size = _BLOCK
        with self._filler.open("ab", buffering=0) as file:
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2

    def free(self) -> None:
        self._filler.unlink()


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"no program {name}"
    return found


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """Mounts a disk on a folder for as long as the block lasts."""
    folder.mkdir(exist_ok=True)
    subprocess.run(
        [_program("mount"), "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(folder)], check=True
    )
    try:
        yield Disk(folder)
    finally:
        with suppress(subprocess.CalledProcessError):
            subprocess.run([_program("umount"), "--lazy", str(folder)], check=True)
