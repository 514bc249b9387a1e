"""Attacks on processes: make one, reach one, become another user."""

import _thread
import ctypes
import os
import signal
from typing import Final

from fabric.enclave.sandbox.attacks.bait import Attack, Bait

_PTRACE_TRACEME: Final = 0
_PTRACE_SEIZE: Final = 0x4206
_libc: Final = ctypes.CDLL(None, use_errno=True)


def _fork(bait: Bait) -> str | None:
    del bait
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "forked"


def _thread_start(bait: Bait) -> str | None:
    del bait
    try:
        _thread.start_new_thread(lambda: None, ())
    except RuntimeError:
        return None
    return "started a thread"


def _exec(bait: Bait) -> str | None:
    # A path that exists in the container; outside it is no program either, so the attack only ever asks.
    number = _libc.execve(os.fsencode(__file__), None, None)
    del bait
    return _unless_refused(number, "execve was asked for")


def _signal_enclave(bait: Bait) -> str | None:
    os.kill(bait["pid"], 0)
    return f"may signal process {bait['pid']}"


def _signal_all(bait: Bait) -> str | None:
    del bait
    os.kill(-1, 0)
    return "may signal everyone"


def _open_process(bait: Bait) -> str | None:
    os.close(os.pidfd_open(bait["pid"]))
    return f"holds a handle on process {bait['pid']}"


def _trace(bait: Bait) -> str | None:
    number = _libc.ptrace(_PTRACE_SEIZE, bait["pid"], 0, 0)
    return _unless_refused(number, "may trace the enclave")


def _be_traced(bait: Bait) -> str | None:
    del bait
    return _unless_refused(_libc.ptrace(_PTRACE_TRACEME, 0, 0, 0), "ptrace answers")


def _read_memory(bait: Bait) -> str | None:
    target = ctypes.create_string_buffer(8)
    local = (ctypes.c_size_t * 2)(ctypes.addressof(target), len(target))  # struct iovec
    remote = (ctypes.c_size_t * 2)(0, len(target))  # no process has this address: EFAULT where reading is allowed
    number = _libc.process_vm_readv(bait["pid"], local, 1, remote, 1, 0)
    return _unless_refused(number, "may read the enclave's memory")


def _become_root(bait: Bait) -> str | None:
    del bait
    os.setuid(0)
    return "became root"


def _priority(bait: Bait) -> str | None:
    del bait
    os.nice(0)
    return "may ask for priority"


def _see_processes(bait: Bait) -> str | None:
    del bait
    numbers = (os.getpid(), os.getppid())
    return None if numbers == (1, 0) else f"is process {numbers[0]} of {numbers[1]}"


def _timer(bait: Bait) -> str | None:
    del bait
    signal.setitimer(signal.ITIMER_REAL, 0)
    return "may set timers"


def _unless_refused(number: int, otherwise: str) -> str | None:
    if number >= 0 or ctypes.get_errno() not in _REFUSALS:
        return otherwise
    return None


_REFUSALS: Final = (1, 3, 38)
"""EPERM, ESRCH, ENOSYS."""

ATTACKS: Final[dict[str, Attack]] = {
    "fork": _fork,
    "start a thread": _thread_start,
    "execute a program": _exec,
    "signal the enclave": _signal_enclave,
    "signal everyone": _signal_all,
    "open a process handle": _open_process,
    "trace the enclave": _trace,
    "be traced": _be_traced,
    "read the enclave's memory": _read_memory,
    "become root": _become_root,
    "raise priority": _priority,
    "see other processes": _see_processes,
    "set a timer": _timer,
}
