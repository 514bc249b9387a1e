"""Kernel calls that Python has no name for, each a function that raises ``OSError`` with the call's name.

Constants: ``linux/sched.h``, ``linux/mount.h``, ``linux/prctl.h``, ``linux/capability.h``.
"""

import ctypes
import os
import struct
from typing import Final

from fabric.enclave.sandbox.syscalls import machine

CLONE_NEWNS: Final = 0x0002_0000
CLONE_NEWCGROUP: Final = 0x0200_0000
CLONE_NEWUTS: Final = 0x0400_0000
CLONE_NEWIPC: Final = 0x0800_0000
CLONE_NEWUSER: Final = 0x1000_0000
CLONE_NEWPID: Final = 0x2000_0000
CLONE_NEWNET: Final = 0x4000_0000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_CAPABILITIES: Final = 64
"""More than any kernel has; dropping one that does not exist is refused and harmless."""
_CAPABILITY_VERSION_3: Final = 0x2008_0522

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Calls the kernel by the name of a system call of ``syscalls.OWN``."""
    converted = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
    result: int = _libc.syscall(ctypes.c_long(machine().number(name)), *converted)
    return _checked(result, name)


def unshare(flags: int) -> None:
    """Moves this process, or with ``CLONE_NEWPID`` its future children, into new namespaces."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Makes a mount, or binds or changes one; the manual page says which arguments go with which flags."""
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    result = _libc.mount(*texts, ctypes.c_ulong(flags), os.fsencode(data))
    _checked(result, f"mount {target}")


def pivot_here() -> None:
    """Makes the current folder, which must be a mount, the root, and lets the old root go."""
    call("pivot_root", b".", b".")
    _checked(_libc.umount2(b".", MNT_DETACH), "umount2")
    os.chdir("/")


def set_hostname(name: bytes) -> None:
    """Names the machine in this UTS namespace."""
    _checked(_libc.sethostname(name, ctypes.c_size_t(len(name))), "sethostname")


def die_with_parent(number: int = 9) -> None:
    """Asks for a signal when the parent *thread* ends; a change of user or capabilities takes it back."""
    _prctl(_PR_SET_PDEATHSIG, number)


def set_dumpable(*, dumpable: bool) -> None:
    """Decides whether processes of the same user may trace this one and read its ``/proc`` files."""
    _prctl(_PR_SET_DUMPABLE, int(dumpable))


def no_new_privileges() -> None:
    """Makes every later exec unable to gain rights; Landlock and seccomp ask for it."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_bounding_set() -> None:
    """Bars every capability from ever being gained; asks for CAP_SETPCAP and does nothing without it."""
    for capability in range(_CAPABILITIES):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def drop_capabilities() -> None:
    """Gives up every capability."""
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0), 8)
    _checked(_libc.capset(header, ctypes.create_string_buffer(24)), "capset")


def _prctl(option: int, value: int) -> None:
    _checked(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def _checked(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
