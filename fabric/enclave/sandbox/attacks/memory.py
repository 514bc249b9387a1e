"""Attacks on memory: code that nobody checked, and more of it than allowed."""

import ctypes
import mmap
import os
import sys
from pathlib import Path
from typing import Final

from fabric.enclave.sandbox.attacks.bait import Attack, Bait

_PIECE: Final = 16 << 20
_libc: Final = ctypes.CDLL(None, use_errno=True)


def _executable(bait: Bait) -> str | None:
    del bait
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC):
        return "mapped memory that is writable and executable"


def _made_executable(bait: Bait) -> str | None:
    del bait
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        anchor = ctypes.c_char.from_buffer(page)
        address = ctypes.c_void_p(ctypes.addressof(anchor))
        result = _libc.mprotect(address, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC)
        del anchor
    return "made its own bytes executable" if result == 0 else None


def _library(bait: Bait) -> str | None:
    del bait
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(sys.base_prefix, sys.platlibdir, version, "lib-dynload")
    loaded = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    for path in sorted(folder.glob("*.so")):
        if str(path) not in loaded and "test" not in path.name:
            ctypes.CDLL(str(path))
            return f"loaded {path.name}"
    return None


def _file_as_code(bait: Bait) -> str | None:
    return _map_file(bait, mmap.PROT_READ | mmap.PROT_EXEC)


def _file_as_written_code(bait: Bait) -> str | None:
    return _map_file(bait, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def _map_file(bait: Bait, protection: int) -> str | None:
    # Any file that can be read; no mount of a container but that for native code lets one be mapped as code.
    del bait
    with Path(os.__file__).open("rb") as file:
        mmap.mmap(file.fileno(), mmap.PAGESIZE, flags=mmap.MAP_PRIVATE, prot=protection).close()
    return "mapped a file as code"


def _allocate(bait: Bait) -> str | None:
    size = bait["memory_bytes"]
    return f"got {len(bytearray(size))} bytes at once"


def _allocate_pieces(bait: Bait) -> str | None:
    pieces: list[bytearray] = []
    while len(pieces) * _PIECE < bait["memory_bytes"]:
        pieces.append(bytearray(_PIECE))
    return f"got {len(pieces) * _PIECE} bytes in pieces"


def _memory_file(bait: Bait) -> str | None:
    del bait
    os.close(os.memfd_create("attack"))
    return "has memory outside its address space"


def _merge(bait: Bait) -> str | None:
    del bait
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        page.madvise(mmap.MADV_MERGEABLE)
    return "shares pages with whoever has the same in them"


ATTACKS: Final[dict[str, Attack]] = {
    "map executable memory": _executable,
    "make memory executable": _made_executable,
    "load a library": _library,
    "map a file as code": _file_as_code,
    "map a file as code to write": _file_as_written_code,
    "allocate beyond the limit": _allocate,
    "allocate in pieces": _allocate_pieces,
    "memory file": _memory_file,
    "merge memory with others": _merge,
}
