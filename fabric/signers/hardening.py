"""What a process that holds keys does to itself before it makes or reads one (Linux).

The order matters and is the same everywhere: ``harden`` first, then ``renew_memory``, then keys. A process is
dumpable from its ``exec`` until ``harden`` ran; whoever opened its memory in that window keeps only the memory of
the guardian that ``renew_memory`` leaves behind.

What it does not do: stop whoever has root in the namespace that started it, or the kernel. Only hardware can.
"""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from fabric.core.errors import PlatformError, SandboxUnavailable

_SET_PDEATHSIG: Final = 1
_GET_DUMPABLE: Final = 3
_SET_DUMPABLE: Final = 4
_CAPBSET_DROP: Final = 24
_SET_NO_NEW_PRIVS: Final = 38
_GET_NO_NEW_PRIVS: Final = 39
_CAP_AMBIENT: Final = 47
_CAP_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITY_VERSION_3: Final = 0x20080522
_CLONE_NEWUSER: Final = 0x10000000
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def harden(parent: int) -> None:
    """Makes this process unreadable for its siblings and bound to its parent's life.

    Not dumpable (no ptrace, no /proc/<pid>/mem, no core), killed when the parent ends, umask 077.

    Args:
        parent: pid that must be the parent still; otherwise it ended before we could bind to it.

    Raises:
        PlatformError: the kernel refused a step, the parent is gone, or a tracer is attached already.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_SET_DUMPABLE, 0)
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        message = f"the process that started this one is gone: expected parent {parent}, got {os.getppid()}"
        raise PlatformError(message)
    if _status("TracerPid") != "0":
        message = "a tracer is attached to a process that is to hold keys"
        raise PlatformError(message)


def renew_memory(*, own_user_namespace: bool = False) -> None:
    """Goes on in a fork whose memory was never dumpable; the caller's process stays behind as guardian.

    The guardian holds no descriptor but standard error, forwards SIGTERM and ends as the fork ends. Call it before
    threads exist.

    Args:
        own_user_namespace: for root only: the fork enters a user namespace of its own, in which every user is who it
            was. A sibling namespace then has no power over it, nor it over anything outside.

    Raises:
        PlatformError: the fork is dumpable, or the kernel grants no user namespace.
    """
    guardian, parent = os.getpid(), os.getppid()
    asked, granted = os.pipe(), os.pipe()
    child = os.fork()
    if child:
        os.close(asked[1])
        if own_user_namespace:
            _grant_namespace(child, asked[0], granted[1])
        drop_privileges()
        harden(parent)  # a change of capabilities may take its bonds back
        _guard(child)
    if own_user_namespace:
        _enter_namespace(asked[1], granted[0])
    for descriptor in (*asked, *granted):
        os.close(descriptor)
    harden(guardian)
    if _LIBC.prctl(_GET_DUMPABLE, 0, 0, 0, 0) != 0:
        message = "a process that is to hold keys is dumpable"
        raise PlatformError(message)


def drop_privileges(keep: int | None = None) -> None:
    """Gives up every capability for good: bounding, ambient, permitted, effective; and sets no_new_privs.

    Args:
        keep: number of the one capability that stays, see ``linux/capability.h``.

    Raises:
        PlatformError: the kernel refused, another capability is left, or there are threads, which would keep theirs.
    """
    if int(_status("Threads")) != 1:
        message = "a process with threads cannot give its privileges up"
        raise PlatformError(message)
    _prctl(_SET_NO_NEW_PRIVS, 1)
    _prctl(_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)
    for capability in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1):
        # Without CAP_SETPCAP there is nothing to gain by exec either: no_new_privs stands.
        _LIBC.prctl(_CAPBSET_DROP, capability, 0, 0, 0)
    left = 0 if keep is None else (1 << keep) & int(_status("CapPrm"), 16)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Effective, permitted and inheritable, first the lower and then the upper 32 bits.
    if _LIBC.capset(header, (ctypes.c_uint32 * 6)(left, left, 0, 0, 0, 0)):
        message = f"capset: {os.strerror(ctypes.get_errno())}"
        raise PlatformError(message)
    if int(_status("CapPrm"), 16) != left or _LIBC.prctl(_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1:
        message = "a process that is to hold keys kept privileges"
        raise PlatformError(message)


def _enter_namespace(asked: int, granted: int) -> None:
    """Enters a new user namespace and waits until the guardian has written who is who in it."""
    if _LIBC.unshare(_CLONE_NEWUSER):
        message = f"no user namespace to be had: {os.strerror(ctypes.get_errno())}"
        raise SandboxUnavailable(message)
    os.write(asked, b"u")
    if os.read(granted, 1) != b"g":
        message = "the user map of the enclave's namespace was refused"
        raise SandboxUnavailable(message)


def _grant_namespace(child: int, asked: int, granted: int) -> None:
    """Maps every user and group of ours to itself in the child's namespace; only root may."""
    if os.read(asked, 1) != b"u":
        return  # it got no namespace, and says so itself
    try:
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text(_identity(Path("/proc/self", name).read_text()))
    except OSError:
        return  # it finds the pipe closed without a grant, and says so itself
    os.write(granted, b"g")


def _identity(ranges: str) -> str:
    """Returns a map of the ids that a ``/proc/self/uid_map`` lists, each to itself."""
    parts = [line.split() for line in ranges.splitlines()]
    return "".join(f"{first} {first} {count}\n" for first, _, count in parts)


def _guard(child: int) -> NoReturn:
    """Waits for the child and ends as it ended."""

    def forward(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.closerange(0, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code if code >= 0 else 128 - code)


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, value, 0, 0, 0):
        message = f"prctl {option}: {os.strerror(ctypes.get_errno())}"
        raise PlatformError(message)


def _status(name: str) -> str:
    for line in Path("/proc/self/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    message = f"/proc/self/status on {sys.platform} has no {name}"
    raise PlatformError(message)
