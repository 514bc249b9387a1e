"""A hostile cryptlet on a hostile binary wheel: it asks the kernel without the C library, as machine code does."""

# ruff: noqa: ARG002

import mmap
import os
import platform
from collections.abc import Callable
from typing import Final

import hostile_native as native  # type: ignore[import-not-found]
from pydantic import BaseModel

from fabric.sdk import Context, Cryptlet, method

COLUMN: Final = {"x86_64": 0, "aarch64": 1}[platform.machine()]
# name: number on x86_64 and aarch64, arguments; each harmless where it succeeds.
CALLS: Final[dict[str, tuple[tuple[int, int], tuple[int, ...]]]] = {
    "socket": ((41, 198), (2, 1)),
    "connect": ((42, 203), (-1,)),
    "ptrace": ((101, 117), ()),
    "clone": ((56, 220), (0x800,)),
    "clone3": ((435, 435), ()),
    "kill everyone": ((62, 129), (-1,)),
    "open a process handle": ((434, 434), (1,)),
    "read another's memory": ((310, 270), (1,)),
    "io_uring": ((425, 425), (1,)),
    "memory file": ((319, 279), ()),
    "namespace": ((272, 97), ()),
    "mount": ((165, 40), ()),
    "load a program into the kernel": ((321, 280), ()),
    "lift a limit": ((302, 261), (0, 9)),
    "shared memory": ((29, 194), (0, 4096, 0o1600)),
    "be dumpable": ((157, 167), (4, 1)),
    "make all memory executable": ((135, 92), (0x0040_0000,)),
    "protection keys": ((329, 288), (0, 4096, 7, -1)),
    "entropy": ((318, 278), ()),
    "wake another container": ((202, 98), (0, 1, 1)),
    "change root": ((161, 51), ()),
    "become root": ((105, 146), (0,)),
}
_READ_EXECUTE: Final = mmap.PROT_READ | mmap.PROT_EXEC
_ANONYMOUS: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def _number(name: str) -> int:
    numbers, arguments = CALLS[name]
    return int(native.syscall(numbers[COLUMN], *arguments, *[0] * (6 - len(arguments))))


def _mapped(path: str, protection: int) -> int:
    descriptor = native.open(path, os.O_RDONLY)
    return int(native.map(descriptor, protection, mmap.MAP_PRIVATE))


WAYS: Final[dict[str, Callable[[], int]]] = {
    **{name: lambda name=name: _number(name) for name in CALLS},  # type: ignore[misc]
    "execute": lambda: native.exec("/no/such/program"),
    "open outside": lambda: native.open("/etc/passwd", os.O_RDONLY),
    "open beyond the root": lambda: native.open("../" * 20 + "etc/passwd", os.O_RDONLY),
    "map code of nothing": lambda: native.map(-1, _READ_EXECUTE, _ANONYMOUS),
    "map code to write": lambda: native.map(-1, _READ_EXECUTE | mmap.PROT_WRITE, _ANONYMOUS),
    "map a file as code": lambda: _mapped(os.__file__, _READ_EXECUTE),
    "map its own library to write": lambda: _mapped(native.__file__, _READ_EXECUTE | mmap.PROT_WRITE),
    "make its own code writable": lambda: native.rewrite()[0],
    "make what it wrote code": lambda: native.rewrite()[1],
}
INSIDE: Final[dict[str, Callable[[], int]]] = {
    "write a file": lambda: native.open("/app/native/1/file", os.O_WRONLY | os.O_CREAT),
    "write to its own library": lambda: native.open(native.__file__, os.O_WRONLY),
    "fork bomb": lambda: max(native.syscall((57, 220)[COLUMN], (0, 17)[COLUMN], 0, 0, 0, 0, 0) for _ in range(1000)),
}


class Name(BaseModel):
    name: str
    known: list[int] = []


class Seen(BaseModel):
    seen: list[int]


class Native(Cryptlet):
    @method
    def attack(self, ctx: Context, value: Name) -> Seen:
        """Gives what the kernel answered."""
        return Seen(seen=[{**WAYS, **INSIDE}[value.name]()])

    @method
    def sweep(self, ctx: Context, value: Name) -> Seen:
        """Gives every call, of those that are not known, that was answered with another word than refusals are."""
        answers = {number: native.syscall(number, 0, 0, 0, 0, 0, 0) for number in set(range(1024)) - {*value.known}}
        return Seen(seen=sorted(number for number, answer in answers.items() if answer not in {-1, -38}))

    @method
    def grow(self, ctx: Context, value: Name) -> Seen:
        """Gives how many bytes it got."""
        return Seen(seen=[native.grow(value.known[0])])

    @method
    def old_gate(self, ctx: Context, value: Name) -> Seen:
        """Calls through the gate of 32-bit programs."""
        return Seen(seen=[native.old()])
