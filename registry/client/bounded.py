"""Bounded: connections on which every byte of an answer counts, those of its head and its framing too.

The standard library reads interim answers (100 Continue), headers and trailers for as long as somebody sends them: each
line is bounded, their number and time are not. Here every read of the socket is paid from one budget.
"""

import http.client
import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import urllib3
from typing_extensions import Buffer, override
from urllib3.connection import HTTPConnection, HTTPSConnection

from fabric.core.clock import Clock
from fabric.core.errors import Oversize, StoreError

if TYPE_CHECKING:
    from urllib3._base_connection import BaseHTTPConnection, BaseHTTPSConnection

HEAD_BYTES: Final = 65_536
"""For the status line, headers and framing of a small answer."""


@dataclass
class Budget:
    """What one answer may cost.

    Attributes:
        url: for messages.
        limit: bytes that its body may have.
        clock: tells the time.
        seconds: from now until all of it must be here.
    """

    url: str
    limit: int
    clock: Clock
    seconds: float

    def __post_init__(self) -> None:
        """Notes when it ends."""
        self.received = 0
        self._end = self.clock.monotonic_seconds() + self.seconds

    def spend(self, count: int) -> None:
        """Pays for bytes that came.

        Raises:
            Oversize: more than the body, its framing and a head can have.
            StoreError: too late.
        """
        self.received += count
        if self.received > 2 * self.limit + HEAD_BYTES:
            raise Oversize(
                f"{self.url}: {self.received} bytes with head and framing, for a file of at most {self.limit};"
                " the rest was not read: take another mirror"
            )
        if self.clock.monotonic_seconds() > self._end:
            raise StoreError(
                f"{self.url}: {self.received} bytes in {self.seconds:g} s, which is too slow; take a mirror"
            )


_BUDGET: Final[ContextVar[Budget]] = ContextVar("budget")


@contextmanager
def paying(budget: Budget) -> Iterator[None]:
    """Has the answer of the request inside paid from a budget."""
    token = _BUDGET.set(budget)
    try:
        yield
    finally:
        _BUDGET.reset(token)


def make_pool(connect: float, read: float) -> urllib3.PoolManager:
    """Returns a pool of such connections; every request belongs inside ``paying``.

    Args:
        connect: seconds for a connection.
        read: seconds for one read of the socket.
    """
    pool = urllib3.PoolManager(maxsize=4, retries=False, timeout=urllib3.Timeout(connect=connect, read=read))
    pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return pool


class _Paid(io.RawIOBase):
    """A socket's stream, each read of which is paid."""

    def __init__(self, raw: io.RawIOBase, budget: Budget) -> None:
        self._raw = raw
        self._budget = budget

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer) -> int | None:
        count: int | None = self._raw.readinto(buffer)
        self._budget.spend(count or 0)
        return count

    @override
    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer that is read through the budget of its request."""

    def __init__(self, sock: socket.socket, debuglevel: int = 0, method: str | None = None) -> None:
        super().__init__(sock, debuglevel, method)
        self.fp = io.BufferedReader(_Paid(self.fp.detach(), _BUDGET.get()))


class _Http(HTTPConnection):
    response_class: type[http.client.HTTPResponse] = _Answer


class _Https(HTTPSConnection):
    response_class: type[http.client.HTTPResponse] = _Answer


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls: "type[BaseHTTPConnection]" = _Http


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls: "type[BaseHTTPSConnection]" = _Https
