"""The canonical archive: one byte string for one set of named files (docs/spec/bundle.md, section 2).

It is a zip file with every free choice fixed: entries sorted, stored, dated 1980-01-01, mode 0644, no extra fields, no
comment. Reading walks the local headers, writes the archive again and refuses what differs by one byte. So no second
directory can disagree with the first, and there is no compression and no link.
"""

import re
import struct
import zlib
from collections.abc import Mapping
from typing import Final

from fabric.core.errors import Malformed

MAX_BYTES: Final = 8 << 20
"""Largest archive."""
MAX_ENTRIES: Final = 512
MAX_NAME_BYTES: Final = 200

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_VERSION: Final = 20
_MADE_BY: Final = 3 << 8 | _VERSION  # 3 is Unix, whose modes stand in the upper half of the attributes
_DATE: Final = 0x21  # 1980-01-01, the first day a zip file can name; the time is 0
_ATTRIBUTES: Final = 0o100644 << 16
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_FORMAT: Final = "bundle archive"


def write(entries: Mapping[str, bytes]) -> bytes:
    """Returns the canonical archive of the files.

    Args:
        entries: content by path; relative, with ``/``, each part of ASCII letters, digits and ``_.-``.

    Raises:
        Malformed: a name, a size or their number is out of bounds.
    """
    _check_bounds(entries)
    body, directory = bytearray(), bytearray()
    for name in sorted(entries):
        content, raw = entries[name], name.encode("ascii")
        common = (0, 0, 0, _DATE, zlib.crc32(content), len(content), len(content), len(raw), 0)
        directory += _CENTRAL.pack(b"PK\1\2", _MADE_BY, _VERSION, *common, 0, 0, 0, _ATTRIBUTES, len(body)) + raw
        body += _LOCAL.pack(b"PK\3\4", _VERSION, *common) + raw + content
    count = len(entries)
    return bytes(body + directory + _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0))


def read(data: bytes) -> dict[str, bytes]:
    """Returns the files of a canonical archive, by name, sorted.

    Raises:
        Malformed: anything but the one canonical spelling of such an archive.
    """
    if len(data) > MAX_BYTES:
        raise Malformed(_FORMAT, f"at most {MAX_BYTES} bytes, got {len(data)}")
    entries = _walk(data)
    again = write(entries)
    if again != data:
        place = next((at for at, (got, want) in enumerate(zip(data, again, strict=False)) if got != want), len(again))
        raise Malformed(_FORMAT, f"another spelling than the canonical one, first at byte {place}")
    return entries


def _walk(data: bytes) -> dict[str, bytes]:
    """Reads entry after entry from the start; everything but names and sizes is left to the comparison."""
    entries: dict[str, bytes] = {}
    at = 0
    while data[at : at + 4] == b"PK\3\4" and len(data) - at >= _LOCAL.size:
        *_, crc, size, _, name_size, extra_size = _LOCAL.unpack_from(data, at)
        at += _LOCAL.size
        name = data[at : at + name_size].decode("ascii", "replace")
        at += name_size + extra_size
        content = data[at : at + size]
        at += size
        _check_name(name)
        if name in entries:
            raise Malformed(name, "stands twice in the archive")
        if len(content) != size or zlib.crc32(content) != crc:
            raise Malformed(name, "its bytes do not have the checksum that the archive states: cut or changed")
        entries[name] = content
        if len(entries) > MAX_ENTRIES:
            break
    return entries


def _check_bounds(entries: Mapping[str, bytes]) -> None:
    if not 0 < len(entries) <= MAX_ENTRIES:
        raise Malformed(_FORMAT, f"expected 1 to {MAX_ENTRIES} entries, got {len(entries)}")
    for name in entries:
        _check_name(name)
    headers = sum(_LOCAL.size + _CENTRAL.size + 2 * len(name) for name in entries)
    total = headers + _END.size + sum(map(len, entries.values()))
    if total > MAX_BYTES:
        raise Malformed(_FORMAT, f"at most {MAX_BYTES} bytes, got {total}")


def _check_name(name: str) -> None:
    """Lets no name through that could leave the folder it is unpacked into."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_BYTES:
        shown = ascii(name[:MAX_NAME_BYTES])
        raise Malformed(
            _FORMAT,
            f"entry {shown}: a name is relative, of ASCII letters, digits, '_', '-', '.' and '/',"
            f" no part begins with '.' or '-', at most {MAX_NAME_BYTES} bytes",
        )
