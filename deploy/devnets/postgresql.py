"""Finds the PostgreSQL server that tests start, and installs Debian's where it is missing and may be installed.

python deploy/devnets/postgresql.py            install if need be, then say which one there is
python deploy/devnets/postgresql.py --which    print the folder of its programs
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

DEBIAN: Final = Path("/usr/lib/postgresql")
PROGRAMS: Final = ("initdb", "postgres")
TIMEOUT_SECONDS: Final = 600


class InstallError(Exception):
    """There is no PostgreSQL on this machine; the message says what to do."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    try:
        if "--which" in arguments:
            print(find())
        else:
            install()
            print(f"postgresql: {find()}")
    except InstallError as error:
        print(f"deploy/devnets/postgresql.py: {error}", file=sys.stderr)
        return 1
    return 0


def install() -> None:
    """Installs Debian's package where no server is found and we may; raises ``InstallError``."""
    if any(_candidates()) or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    environment = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "postgresql"]):
        try:
            subprocess.run(command, check=True, env=environment, stdout=sys.stderr, timeout=TIMEOUT_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            message = f"step failed: {error}"
            raise InstallError(message) from error


def find() -> Path:
    """Returns the folder with the newest server's programs; raises ``InstallError``."""
    for folder in _candidates():
        return folder
    message = "no PostgreSQL: install the package postgresql (as root: apt-get install -y postgresql)"
    raise InstallError(message)


def _candidates() -> Iterator[Path]:
    """Yields the folders that hold a server, Debian's newest first, then the one on PATH."""
    folders = sorted(DEBIAN.glob("*/bin"), key=lambda path: _number(path.parent.name), reverse=True)
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    for folder in folders:
        if all((folder / name).is_file() for name in PROGRAMS):
            yield folder


def _number(version: str) -> float:
    """Returns the version that a folder's name states; 0 for another name."""
    try:
        return float(version)
    except ValueError:
        return 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
