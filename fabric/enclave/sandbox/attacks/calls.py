"""Attacks on the kernel: every system call that is not on the list, by its number.

The sweep covers what the other attacks name and what they forget: mount, unshare, bpf, io_uring, keyctl, userfaultfd,
perf_event_open, open_by_handle_at, System V memory, and whatever the next kernel adds.
"""

import ctypes
import errno
import fcntl
from typing import Final

from fabric.enclave.sandbox.attacks.bait import Attack, Bait
from fabric.enclave.sandbox.syscalls import machine

_NUMBERS: Final = 1024
"""More than any kernel has; those that it lacks say ENOSYS."""
_X32: Final = 0x4000_0000
_GETPID: Final = "getpid"
_OUTPUT: Final = 1
_WAKE_SHARED: Final = 1
_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _every_other_call(bait: Bait) -> str | None:
    del bait
    known = {*machine().allowed(), *machine().guarded(), *machine().unfiltered()}
    through = [
        f"{number} {errno.errorcode.get(error, error)}"
        for number in range(_NUMBERS)
        if number not in known and (error := _asked(number)) not in (errno.EPERM, errno.ENOSYS)
    ]
    return ", ".join(through) or None


def _other_instruction_set(bait: Bait) -> str | None:
    # The same call by its x32 number; the kernel ends the container for it.
    del bait
    return f"answered {_asked(_X32 | machine().number(_GETPID))}"


def _clone(bait: Bait) -> str | None:
    del bait
    error = _asked(machine().number("clone3"))
    return None if error == errno.ENOSYS else f"clone3 answers {error}"


def _control_files(bait: Bait) -> str | None:
    del bait
    fcntl.fcntl(_OUTPUT, fcntl.F_SETOWN, 1)
    return "may have signals sent"


def _shared_wake(bait: Bait) -> str | None:
    # On a word of a file that all containers map it wakes who waits in another one; here nobody waits.
    del bait
    word = ctypes.c_int(0)
    result = _libc.syscall(ctypes.c_long(machine().number("futex")), ctypes.byref(word), _WAKE_SHARED, 1, None, None, 0)
    return "may wake who waits in another container" if result >= 0 else None


def _entropy(bait: Bait) -> str | None:
    # No boundary, but a cryptlet that draws from the kernel could not be run a second time.
    del bait
    buffer = ctypes.create_string_buffer(8)
    return "has the kernel's entropy" if _libc.getrandom(buffer, 8, 0) >= 0 else None


def _asked(number: int) -> int:
    """Calls with zeros, which mean nothing to any call that is refused here; returns the error number, or 0."""
    zero = ctypes.c_long(0)
    result = _libc.syscall(ctypes.c_long(number), zero, zero, zero, zero, zero, zero)
    return ctypes.get_errno() if result < 0 else 0


ATTACKS: Final[dict[str, Attack]] = {
    "every other system call": _every_other_call,
    "system call of another instruction set": _other_instruction_set,
    "clone": _clone,
    "control shared files": _control_files,
    "wake another container": _shared_wake,
    "kernel entropy": _entropy,
}
