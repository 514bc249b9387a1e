"""Fence: what is left of the network wall of a jail whose Ray speaks with other machines.

Such a jail shares the machine's network. Landlock lets it connect to the ports of the cluster and to no other, and to
no abstract socket of anybody outside; seccomp lets it make no sockets but local and TCP ones, and no io_uring, which
would make them past the filter. Constants: ``linux/landlock.h``, ``linux/seccomp.h``, ``linux/bpf_common.h``.
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
_LOAD, _EQUAL, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06
_ALLOW: Final = 0x7FFF_0000
_KILL: Final = 0x8000_0000
_REFUSE: Final = 0x0005_0000 | errno.EPERM
_ABSENT: Final = 0x0005_0000 | errno.ENOSYS
_NUMBER, _MACHINE, _FAMILY, _TYPE = 0, 4, 16, 24
"""Offsets in ``struct seccomp_data``."""
_TYPE_BITS: Final = 0xF


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
    """Returns the filter: everything but sockets of other families than local, netlink and TCP, and io_uring."""
    # Each part ends in a return, so that what follows is for what it let pass.
    families = [_op(_EQUAL, family, 0, 1) + _op(_RETURN, _ALLOW) for family in (socket.AF_UNIX, socket.AF_NETLINK)]
    streams = [_op(_LOAD, _TYPE), _op(_AND, _TYPE_BITS), _op(_EQUAL, socket.SOCK_STREAM, 0, 1), _op(_RETURN, _ALLOW)]
    internet = [_op(_EQUAL, socket.AF_INET, 2, 0), _op(_EQUAL, socket.AF_INET6, 1, 0), _op(_RETURN, _REFUSE)]
    sockets = b"".join([_op(_LOAD, _FAMILY), *families, *internet, *streams, _op(_RETURN, _REFUSE)])
    return b"".join(
        [
            _op(_LOAD, _MACHINE) + _op(_EQUAL, where.audit, 1, 0) + _op(_RETURN, _KILL),
            _op(_LOAD, _NUMBER),
            _op(_EQUAL, where.number("io_uring_setup"), 0, 1) + _op(_RETURN, _ABSENT),
            _op(_EQUAL, where.number("socket"), 0, len(sockets) // 8) + sockets,
            _op(_RETURN, _ALLOW),
        ]
    )


def _op(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)
