"""Limits of what is brought to a server: how often, how many at once, how slowly, each by the address that brings it.

Reading has none: static files belong behind a cache. An address is what the connection says; what a header says of it
anybody can write, and it counts only where the operator names the proxy that wrote it (``serve --proxy``).
"""

import asyncio
import math
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from starlette.requests import ClientDisconnect, Request

from fabric.core.clock import Clock
from fabric.core.errors import Oversize
from registry.busy import Busy, TooOften, TooSlow

MAX_PEERS: Final = 10_000
"""So many addresses are remembered; then the one that came longest ago is forgotten."""
_MINUTE: Final = 60
_PREFIX: Final = 64
"""Of IPv6: whoever has one address has all of its network's."""


@dataclass(frozen=True)
class Limits:
    """What an upload may cost.

    Attributes:
        per_minute: uploads of one address, which may come all at once; 0 bounds them not.
        at_once: uploads that are taken in at one time.
        at_once_each: those of one address.
        idle_seconds: how long nothing of a body may come.
        bytes_per_second: what a body must come at on the whole, after the first ``idle_seconds``.
    """

    per_minute: int = 120
    at_once: int = 16
    at_once_each: int = 4
    idle_seconds: float = 10.0
    bytes_per_second: int = 32_768


@dataclass
class _Bucket:
    tokens: float
    at: float


class Gate:
    """Lets uploads in."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        """Starts with every bucket full and nothing under way."""
        self._limits = limits
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._inside: Counter[str] = Counter()

    @contextmanager
    def entered(self, request: Request) -> Iterator[None]:
        """Holds a place for an upload for as long as the block lasts.

        Raises:
            TooOften: its address has used up its share; the error says for how long.
            Busy: every place is taken.
        """
        peer = peer_of(request)
        self._spend(peer)
        self._check_room(peer)
        self._inside[peer] += 1
        try:
            yield
        finally:
            self._inside[peer] -= 1
            if not self._inside[peer]:
                del self._inside[peer]

    def _spend(self, peer: str) -> None:
        """Takes a token of an address's bucket, which fills again evenly."""
        size = self._limits.per_minute
        if not size:
            return
        now = self._clock.monotonic_seconds()
        bucket = self._buckets.setdefault(peer, _Bucket(size, now))
        self._buckets.move_to_end(peer)
        if len(self._buckets) > MAX_PEERS:
            self._buckets.popitem(last=False)
        bucket.tokens = min(size, bucket.tokens + (now - bucket.at) * size / _MINUTE)
        bucket.at = now
        if bucket.tokens < 1:
            wait = math.ceil((1 - bucket.tokens) * _MINUTE / size)
            raise TooOften(f"more than {size} uploads a minute from {peer}: do the same again in {wait} s", wait)
        bucket.tokens -= 1

    def _check_room(self, peer: str) -> None:
        wait = math.ceil(self._limits.idle_seconds)
        if self._inside[peer] >= self._limits.at_once_each:
            told = f"{self._limits.at_once_each} uploads from {peer} are under way"
            raise TooOften(f"{told}: do the same again when one has ended", wait)
        if self._inside.total() >= self._limits.at_once:
            raise Busy(f"{self._limits.at_once} uploads are under way: do the same again in {wait} s", wait)

    async def read(self, request: Request) -> bytes:
        """Returns a request's body.

        Raises:
            Oversize: it has more bytes than its operation takes; the rest is not read.
            TooSlow: it stopped, comes too slowly, or was cut off.
        """
        limit: int = request.state.body_limit
        body = bytearray()
        begun = self._clock.monotonic_seconds()
        chunks = aiter(request.stream())
        try:
            while True:
                async with asyncio.timeout(self._limits.idle_seconds):
                    body += await anext(chunks)
                if len(body) > limit:
                    raise Oversize(f"the body has more than {limit} bytes")
                self._check_pace(len(body), self._clock.monotonic_seconds() - begun)
        except StopAsyncIteration:
            return bytes(body)
        except TimeoutError as error:
            raise self._too_slow(f"nothing came for {self._limits.idle_seconds:g} s after {len(body)} bytes") from error
        except ClientDisconnect as error:
            raise self._too_slow(f"it was cut off after {len(body)} bytes") from error

    def _check_pace(self, received: int, seconds: float) -> None:
        if seconds > self._limits.idle_seconds + received / self._limits.bytes_per_second:
            pace = f"less than {self._limits.bytes_per_second} bytes a second"
            raise self._too_slow(f"{received} bytes came in {seconds:.0f} s, {pace}")

    def _too_slow(self, why: str) -> TooSlow:
        return TooSlow(f"the upload ended: {why}; nothing of it was taken, do the same again over a better line")


def peer_of(request: Request) -> str:
    """Returns the address that a request came from; of IPv6 its network of 64 bits."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host[:64] or "an unknown address"
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or ip_network((int(address), _PREFIX), strict=False))
