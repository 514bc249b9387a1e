"""The machine itself: Python, packages that shadow ours, disk, clock."""

import ctypes
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import fabric
from fabric.cli.shadows import OWN_PACKAGES, refuse_shadowed_packages
from fabric.core.errors import ConfigError
from fabric.core.finding import Finding, fail, ok, warn

OLDEST: Final = (3, 11)
NEWEST: Final = (3, 13)
OWN_DISTRIBUTION: Final = "cryptlet-fabric"
LEAST_BYTES: Final = 256 << 20
"""Below it a start fails: Ray alone maps so much shared memory."""
GOOD_BYTES: Final = 2 << 30
SLACK_SECONDS: Final = 60
_UNSYNCHRONISED: Final = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_BYTES: Final = 512  # more than struct timex has anywhere


def python(version: tuple[int, int] = sys.version_info[:2], system: str = sys.platform) -> list[Finding]:
    """Looks at Python's version and the operating system."""
    shown = ".".join(map(str, version))
    if not OLDEST <= version <= NEWEST:
        return [fail("python", f"Python {shown}", "use Python 3.11 to 3.13, such as: uv venv --python 3.13")]
    if system != "linux":
        return [fail("python", f"Python {shown} on {system}", "run it on Linux, whose kernel builds the sandbox")]
    return [ok("python", f"Python {platform.python_version()} on Linux {platform.release()}")]


def packages(owners: Mapping[str, list[str]] | None = None) -> list[Finding]:
    """Looks for other distributions with packages of our names; PyPI has an SSH tool called fabric."""
    try:
        refuse_shadowed_packages()
    except ConfigError as error:
        return [fail("packages", str(error), f"make an environment for {OWN_DISTRIBUTION} alone and install it there")]
    found = packages_distributions() if owners is None else owners
    others = sorted({owner for name in OWN_PACKAGES for owner in found.get(name, ())} - {OWN_DISTRIBUTION})
    if others:
        said = f"{', '.join(others)} brings a package of one of our names too, and which is found is a matter of luck"
        return [warn("packages", said, f"run: pip uninstall {' '.join(others)}, or install it in another environment")]
    return [ok("packages", f"{', '.join(OWN_PACKAGES)} are ours, in {Path(fabric.__file__).parents[1]}")]


def disk(folder: Path, free: int | None = None) -> list[Finding]:
    """Looks at the space that is left where the state folder is, or will be."""
    place = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    left = shutil.disk_usage(place).free if free is None else free
    said = f"{left / (1 << 30):.1f} GiB free at {place}"
    if left < LEAST_BYTES:
        return [fail("disk", said, "make room, or put the state folder elsewhere with --state")]
    if left < GOOD_BYTES:
        return [warn("disk", said, f"make room: {GOOD_BYTES >> 30} GiB last for a while")]
    return [ok("disk", said)]


def clock(now: int, files: Iterable[Path], *, synchronised: bool | None = None) -> list[Finding]:
    """Holds the clock against the time of files that were written before, and asks the kernel about it.

    Args:
        now: Unix seconds.
        files: files that exist already; a clock that stands before them is wrong.
        synchronised: whether the kernel calls the clock synchronised; asked by default.
    """
    said = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC"
    set_it = "set the clock: timedatectl set-ntp true, or what keeps time on this machine"
    late = [path for path in files if path.exists() and path.stat().st_mtime > now + SLACK_SECONDS]
    if late:
        return [
            fail("clock", f"{said}, earlier than {late[0]} was written: attestations would not be valid yet", set_it)
        ]
    if not (_is_synchronised() if synchronised is None else synchronised):
        return [warn("clock", f"{said}; the kernel does not call the clock synchronised", set_it)]
    return [ok("clock", f"{said}, synchronised")]


def _is_synchronised() -> bool:
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only asks
    return bool(ctypes.CDLL(None).adjtimex(buffer) != _UNSYNCHRONISED)
