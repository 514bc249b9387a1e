"""ELF: what a shared library says of itself, read from its bytes (System V gABI, chapters 4 and 5). Nothing is loaded.

It is no wall: whatever gets past it still runs in a locked container. It keeps out what could not work there or is no
library at all, by name and before anybody waits for it.
"""

import posixpath
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fabric.core.errors import Malformed

MAGIC: Final = b"\x7fELF"
MACHINES: Final = {"x86_64": 62, "aarch64": 183}
"""``e_machine`` by the name that ``uname -m`` and a wheel's platform tag have for it."""
_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_ENTRY: Final = struct.Struct("<qQ")
_IDENTITY: Final = MAGIC + bytes((2, 1, 1))  # 64 bits, little-endian, version 1
_SHARED: Final = 3
_LOAD, _DYNAMIC, _INTERPRETER, _STACK = 1, 2, 3, 0x6474_E551
_EXECUTE, _WRITE = 1, 2
_NEEDED, _STRTAB, _STRSZ, _SONAME, _RPATH, _TEXTREL, _RUNPATH, _FLAGS = 1, 5, 10, 14, 15, 22, 29, 30
_TEXTREL_FLAG: Final = 4
_HELPERS: Final = frozenset({0x6FFF_FEFB, 0x6FFF_FEFC, 0x7FFF_FFFD, 0x7FFF_FFFF})  # audit, filter and auxiliary
_MAX_SEGMENTS: Final = 64
_MAX_ENTRIES: Final = 4096
_MAX_NAME: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_ORIGIN: Final = re.compile(r"\$(ORIGIN|\{ORIGIN\})(/[A-Za-z0-9_./-]*)?")


@dataclass(frozen=True)
class Library:
    """What a shared library asks of the loader.

    Attributes:
        soname: the name by which others ask for it; empty where it has none.
        needed: names of the libraries that it needs.
        folders: where it looks for them first, from the root of what it was unpacked from.
    """

    soname: str
    needed: tuple[str, ...]
    folders: tuple[str, ...]


def read_library(data: bytes, path: str, machine: str) -> Library:
    """Reads a file that is to be a shared library.

    Args:
        data: its bytes.
        path: its path in the wheel, to which ``$ORIGIN`` is relative.
        machine: a key of ``MACHINES``.

    Raises:
        Malformed: no shared library of that machine; a program; one that asks for writable code or an executable
            stack, for auditors or filters, or to search outside of what it came with.
    """
    try:
        segments = _segments(data, path, machine)
        return _library(data, path, segments)
    except (struct.error, OverflowError) as error:
        raise Malformed(path, f"no ELF file: {error}") from error


def _segments(data: bytes, path: str, machine: str) -> list[tuple[int, ...]]:
    """Returns the rows of the program header, each checked for what it asks of memory."""
    identity, kind, found, _, _, begin, *_, size, count, _, _, _ = _HEADER.unpack_from(data)
    if not identity.startswith(_IDENTITY) or found != MACHINES[machine]:
        raise Malformed(path, f"no 64-bit ELF file for {machine}")
    if kind != _SHARED or size != _SEGMENT.size or count > _MAX_SEGMENTS:
        raise Malformed(path, "no shared library: a program, an object file, or a header of another form")
    rows = [_SEGMENT.unpack_from(data, begin + number * size) for number in range(count)]
    stacks = [flags for name, flags, *_ in rows if name == _STACK]
    if any(name == _INTERPRETER for name, *_ in rows):
        raise Malformed(path, "a program, not a shared library")
    if len(stacks) != 1 or stacks[0] & _EXECUTE:
        raise Malformed(path, "asks for an executable stack, which no container has; link it with -z noexecstack")
    if any(name == _LOAD and flags & _WRITE and flags & _EXECUTE for name, flags, *_ in rows):
        raise Malformed(path, "has code that it may write to")
    return rows


def _library(data: bytes, path: str, segments: Sequence[tuple[int, ...]]) -> Library:
    entries = list(_entries(data, path, segments))
    values = dict(entries)
    if _TEXTREL in values or values.get(_FLAGS, 0) & _TEXTREL_FLAG:
        raise Malformed(path, "would write to its own code when it is loaded; compile it with -fPIC")
    if _HELPERS & values.keys():
        raise Malformed(path, "asks the loader for an auditor or a filter")
    strings = _strings(data, path, segments, values)
    needed = tuple(_checked(_text(strings, value, path), path) for name, value in entries if name == _NEEDED)
    soname = _text(strings, values[_SONAME], path) if _SONAME in values else ""
    places = [_text(strings, value, path) for name, value in entries if name in (_RPATH, _RUNPATH)]
    folders = tuple(_folder(part, path) for place in places if place for part in place.split(":"))
    return Library(soname, needed, folders)


def _entries(data: bytes, path: str, segments: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, int]]:
    """Yields tag and value of each row of the dynamic section, up to its end."""
    found = [(offset, size) for name, _, offset, _, _, size, *_ in segments if name == _DYNAMIC]
    if len(found) != 1:
        raise Malformed(path, "no shared library: it has no dynamic section, or more than one")
    offset, size = found[0]
    for number in range(min(size // _ENTRY.size, _MAX_ENTRIES)):
        name, value = _ENTRY.unpack_from(data, offset + number * _ENTRY.size)
        if name == 0:
            return
        yield name, value
    raise Malformed(path, "its dynamic section has no end")


def _strings(data: bytes, path: str, segments: Sequence[tuple[int, ...]], values: dict[int, int]) -> bytes:
    """Returns the table of texts; its address is one in memory, which a loaded segment leads back to the file."""
    address, size = values.get(_STRTAB, 0), values.get(_STRSZ, 0)
    for name, _, offset, start, _, length, *_ in segments:
        if name == _LOAD and start <= address and address + size <= start + length:
            begin = offset + address - start
            return data[begin : begin + size]
    raise Malformed(path, "its table of texts is in no segment")


def _text(strings: bytes, begin: int, path: str) -> str:
    end = strings.find(b"\0", begin, begin + _MAX_NAME)
    if begin >= len(strings) or end < 0:
        raise Malformed(path, "a text beyond its table")
    return strings[begin:end].decode("ascii", "replace")


def _checked(name: str, path: str) -> str:
    if not _NAME.fullmatch(name):
        raise Malformed(path, f"needs {name[:100]!a}, which is no plain file name")
    return name


def _folder(part: str, path: str) -> str:
    """Returns a folder of RPATH or RUNPATH from the root of the wheel."""
    found = _ORIGIN.fullmatch(part)
    folder = posixpath.normpath(posixpath.join(posixpath.dirname(path), (found[2] or "/").lstrip("/"))) if found else ""
    if not found or folder == ".." or folder.startswith(("../", "/")):
        raise Malformed(path, f"looks for libraries in {part[:100]!a}; only $ORIGIN and what is in the wheel are taken")
    return folder
