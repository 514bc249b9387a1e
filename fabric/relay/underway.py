"""Under way: attempts run beside one another, and one that takes long holds up no turn of the relay."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from fabric.core.ids import MessageId
from fabric.core.model import Failure
from fabric.ledger.alarm import Pause
from fabric.relay.carrying import Begun, Carrier

PATIENCE_SECONDS: Final = 2.0
"""How long a turn waits for the attempts that it began; what takes longer ends in a later turn."""
Attempts = asyncio.Task[dict[MessageId, Failure]]


class UnderWay:
    """The attempts of one relay that have begun and not ended."""

    def __init__(self, carrier: Carrier, ring: Callable[[], None], pause: Pause) -> None:
        """Takes who makes them, what is called when late ones end, and how time passes."""
        self._carrier = carrier
        self._ring = ring
        self._pause = pause
        self._running: dict[Attempts, dict[str, MessageId]] = {}
        self._late: dict[str, Failure] = {}

    async def carry(self, begun: Sequence[Begun]) -> dict[MessageId, Failure]:
        """Makes attempts and waits for them a while; returns those that left nothing in the store by then, and why.

        Raises:
            StoreError: the database cannot be read.
        """
        groups = self._carrier.groups(begun)
        # Those of a ledger that lets others wait already are not waited for.
        idle = [not self._carrier.is_busy(group) for group in groups]
        tasks = [self._start(group) for group in groups]
        await self._wait({task for task, is_idle in zip(tasks, idle, strict=True) if is_idle})
        ended = [task for task in tasks if task.done()]
        for task in tasks:
            if not task.done():
                task.add_done_callback(lambda _: self._ring())
        failures: dict[MessageId, Failure] = {}
        for task in ended:
            del self._running[task]
            failures |= task.result()
        return failures

    def collect(self) -> bool:
        """Takes up the attempts that ended since the last turn; says whether there are any.

        Raises:
            StoreError: the database could not be read for one of them.
        """
        self._late = {}
        ended = [task for task in self._running if task.done()]
        for task in ended:
            keys = self._running.pop(task)
            failures = task.result()
            self._late |= {key: failures[name] for key, name in keys.items() if name in failures}
        return bool(ended)

    def holds(self, key: str) -> bool:
        """Says whether the attempt of an idempotency key is under way."""
        return any(key in keys for keys in self._running.values())

    def failure(self, key: str) -> Failure | None:
        """Returns why a late attempt left nothing in the store, if it ended since the last turn and did not."""
        return self._late.get(key)

    async def aclose(self) -> None:
        """Gives up what is under way; what it left in the store is found there at the next start."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()

    def _start(self, group: Sequence[Begun]) -> Attempts:
        task = asyncio.create_task(self._carrier.carry(group))
        self._running[task] = {one.leg.key(row.message, one.attempt): row.message.id for row, one in group}
        return task

    async def _wait(self, pending: set[Attempts]) -> None:
        patience = asyncio.ensure_future(self._pause(PATIENCE_SECONDS))
        try:
            while pending and not patience.done():
                await asyncio.wait({*pending, patience}, return_when=asyncio.FIRST_COMPLETED)
                pending = {task for task in pending if not task.done()}
        finally:
            patience.cancel()
