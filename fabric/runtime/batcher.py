"""Batcher: what has arrived is taken. Single items and groups of many callers become batches under one key.

Nothing waits when idle: a batch of one leaves at the end of the loop's turn in which it came, together with whatever
came in the same turn. Under load batches grow: a further one leaves beside those in flight when it is worth it, or
after a bounded delay; while all slots are busy, batches grow up to their bounds. Keys take turns.

A batch that runs long gives its slot back, and whoever sent it waits for it, so that nobody else does.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from fabric.core.errors import FabricError, NoCapacity

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Limits:
    """Bounds of a batcher.

    Attributes:
        count: most items in one batch; a batch's tree holds 1,024 records at most (``fabric.trust.batch``).
        size: most bytes in one batch; a single item may be larger and then travels alone.
        waiting: most items that may wait; more are refused.
        eager: while a batch is in flight, a further one leaves at once with so many items, else after the delay.
        delay_seconds: longest time that an item waits for company beside a free slot.
        slot_seconds: a batch that runs longer takes no slot any more, and its lane gets no other one until it ends.
        long: most batches that may run without a slot.
    """

    count: int = 512
    size: int = 4 << 20
    waiting: int = 65_536
    eager: int = 64
    delay_seconds: float = 0.02
    slot_seconds: float = 1.0
    long: int = 12


@dataclass
class _Group(Generic[R]):
    """One caller's items; answered when the last of them is. A result is never None."""

    answer: "asyncio.Future[tuple[R | FabricError, ...]]"
    results: "list[R | FabricError | None]"
    missing: int

    def settle(self, place: int, result: "R | FabricError") -> None:
        self.results[place] = result
        self.missing -= 1
        if self.missing == 0 and not self.answer.done():
            self.answer.set_result(tuple(result for result in self.results if result is not None))


@dataclass(frozen=True)
class _Waiting(Generic[T, R]):
    """One item in the queue, and its place in its group."""

    item: T
    size: int
    group: _Group[R]
    place: int


class Batcher(Generic[K, T, R]):
    """Forms batches for ``run``, which answers with one result per item, in order."""

    def __init__(
        self,
        run: Callable[[K, tuple[T, ...]], Awaitable[Sequence[R]]],
        size_of: Callable[[T], int],
        slots: Callable[[], int],
        limits: Limits | None = None,
        *,
        lane: Callable[[K], Hashable] = lambda key: key,
    ) -> None:
        """Starts idle; needs no running loop yet.

        Args:
            run: runs one batch. A ``FabricError`` that it raises becomes the result of each item; anything else is a
                bug and reaches every caller of the batch as it is.
            size_of: bytes of one item.
            slots: how many batches may be in flight now, as a pool says it.
            limits: bounds.
            lane: who is behind a key.
        """
        self._run = run
        self._lane = lane
        self._size_of = size_of
        self._slots = slots
        self._limits = limits or Limits()
        self._queues: dict[K, deque[_Waiting[T, R]]] = {}
        self._waiting = 0
        self._running: set[asyncio.Task[None]] = set()
        self._long: dict[asyncio.Task[None], Hashable] = {}
        self._woken = False
        self._is_late = False
        self._delay: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many items are in no batch yet."""
        return self._waiting

    @property
    def in_flight(self) -> int:
        """How many batches run."""
        return len(self._running)

    def submit(self, key: K, items: Sequence[T]) -> "asyncio.Future[tuple[R | FabricError, ...]]":
        """Takes one caller's items and returns the future of their results, in order, each on its own.

        Items of one call may travel in different batches. A caller that cancels the future gives up what still waits.

        Raises:
            NoCapacity: too many items wait already.
        """
        if self._waiting + len(items) > self._limits.waiting:
            raise NoCapacity(f"{self._waiting} invocations wait, at most {self._limits.waiting} may")
        answer: asyncio.Future[tuple[R | FabricError, ...]] = asyncio.get_running_loop().create_future()
        if not items:
            answer.set_result(())
            return answer
        group: _Group[R] = _Group(answer, [None] * len(items), len(items))
        queue = self._queues.setdefault(key, deque())
        queue.extend(_Waiting(item, self._size_of(item), group, place) for place, item in enumerate(items))
        self._waiting += len(items)
        self._wake()
        return answer

    def wake(self) -> None:
        """Looks again whether a slot is free; call it when ``slots`` has grown."""
        self._wake()

    async def close(self, grace_seconds: float = 2.0) -> None:
        """Refuses what waits and returns when nothing runs any more; what does not end in time is given up."""
        for queue in self._queues.values():
            for waiting in queue:
                waiting.group.settle(waiting.place, NoCapacity("the fabric is shutting down"))
        self._queues.clear()
        self._waiting = 0
        self._end_delay()
        if self._running:
            await asyncio.wait(self._running, timeout=grace_seconds)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _wake(self) -> None:
        """Dispatches at the end of this turn of the loop, so that all that came in it travels together."""
        if not self._woken:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._woken = False
        while (key := self._next()) is not None:
            if self._busy and self._waiting < min(self._limits.eager, self._limits.count) and not self._is_late:
                # Small batches side by side cost more than one that is a little later.
                self._delay = self._delay or asyncio.get_running_loop().call_later(
                    self._limits.delay_seconds, self._grow_late
                )
                return
            self._end_delay()
            batch = self._take(key)
            if batch:
                self._start(key, batch)

    def _next(self) -> K | None:
        """Returns the key whose turn it is; None where there is none, or no slot for it."""
        if self._busy >= self._slots():
            return None
        barred = set(self._long.values())
        return next((key for key in self._queues if self._lane(key) not in barred), None)

    @property
    def _busy(self) -> int:
        return len(self._running) - min(len(self._long), self._limits.long)

    def _start(self, key: K, batch: list[_Waiting[T, R]]) -> None:
        task = asyncio.create_task(self._serve(key, batch))
        self._running.add(task)
        timer = asyncio.get_running_loop().call_later(self._limits.slot_seconds, self._grow_long, task, self._lane(key))
        task.add_done_callback(partial(self._finished, timer))

    def _grow_long(self, task: "asyncio.Task[None]", lane: Hashable) -> None:
        self._long[task] = lane
        self._wake()

    def _grow_late(self) -> None:
        self._delay = None
        self._is_late = True
        self._dispatch()

    def _end_delay(self) -> None:
        self._is_late = False
        if self._delay is not None:
            self._delay.cancel()
            self._delay = None

    def _take(self, key: K) -> list[_Waiting[T, R]]:
        """Takes a batch from the head of a key's queue; a queue with more goes behind the others."""
        queue = self._queues.pop(key)
        batch: list[_Waiting[T, R]] = []
        size = 0
        while queue and len(batch) < self._limits.count:
            head = queue[0]
            if batch and size + head.size > self._limits.size:
                break
            queue.popleft()
            self._waiting -= 1
            if not head.group.answer.done():
                batch.append(head)
                size += head.size
        if queue:
            self._queues[key] = queue
        return batch

    async def _serve(self, key: K, batch: list[_Waiting[T, R]]) -> None:
        try:
            results = await self._run(key, tuple(waiting.item for waiting in batch))
            for waiting, result in zip(batch, results, strict=True):
                waiting.group.settle(waiting.place, result)
        except (FabricError, asyncio.CancelledError) as error:
            # Only `close` cancels, and it waits for nothing but the end.
            told = error if isinstance(error, FabricError) else NoCapacity("the fabric is shutting down")
            for waiting in batch:
                waiting.group.settle(waiting.place, told)
        except Exception as error:  # noqa: BLE001 - a bug in ours must reach the callers, not leave them waiting
            for waiting in batch:
                if not waiting.group.answer.done():
                    waiting.group.answer.set_exception(error)

    def _finished(self, timer: asyncio.TimerHandle, task: "asyncio.Task[None]") -> None:
        timer.cancel()
        self._running.discard(task)
        self._long.pop(task, None)
        self._wake()
