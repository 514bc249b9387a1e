"""Lock: the wheels of others that a bundle stands on, named by hash, so that its measurement covers them too.

They travel beside the bundle and are never resolved: no index is asked, and a name alone gives nothing. Each is a wheel
as its author published it; unlike a bundle it has many spellings, so its hash is what it is known by. A binary one is
named with its machine, and a manifest that locks it asks for the capability ``native``.
"""

import io
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Final, Self

from pydantic import StringConstraints, model_validator

from fabric.bundles.native import TAGS, Needs, check_libraries, needs_of
from fabric.bundles.tables import Table
from fabric.core import canonical
from fabric.core.errors import Malformed
from fabric.core.ids import Digest, sha256

LOCK_NAME: Final = "lock.json"
FOLDER: Final = "wheels"
"""Where a project keeps them, beside ``cryptlet.toml``."""
MAX_DEPENDENCIES: Final = 64
MAX_WHEEL_BYTES: Final = 8 << 20
MAX_ALL_BYTES: Final = 16 << 20
"""Of all wheels of one bundle; each container holds a copy."""
MAX_UNPACKED_BYTES: Final = 64 << 20
MAX_NATIVE_BYTES: Final = 32 << 20
"""Unpacked, of all binary wheels of one bundle: each container holds them so."""
MAX_FILES: Final = 4096
"""Of one wheel; of all binary ones together folders count too, since each takes a place where it is unpacked."""
RESERVED_PACKAGES: Final = frozenset(
    (
        *("fabric", "adapters", "registry", "cryptlets"),
        *("annotated_types", "pydantic", "pydantic_core", "rfc8785", "typing_extensions", "typing_inspection"),
    )
)
"""Import names that stand in a container already."""
_IMPURE: Final = (".pyd", ".dll", ".dylib", ".a", ".pth", ".pyc", ".pyo", ".pkl", ".pickle", ".exe")
_LIBRARY: Final = ".so"
_PURE_ONLY: Final = ": not pure; only Python sources and plain data are taken"
_BINARY_ONLY: Final = ": only shared libraries, Python sources and plain data are taken"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@+][A-Za-z0-9_.@+~-]*(/[A-Za-z0-9_@+][A-Za-z0-9_.@+~-]*)*/?")
"""Names that a container unpacks (``fabric.enclave.sandbox.unpack``)."""
_MAX_NAME: Final = 512
_MAX_PART: Final = 255
"""The longest name of a file that every file system of Linux takes."""
_SPECIAL: Final = 0o7000  # setuid, setgid, sticky
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_LINK: Final = 0o120000
_TYPE: Final = 0o170000


class Dependency(Table):
    """One table ``[[dependencies]]``.

    Attributes:
        name: the distribution's name, normalised (PEP 503).
        version: its version.
        sha256: of the wheel file.
        filename: the wheel's file name, by which pip knows it.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    version: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+!]*$", max_length=64)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    filename: Annotated[
        str,
        StringConstraints(
            pattern=rf"^[A-Za-z0-9][A-Za-z0-9._]*-[A-Za-z0-9.+!_]+-((py3|py2\.py3)-none-any|{TAGS})\.whl$",
            max_length=200,
        ),
    ]

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        name, version = self.filename.split("-")[:2]
        if "-".join(name.lower().replace("_", ".").split(".")) != self.name or version != self.version:
            raise ValueError(f"the file {self.filename!r} is not called after {self.name} {self.version}")
        needs_of(self.filename)
        return self

    @property
    def needs(self) -> Needs | None:
        """What it needs of a machine; None where it is pure."""
        return needs_of(self.filename)

    @property
    def digest(self) -> Digest:
        """SHA-256 of the wheel file, 32 bytes."""
        return Digest(bytes.fromhex(self.sha256))


def lock_of(dependencies: Sequence[Dependency]) -> bytes:
    """Returns the canonical JSON list of dependencies, by name; its SHA-256 is part of the measurement."""
    rows: list[canonical.JsonValue] = [one.model_dump() for one in sorted(dependencies, key=lambda one: one.name)]
    return canonical.encode(rows)


def take_wheels(dependencies: Sequence[Dependency], wheels: Iterable[bytes], package: str) -> dict[str, bytes]:
    """Returns the wheel of every dependency by file name, in the order of the lock, each checked.

    Args:
        dependencies: what the manifest locks.
        wheels: wheel files in any order.
        package: the bundle's own package, which no dependency may hide.

    Raises:
        Malformed: one is missing, is not locked, is not what its file name says, or brings a name that is taken.
    """
    given = {sha256(wheel): wheel for wheel in wheels}
    ordered = sorted(dependencies, key=lambda one: one.name)
    for one in ordered:
        if one.digest not in given:
            raise Malformed(one.filename, f"no wheel with SHA-256 {one.sha256} was given; it is locked by this hash")
    if len(given) != len(ordered):
        raise Malformed(LOCK_NAME, f"{len(ordered)} wheels are locked, {len(given)} were given")
    if (total := sum(map(len, given.values()))) > MAX_ALL_BYTES:
        raise Malformed(LOCK_NAME, f"all wheels have at most {MAX_ALL_BYTES} bytes, got {total}")
    _check_unpacked(ordered, given)
    taken = {package}
    for one in ordered:
        names = import_names(given[one.digest], one.filename)
        if hidden := sorted(names & taken):
            raise Malformed(one.filename, f"brings {hidden[0]!r}, which the bundle or another dependency has too")
        taken |= names
    return {one.filename: given[one.digest] for one in ordered}


def import_names(wheel: bytes, filename: str) -> frozenset[str]:
    """Returns the top import names of a wheel. Nothing of it is run, and what is in it is not looked at.

    Raises:
        Malformed: no wheel, not pure though its name says so, beyond a limit, or with a name that stands in a
            container already.
    """
    members = _members(wheel, filename)
    names = frozenset(_top_names(members))
    if hidden := sorted(names & (RESERVED_PACKAGES | sys.stdlib_module_names)):
        raise Malformed(filename, f"brings {hidden[0]!r}, which stands in a container already")
    return names


def check_contents(dependencies: Sequence[Dependency], wheels: Mapping[str, bytes]) -> None:
    """Reads the libraries of binary wheels, which ``take_wheels`` has taken; a container reads them again.

    Args:
        dependencies: what the manifest locks.
        wheels: the wheels by file name.

    Raises:
        Malformed: a library that is not taken; names the wheel, the file and what is wrong.
    """
    for one in dependencies:
        if one.needs is not None:
            check_libraries(wheels[one.filename], one.filename, one.needs)


def _members(wheel: bytes, filename: str) -> list[zipfile.ZipInfo]:
    if len(wheel) > MAX_WHEEL_BYTES:
        raise Malformed(filename, f"at most {MAX_WHEEL_BYTES} bytes, got {len(wheel)}")
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as file:
            members = file.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError) as error:
        raise Malformed(filename, f"no wheel: {error}") from error
    _check_members(members, filename)
    return members


def _check_unpacked(dependencies: Sequence[Dependency], given: Mapping[Digest, bytes]) -> None:
    native = {one.filename: _members(given[one.digest], one.filename) for one in dependencies if one.needs is not None}
    total = sum(member.file_size for members in native.values() for member in members)
    count = sum(_places(members, filename) for filename, members in native.items())
    if total > MAX_NATIVE_BYTES or count > MAX_FILES:
        raise Malformed(
            LOCK_NAME,
            f"all binary wheels have at most {MAX_NATIVE_BYTES} bytes unpacked in {MAX_FILES} files and folders, got"
            f" {total} in {count}",
        )


def _places(members: list[zipfile.ZipInfo], filename: str) -> int:
    """Returns how many files and folders a binary wheel unpacks to; beyond the limit, some number beyond it."""
    files = {member.filename for member in members if not member.is_dir()}
    folders: set[str] = set()
    for member in members:
        folders.update(member.filename[:end] for end, letter in enumerate(member.filename) if letter == "/")
        if len(folders) > MAX_FILES:  # a short name can stand for hundreds of folders
            break
    if both := sorted(files & folders):
        raise Malformed(filename, f"{both[0][:100]!a} is the name of a file and of a folder")
    return len(files) + len(folders)


def _check_members(members: list[zipfile.ZipInfo], filename: str) -> None:
    names = [member.filename for member in members]
    if len(set(names)) != len(names) or not 0 < len(names) <= MAX_FILES:
        raise Malformed(filename, f"expected 1 to {MAX_FILES} files, none twice; got {len(names)}")
    if (total := sum(member.file_size for member in members)) > MAX_UNPACKED_BYTES:
        raise Malformed(filename, f"at most {MAX_UNPACKED_BYTES} bytes unpacked, got {total}")
    is_native = needs_of(filename) is not None
    for member in members:
        if refusal := _refusal(member, is_native=is_native):
            raise Malformed(filename, f"{member.filename[:100]!a}{refusal}")


def _refusal(member: zipfile.ZipInfo, *, is_native: bool) -> str | None:
    """Returns why a file of a wheel is not taken, or None."""
    parts = member.filename.rstrip("/").split("/")
    if member.filename.startswith("/") or "\\" in member.filename or {"", ".", ".."} & set(parts):
        return " leaves the folder that it is unpacked into"
    if parts[0].endswith(".data") or member.filename.lower().endswith(_IMPURE if is_native else (*_IMPURE, _LIBRARY)):
        return _BINARY_ONLY if is_native else _PURE_ONLY
    mode = member.external_attr >> 16
    if mode & _TYPE == _LINK or member.compress_type not in _METHODS or member.flag_bits & 1:
        return ": a link, encrypted, or packed in another way"
    if is_native and (mode & _SPECIAL or not _is_plain(member.filename)):
        return ": runs as another user, or has no plain name, or one that is too long"
    return None


def _is_plain(name: str) -> bool:
    return (
        len(name) <= _MAX_NAME
        and _PLAIN.fullmatch(name) is not None
        and all(len(part) <= _MAX_PART for part in name.split("/"))
    )


def _top_names(members: list[zipfile.ZipInfo]) -> Iterator[str]:
    for member in members:
        head, slash, _ = member.filename.partition("/")
        if slash and not head.endswith(".dist-info"):
            yield head
        elif not slash and head.endswith((".py", _LIBRARY)):
            yield head.partition(".")[0]
