"""System calls: what a cryptlet may ask of the kernel, and the numbers by machine.

The list is what CPython needs to run pure Python and to import from a read-only folder. Left out on purpose: every way
to make a process or thread, a socket, a pipe, a file, executable memory, randomness, a timer that fires later.
Numbers: ``unistd_64.h`` (x86_64) and ``asm-generic/unistd.h`` (aarch64) of Linux 6.1; they never change.
"""

import platform
from dataclasses import dataclass
from typing import Final

from fabric.core.errors import SandboxUnavailable

_ABSENT: Final = -1
"""The machine has another call for it."""

# name: (x86_64, aarch64)
ALLOWED: Final[dict[str, tuple[int, int]]] = {
    # The socket to the enclave, and files of the read-only root.
    "read": (0, 63),
    "write": (1, 64),
    "pread64": (17, 67),
    "close": (3, 57),
    "openat": (257, 56),
    "lseek": (8, 62),
    "fstat": (5, 80),
    "stat": (4, _ABSENT),
    "lstat": (6, _ABSENT),
    "newfstatat": (262, 79),
    "getdents64": (217, 61),
    "access": (21, _ABSENT),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, _ABSENT),
    "readlinkat": (267, 78),
    "getcwd": (79, 17),
    # Memory; executable memory is filtered by the arguments, see GUARDED.
    "munmap": (11, 215),
    "mremap": (25, 216),
    "brk": (12, 214),
    # The interpreter itself.
    "sched_yield": (24, 124),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    # The kernel resumes an interrupted sleep with it after the enclave stopped and continued a container.
    "restart_syscall": (219, 128),
    "exit": (60, 93),
    "exit_group": (231, 94),
    # Time: the vDSO answers most of it without the kernel, so denying it would hide nothing.
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, _ABSENT),
    # Who am I: constants inside the namespaces.
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "uname": (63, 160),
    "getrusage": (98, 165),
}
GUARDED: Final[dict[str, tuple[int, int]]] = {
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "fcntl": (72, 25),
    "futex": (202, 98),
    "madvise": (28, 233),
    # glibc falls back to clone, which is refused, only when clone3 says that it does not exist.
    "clone3": (435, 435),
}
UNFILTERED: Final[dict[str, tuple[int, int]]] = {
    "uretprobe": (335, _ABSENT),
    "uprobe": (336, _ABSENT),
}
"""What new kernels answer before they ask any filter (seen on 6.18): calls of their own probes' trampolines. From
anywhere else the first ends the process, and the second says ENXIO."""
OWN: Final[dict[str, tuple[int, int]]] = {
    "pivot_root": (155, 41),
    "seccomp": (317, 277),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
}
"""What the sandbox itself calls while it locks; the C library has no function for these."""
FENCED: Final[dict[str, tuple[int, int]]] = {
    "socket": (41, 198),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "io_uring_setup": (425, 425),
}
"""What the fence of a jail judges (``fabric.runtime.fence``); containers have neither."""


@dataclass(frozen=True)
class Machine:
    """The kernel's view of a processor family.

    Attributes:
        name: as ``uname -m`` says it.
        audit: its number in ``linux/audit.h``, which a seccomp filter sees.
        column: its place in the tables of this module.
    """

    name: str
    audit: int
    column: int

    def number(self, name: str) -> int:
        """Returns the number of a call that this machine has; ``KeyError`` is a programming mistake."""
        number = (ALLOWED | GUARDED | UNFILTERED | OWN | FENCED)[name][self.column]
        if number == _ABSENT:
            raise KeyError(name)
        return number

    def allowed(self) -> tuple[int, ...]:
        """Returns the numbers that are allowed whatever their arguments."""
        return tuple(row[self.column] for row in ALLOWED.values() if row[self.column] != _ABSENT)

    def unfiltered(self) -> tuple[int, ...]:
        """Returns the numbers that no filter judges."""
        return tuple(row[self.column] for row in UNFILTERED.values() if row[self.column] != _ABSENT)

    def guarded(self) -> tuple[int, ...]:
        """Returns the numbers that are judged by their arguments."""
        return tuple(row[self.column] for row in GUARDED.values())


MACHINES: Final = (Machine("x86_64", 0xC000003E, 0), Machine("aarch64", 0xC00000B7, 1))


def machine() -> Machine:
    """Returns the machine that this process runs on.

    Raises:
        SandboxUnavailable: its system calls are in no table here.
    """
    name = platform.machine()
    for known in MACHINES:
        if known.name == name:
            return known
    names = ", ".join(known.name for known in MACHINES)
    message = f"machine {name!r}: the container's lock knows {names}; run the enclave on one of them"
    raise SandboxUnavailable(message)
