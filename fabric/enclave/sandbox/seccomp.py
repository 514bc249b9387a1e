"""Seccomp: the allow-list of ``syscalls`` as a classic BPF program. What is not listed fails with EPERM.

A program of another instruction set is killed: its numbers would mean other calls. Numbers: ``linux/seccomp.h``,
``linux/audit.h``, ``linux/bpf_common.h``.
"""

import ctypes
import errno
import struct
from collections.abc import Iterable
from typing import Final

from fabric.core.errors import SandboxUnavailable
from fabric.enclave.sandbox import kernel
from fabric.enclave.sandbox.syscalls import Machine

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW: Final = 0x7FFF_0000
_KILL: Final = 0x8000_0000
_REFUSE: Final = 0x0005_0000 | errno.EPERM
_ABSENT: Final = 0x0005_0000 | errno.ENOSYS

# struct seccomp_data: number, machine, instruction pointer, six arguments (low words, little endian).
_NUMBER: Final = 0
_MACHINE: Final = 4
_COMMAND: Final = 24  # second argument
_PROTECTION: Final = 32  # third argument
_ADVICE: Final = 32
_FLAGS: Final = 40  # fourth argument

_X32: Final = 0x4000_0000
_PROT_WRITE: Final = 2
_PROT_EXEC: Final = 4
_MAP_ANONYMOUS: Final = 0x20
_F_GETFD_SETFD_GETFL: Final = (1, 2, 3)
_FUTEX_PRIVATE: Final = 0x80
_ADVICES: Final = (0, 1, 2, 3, 4, 8, 14, 15, 16, 17)
"""How memory will be read, that it is free, huge pages or not, not to be dumped; what allocators say."""

_SET_MODE_FILTER: Final = 1
_INSTRUCTION_BYTES: Final = 8


def program(machine: Machine, *, native: bool = False) -> bytes:
    """Returns the filter for a machine, 8 bytes an instruction.

    Args:
        machine: whose numbers count.
        native: whether files may be mapped as code. The mounts then decide which: in a container only those of
            ``rootfs.NATIVE``. What is mapped so cannot be written to, and what was written never becomes code.
    """
    parts = [
        _op(_LOAD, _MACHINE),
        _op(_EQUAL, machine.audit, 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER),
        _op(_AT_LEAST, _X32, 0, 1),
        _op(_RETURN, _KILL),
    ]
    # No memory becomes executable: neither a library nor machine code that the cryptlet wrote.
    refused = _unless_bit(_PROTECTION, _PROT_EXEC)
    parts += _when(machine.number("mmap"), _code_of_files() if native else refused)
    parts += _when(machine.number("mprotect"), refused)
    # Of fcntl only the questions: the rest can send signals and change shared files.
    parts += _when(machine.number("fcntl"), _only_values(_COMMAND, _F_GETFD_SETFD_GETFL))
    # All containers map the same files: who waits on a word of one could be woken, and told things, from another.
    parts += _when(machine.number("futex"), _only_with_bit(_COMMAND, _FUTEX_PRIVATE))
    # Not that it may be merged with equal pages of others, whose contents a write to it would then tell by its time.
    parts += _when(machine.number("madvise"), _only_values(_ADVICE, _ADVICES))
    parts += _when(machine.number("clone3"), [_op(_RETURN, _ABSENT)])
    for number in machine.allowed():
        parts += _when(number, [_op(_RETURN, _ALLOW)])
    parts.append(_op(_RETURN, _REFUSE))
    return b"".join(parts)


def load(code: bytes) -> None:
    """Puts this process under the filter, for good.

    Raises:
        SandboxUnavailable: the kernel has no seccomp filters.
    """
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxQ", len(code) // _INSTRUCTION_BYTES, ctypes.addressof(buffer))
    try:
        kernel.call("seccomp", _SET_MODE_FILTER, 0, ctypes.create_string_buffer(header))
    except OSError as error:
        message = f"seccomp filters are missing ({error.strerror}); the kernel needs CONFIG_SECCOMP_FILTER"
        raise SandboxUnavailable(message) from error


def _when(number: int, body: list[bytes]) -> list[bytes]:
    """Runs the body, which must return, for one system call."""
    return [_op(_EQUAL, number, 0, len(body)), *body]


def _unless_bit(argument: int, bit: int) -> list[bytes]:
    return [
        _op(_LOAD, argument),
        _op(_ANY_BIT, bit, 0, 1),
        _op(_RETURN, _REFUSE),
        _op(_RETURN, _ALLOW),
    ]


def _only_with_bit(argument: int, bit: int) -> list[bytes]:
    return [
        _op(_LOAD, argument),
        _op(_ANY_BIT, bit, 1, 0),
        _op(_RETURN, _REFUSE),
        _op(_RETURN, _ALLOW),
    ]


def _code_of_files() -> list[bytes]:
    """Refuses executable memory that is writable, or that no file stands behind."""
    return [
        _op(_LOAD, _PROTECTION),
        _op(_ANY_BIT, _PROT_EXEC, 1, 0),
        _op(_RETURN, _ALLOW),
        _op(_ANY_BIT, _PROT_WRITE, 0, 1),
        _op(_RETURN, _REFUSE),
        _op(_LOAD, _FLAGS),
        _op(_ANY_BIT, _MAP_ANONYMOUS, 0, 1),
        _op(_RETURN, _REFUSE),
        _op(_RETURN, _ALLOW),
    ]


def _only_values(argument: int, values: Iterable[int]) -> list[bytes]:
    body = [_op(_LOAD, argument)]
    for value in values:
        body += [_op(_EQUAL, value, 0, 1), _op(_RETURN, _ALLOW)]
    return [*body, _op(_RETURN, _REFUSE)]


def _op(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)
