"""Landlock: below the root of the container, files and folders may be read; nothing else, whatever is mounted later.

``linux/landlock.h``; every right that the running kernel knows is handled, and all but two are denied.
"""

import os
import struct
from ctypes import create_string_buffer
from typing import Final

from fabric.core.errors import SandboxUnavailable
from fabric.enclave.sandbox import kernel

_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
# ABI: number of file system rights that it knows.
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}
_NEWEST_FILE_RIGHTS: Final = 16
_TCP_RIGHTS: Final = 0b11  # bind, connect
_SCOPES: Final = 0b11  # abstract Unix sockets, signals
_ABI_TCP: Final = 4
_ABI_SCOPES: Final = 6
_ASK_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1


def abi() -> int:
    """Returns the version of Landlock that the kernel speaks.

    Raises:
        SandboxUnavailable: none.
    """
    try:
        return kernel.call("landlock_create_ruleset", 0, 0, _ASK_VERSION)
    except OSError as error:
        message = (
            f"Landlock is missing ({error.strerror}); run Linux 5.13 or newer with"
            " CONFIG_SECURITY_LANDLOCK and 'landlock' in the lsm= boot parameter"
        )
        raise SandboxUnavailable(message) from error


def read_only_ruleset(root: str) -> int:
    """Returns a descriptor of the rules: read below the given folder.

    Raises:
        SandboxUnavailable: the kernel has no Landlock.
        OSError: the kernel refused the rules.
    """
    attributes = _handled(abi())
    ruleset = kernel.call(
        "landlock_create_ruleset",
        create_string_buffer(attributes, len(attributes)),
        len(attributes),
        0,
    )
    folder = os.open(root, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", _READ_FILE | _READ_DIR, folder)
    kernel.call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, create_string_buffer(rule, len(rule)), 0)
    os.close(folder)
    return ruleset


def restrict(ruleset: int) -> None:
    """Puts this process under the rules, for good."""
    kernel.call("landlock_restrict_self", ruleset, 0)


def _handled(version: int) -> bytes:
    """Returns ``struct landlock_ruleset_attr`` in the length that this version of Landlock takes."""
    files = (1 << _FILE_RIGHTS.get(version, _NEWEST_FILE_RIGHTS)) - 1
    words = [files]
    if version >= _ABI_TCP:
        words.append(_TCP_RIGHTS)
    if version >= _ABI_SCOPES:
        words.append(_SCOPES)
    return struct.pack(f"{len(words)}Q", *words)
