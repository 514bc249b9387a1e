"""An alarm: a loop rests on it until it is rung or a time is over."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Pause = Callable[[float], Awaitable[None]]
"""Waits for seconds."""


class Alarm:
    """Rung from the event loop. What rings while the loop works is not missed: it ends the next rest at once."""

    def __init__(self, pause: Pause = asyncio.sleep) -> None:
        """Takes how time passes."""
        self._pause = pause
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Ends the rest."""
        self._rung.set()

    def reset(self) -> None:
        """Forgets earlier rings; call it before looking for the work that they announced."""
        self._rung.clear()

    async def pause(self, seconds: float) -> None:
        """Waits whatever rings."""
        await self._pause(seconds)

    async def rest(self, seconds: float | None) -> None:
        """Waits until it rings, and no longer than ``seconds`` where given."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._rung.wait())]
        if seconds is not None:
            waits.append(asyncio.ensure_future(self._pause(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
