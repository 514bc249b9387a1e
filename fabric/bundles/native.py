"""Binary wheels: which machine their names ask for, and whether what is in them can be loaded in a container.

A name's tags are PEP 425's, its platform PEP 600's (``manylinux_2_17_x86_64``). Nothing here is loaded.
"""

import io
import os
import platform
import posixpath
import re
import sys
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from typing_extensions import override

from fabric.core.elf import MACHINES, MAGIC, Library, read_library
from fabric.core.errors import Malformed

_PLATFORM: Final = rf"manylinux(_2_[0-9]{{1,2}}|1|2010|2014)_({'|'.join(MACHINES)})"
TAGS: Final = rf"(py3|py2\.py3|cp3[0-9]{{1,2}})-(none|abi3|cp3[0-9]{{1,2}})-{_PLATFORM}(\.{_PLATFORM})*"
"""What stands behind name and version in the file name of a binary wheel that can be locked."""
_OLD_NAMES: Final = {"1": 5, "2010": 12, "2014": 17}
"""Minor version of the C library by the platform's old name (PEP 600, legacy manylinux tags)."""
_NEWEST_PYTHON: Final = 99
_LIBRARY: Final = re.compile(r".*\.so(\.[0-9]+)*", re.IGNORECASE)
_PLATFORM_LIBRARIES: Final = re.compile(
    r"(lib(c|m|dl|pthread|rt|util)\.so\.\d|libgcc_s\.so\.1|libstdc\+\+\.so\.6|libz\.so\.1|ld-linux-[a-z0-9-]+\.so\.\d)"
)
"""What PEP 600 lets a wheel expect of a machine, as far as containers have it (``fabric.enclave.sandbox.preload``)."""


@dataclass(frozen=True)
class Machine:
    """A place where a wheel may be loaded.

    Attributes:
        name: as ``uname -m`` says it.
        glibc: minor version of the GNU C library 2; None where there is another library.
        python: minor version of CPython 3.
    """

    name: str
    glibc: int | None
    python: int

    @classmethod
    def here(cls) -> Self:
        """Returns the machine that this process runs on."""
        names = os.confstr_names
        said = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in names else None
        found = re.fullmatch(r"glibc 2\.(\d+)", said or "")
        return cls(platform.machine(), int(found[1]) if found else None, sys.version_info.minor)

    @override
    def __str__(self) -> str:
        """One line for people."""
        library = "another C library than glibc 2" if self.glibc is None else f"glibc 2.{self.glibc}"
        return f"CPython 3.{self.python}, {self.name}, {library}"


@dataclass(frozen=True)
class Needs:
    """What the name of a binary wheel asks for.

    Attributes:
        machine: as ``uname -m`` says it.
        glibc: least minor version of the GNU C library 2.
        python: least minor version of CPython 3.
        is_stable: whether later ones do too.
    """

    machine: str
    glibc: int
    python: int
    is_stable: bool

    def fits(self, machine: Machine) -> bool:
        """Says whether the wheel can be loaded there."""
        newest = _NEWEST_PYTHON if self.is_stable else self.python
        return (
            machine.name == self.machine
            and machine.glibc is not None
            and machine.glibc >= self.glibc
            and self.python <= machine.python <= newest
        )

    @override
    def __str__(self) -> str:
        """One line for people."""
        later = " or later" if self.is_stable else ""
        return f"CPython 3.{self.python}{later}, {self.machine}, glibc 2.{self.glibc} or later"


def needs_of(filename: str) -> Needs | None:
    """Returns what a wheel's file name asks for; None where it is pure.

    Raises:
        ValueError: its tags contradict each other.
    """
    python, abi, platforms = filename.removesuffix(".whl").rsplit("-", 3)[1:]
    if platforms == "any":
        return None
    found = [re.fullmatch(_PLATFORM, each) for each in platforms.split(".")]
    named = {each[2] for each in found if each}
    if len(named) != 1 or None in found:
        raise ValueError(f"the platform {platforms!r} is not one machine's manylinux")
    if abi.startswith("cp3") and abi != python:
        raise ValueError(f"the tags {python!r} and {abi!r} contradict each other")
    least = min(_OLD_NAMES.get(each[1]) or int(each[1].removeprefix("_2_")) for each in found if each)
    minor = int(python.removeprefix("cp3")) if python.startswith("cp3") else 0
    return Needs(named.pop(), least, minor, is_stable=abi == "abi3" or python.endswith("py3"))


def check_fit(filenames: Mapping[str, Needs], machine: Machine) -> None:
    """Holds what binary wheels need against a machine.

    Args:
        filenames: what each needs, by file name.
        machine: where they are to be loaded.

    Raises:
        ValueError: one does not fit; says what it needs, and what is there.
    """
    for filename, needs in filenames.items():
        if not needs.fits(machine):
            raise ValueError(f"{filename} needs {needs}; here is {machine}")


def check_libraries(wheel: bytes, filename: str, needs: Needs) -> None:
    """Reads every library of a binary wheel, whose names and sizes have been checked.

    Raises:
        Malformed: one is for another machine, is no shared library, looks for others outside of the wheel, or needs
            one that neither the wheel nor a container has.
    """
    libraries = {
        path: read_library(content, path, needs.machine)
        for path, content in read_files(wheel, filename).items()
        if content.startswith(MAGIC) or _LIBRARY.fullmatch(path)
    }
    if not libraries:
        raise Malformed(filename, "named for one kind of machine, and has no library; lock the pure wheel of it")
    for path, library in libraries.items():
        for name in library.needed:
            if not (_PLATFORM_LIBRARIES.fullmatch(name) or _is_brought(name, library, libraries)):
                raise Malformed(
                    f"{filename}: {path}", f"needs {name}, which neither the wheel nor a container has; see auditwheel"
                )


def read_files(wheel: bytes, filename: str) -> dict[str, bytes]:
    """Returns the files of a wheel, whose sizes have been checked, by path.

    Raises:
        Malformed: one cannot be unpacked, or is larger than the archive says.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as file:
            return {member.filename: file.read(member) for member in file.infolist() if not member.is_dir()}
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, NotImplementedError, EOFError, RuntimeError) as error:
        raise Malformed(filename, f"cannot be unpacked: {error}") from error


def unpack(wheel: bytes, filename: str, folder: Path) -> None:
    """Writes the files of a wheel that was checked into a folder, none of them executable; raises as ``read_files``."""
    for path, content in read_files(wheel, filename).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _is_brought(name: str, library: Library, libraries: Mapping[str, Library]) -> bool:
    """Says whether a library finds another one in its own folders, or under the name of one that is loaded first."""
    if any(posixpath.normpath(posixpath.join(folder, name)) in libraries for folder in library.folders):
        return True
    return any(name in (other.soname, posixpath.basename(path)) for path, other in libraries.items())
