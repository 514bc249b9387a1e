"""The nonces of one relayer account: each given out once, holes first, so that nothing waits behind a hole for ever."""

import itertools
from collections.abc import Collection, Iterable
from typing import Final

from fabric.core.clock import Clock

HOLD_SECONDS: Final = 60.0
"""How long a nonce is kept for a caller that has not stored its submission yet."""


class Lane:
    """Which nonces are taken: by the chain, by stored submissions, by submissions that are about to be stored."""

    def __init__(self, clock: Clock) -> None:
        """Starts with nothing taken."""
        self._clock = clock
        self._held: dict[int, float] = {}

    def take(self, count: int, first: int, stored: Collection[int]) -> list[int]:
        """Gives out nonces, lowest first.

        Args:
            count: how many.
            first: the lowest that neither the chain nor the node's pool has.
            stored: nonces of stored submissions that are not final.
        """
        now = self._clock.monotonic_seconds()
        self._held = {nonce: until for nonce, until in self._held.items() if nonce >= first and until > now}
        self.hold(nonce for nonce in stored if nonce >= first)
        free = (nonce for nonce in itertools.count(first) if nonce not in self._held)
        given = list(itertools.islice(free, count))
        self.hold(given)
        return given

    def hold(self, nonces: Iterable[int]) -> None:
        """Keeps nonces that belong to a submission which someone has or is about to store."""
        until = self._clock.monotonic_seconds() + HOLD_SECONDS
        self._held |= dict.fromkeys(nonces, until)

    def release(self, nonce: int) -> None:
        """Takes a nonce back whose submission will not be sent."""
        self._held.pop(nonce, None)

    def is_gap(self, start: int, end: int) -> bool:
        """Says whether a nonce from ``start`` and below ``end`` belongs to no submission that anyone knows of."""
        now = self._clock.monotonic_seconds()
        return any(self._held.get(nonce, now) <= now for nonce in range(start, end))
