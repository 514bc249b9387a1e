"""The lock of a container: limits, no capabilities, Landlock, seccomp, in this order, before its code is read."""

import fcntl
import os
import resource
from dataclasses import dataclass
from typing import Final

from fabric.enclave.sandbox import kernel, landlock, seccomp

CHANNEL: Final = 3
"""Descriptor of the socket to the enclave; 0, 1 and 2 are ``/dev/null``, and there is no other."""
HOSTNAME: Final = b"container"
_OPEN_FILES: Final = 32
_NULL: Final = 1
_ERRORS: Final = 2


@dataclass(frozen=True)
class Lock:
    """What the zygote prepares once and every container applies.

    Attributes:
        ruleset: descriptor of the Landlock rules.
        program: the seccomp filter.
    """

    ruleset: int
    program: bytes


def apply(lock: Lock, channel: int, memory: int) -> None:
    """Locks this process, for good.

    Args:
        lock: rules and filter.
        channel: descriptor of the socket to the enclave; moved to ``CHANNEL``.
        memory: address space in bytes.

    Raises:
        OSError: the kernel refused a step; the process must end.
        SandboxUnavailable: the kernel has no seccomp filters.
    """
    kernel.set_hostname(HOSTNAME)
    ruleset = _close_all_but(channel, lock.ruleset)
    _limit(memory)
    kernel.drop_bounding_set()
    kernel.drop_capabilities()
    kernel.no_new_privileges()
    kernel.set_dumpable(dumpable=False)
    landlock.restrict(ruleset)
    os.close(ruleset)
    seccomp.load(lock.program)


def _close_all_but(channel: int, ruleset: int) -> int:
    """Leaves the standard files, the channel at its place, and right behind it the rules; returns where these are."""
    # Out of the way first: each may stand where the other goes.
    high = [fcntl.fcntl(old, fcntl.F_DUPFD_CLOEXEC, _OPEN_FILES) for old in (channel, ruleset)]
    os.dup2(_NULL, _ERRORS)  # the zygote's errors go to its log
    os.dup2(high[0], CHANNEL, inheritable=False)
    os.dup2(high[1], CHANNEL + 1, inheritable=False)
    os.closerange(CHANNEL + 2, os.sysconf("SC_OPEN_MAX"))
    return CHANNEL + 1


def _limit(memory: int) -> None:
    for name, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_NPROC, 1),
    ):
        resource.setrlimit(name, (most, most))
