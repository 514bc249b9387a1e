"""Fence: what is left of the network wall of a jail whose Ray speaks with other machines.

Such a jail shares the machine's network. Landlock lets it connect to the ports of the cluster and to no other, and to
no abstract socket of anybody outside; seccomp refuses what would get past that: sockets of other kinds than local and
plain TCP (Landlock judges neither MPTCP nor SCTP), connecting by sending (TCP Fast Open, of which it is not told), and
io_uring. Constants: ``linux/landlock.h``, ``linux/seccomp.h``, ``linux/bpf_common.h``, ``linux/socket.h``.
"""

import errno
import socket
import struct
from ctypes import create_string_buffer
from typing import Final

from fabric.core.errors import SandboxUnavailable
from fabric.enclave.sandbox import kernel, landlock, seccomp
from fabric.enclave.sandbox.syscalls import Machine, machine

Ports = tuple[int, int]
"""First and last port of a range."""

_ABI: Final = 6
"""Of Landlock: connecting by port came with 4, abstract sockets with 6 (Linux 6.12)."""
_CONNECT_TCP: Final = 1 << 1
_SCOPE_ABSTRACT_SOCKET: Final = 1 << 0
_RULE_PORT: Final = 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW: Final = 0x7FFF_0000
_KILL: Final = 0x8000_0000
_REFUSE: Final = 0x0005_0000 | errno.EPERM
_OP: Final = struct.Struct("HBBI")
_ABSENT: Final = 0x0005_0000 | errno.ENOSYS
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
"""Offsets in ``struct seccomp_data``."""
_FAMILY, _TYPE, _PROTOCOL = 0, 1, 2
_TYPE_BITS: Final = 0xF
_PROTOCOLS: Final = (0, socket.IPPROTO_TCP)
_FLAGS: Final = {"sendto": 3, "sendmsg": 2, "sendmmsg": 3}
"""Which argument of each call that sends holds its flags."""
_MSG_FASTOPEN: Final = 0x2000_0000
_X32: Final = 0x4000_0000
"""x86_64 knows every call by a second number, this much higher; other machines have none so high."""


def raise_fence(reach: Ports) -> None:
    """Puts this process and what it starts behind the fence, for good.

    Raises:
        OSError: the kernel cannot; the text says what is missing.
    """
    try:
        if (found := landlock.abi()) < _ABI:
            message = (
                f"Landlock of Linux 6.12 (version {_ABI}) is needed to fence the network in, this is version {found}"
            )
            raise OSError(errno.ENOSYS, message)
        landlock.restrict(_ruleset(reach))
        seccomp.load(_program(machine()))
    except SandboxUnavailable as error:
        raise OSError(errno.ENOSYS, str(error)) from error


def _ruleset(reach: Ports) -> int:
    # File rights, network rights, scopes: of the first none, since the walls already say what is there.
    attributes = struct.pack("3Q", 0, _CONNECT_TCP, _SCOPE_ABSTRACT_SOCKET)
    buffer = create_string_buffer(attributes, len(attributes))
    ruleset = kernel.call("landlock_create_ruleset", buffer, len(attributes), 0)
    for port in range(reach[0], reach[1] + 1):
        rule = struct.pack("=QQ", _CONNECT_TCP, port)
        kernel.call("landlock_add_rule", ruleset, _RULE_PORT, create_string_buffer(rule, len(rule)), 0)
    return ruleset


def _program(where: Machine) -> bytes:
    """Returns the filter: everything but what the module says."""
    # Each part ends in a return, so that what follows is for what it let pass.
    judged = {"socket": _made(), **{name: _sent(place) for name, place in _FLAGS.items()}}
    return b"".join(
        [
            _op(_LOAD, _MACHINE) + _op(_EQUAL, where.audit, 1, 0) + _op(_RETURN, _KILL),
            _op(_LOAD, _NUMBER),
            _op(_AT_LEAST, _X32, 0, 1) + _op(_RETURN, _REFUSE),
            _op(_EQUAL, where.number("io_uring_setup"), 0, 1) + _op(_RETURN, _ABSENT),
            *(_op(_EQUAL, where.number(name), 0, len(part) // _OP.size) + part for name, part in judged.items()),
            _op(_RETURN, _ALLOW),
        ]
    )


def _made() -> bytes:
    """Judges a new socket by family, type and protocol."""
    families = [_op(_EQUAL, family, 0, 1) + _op(_RETURN, _ALLOW) for family in (socket.AF_UNIX, socket.AF_NETLINK)]
    internet = [_op(_EQUAL, socket.AF_INET, 2, 0), _op(_EQUAL, socket.AF_INET6, 1, 0), _op(_RETURN, _REFUSE)]
    streams = [_argument(_TYPE), _op(_AND, _TYPE_BITS), _op(_EQUAL, socket.SOCK_STREAM, 1, 0), _op(_RETURN, _REFUSE)]
    protocols = [_op(_EQUAL, protocol, 0, 1) + _op(_RETURN, _ALLOW) for protocol in _PROTOCOLS]
    return b"".join(
        [_argument(_FAMILY), *families, *internet, *streams, _argument(_PROTOCOL), *protocols, _op(_RETURN, _REFUSE)]
    )


def _sent(place: int) -> bytes:
    """Judges a call that sends by its flags."""
    return _argument(place) + _op(_ANY_BIT, _MSG_FASTOPEN, 0, 1) + _op(_RETURN, _REFUSE) + _op(_RETURN, _ALLOW)


def _argument(place: int) -> bytes:
    """Loads the lower half of an argument, which is all that the kernel looks at of these."""
    return _op(_LOAD, _ARGUMENTS + 8 * place)


def _op(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return _OP.pack(code, then, otherwise, value)
