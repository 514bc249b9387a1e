"""Bait: what really exists outside a container, for its attacks to reach for."""

from collections.abc import Callable
from typing import TypedDict


class Bait(TypedDict):
    """Things outside the container that an attack knows of.

    Attributes:
        file: path of a file that the enclave can read.
        pid: process id of the enclave.
        port: TCP port on 127.0.0.1 on which the enclave listens.
        abstract: name of an abstract Unix socket on which the enclave listens.
        memory_bytes: the container's address space.
    """

    file: str
    pid: int
    port: int
    abstract: str
    memory_bytes: int


Attack = Callable[[Bait], str | None]
"""Says what it got, or returns None or raises ``OSError`` or ``MemoryError`` when it was refused."""
