"""The watcher of one ledger: follows its final requests, or the events of its mailbox, by a durable cursor.

The cursor is moved by whoever accepts a page, in the transaction that stores what came of it; so a page that was not
accepted is read again, and none is skipped.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import structlog

from fabric.core.backoff import delay_seconds
from fabric.core.clock import Clock
from fabric.core.errors import FabricError, LedgerError, Reorged, StoreError
from fabric.core.ids import DestinationId
from fabric.ledger.alarm import Alarm, Pause
from fabric.ledger.guard import Guard
from fabric.ledger.port import MailboxPage, MailboxSource, RequestPage, RequestSource
from fabric.ledger.rhythm import Rhythm
from fabric.store.store import Store

_log = structlog.get_logger(__name__)

PAGE: Final = 256
"""Requests or events of one page."""
REQUESTS: Final = "requests"
MAILBOX: Final = "mailbox"
"""The streams of a ledger, as cursors are named."""


class Page(Protocol):
    """What a watcher needs to know of a page."""

    @property
    def cursor(self) -> bytes:
        """Where the next page begins."""
        ...

    @property
    def count(self) -> int:
        """How much it holds."""
        ...


P = TypeVar("P", bound=Page)
Accept = Callable[[P], Awaitable[None]]
"""Stores what came of a page, and the page's cursor under the watcher's name, in one transaction."""


@dataclass(frozen=True)
class Watched(Generic[P]):
    """What is watched.

    Attributes:
        destination: the ledger.
        name: which of its streams, as cursors are named.
        read: reads a page after a cursor, of so much at most; raises ``LedgerUnavailable`` and ``Reorged``.
    """

    destination: DestinationId
    name: str
    read: Callable[[bytes, int], Awaitable[P]]

    @property
    def cursor(self) -> str:
        """Name of the cursor."""
        return cursor_name(self.name, self.destination)


def cursor_name(stream: str, destination: DestinationId) -> str:
    """Returns the name of the cursor of one of a ledger's streams."""
    return f"{stream}/{destination.hex()}"


def requests_of(destination: DestinationId, source: RequestSource) -> Watched[RequestPage]:
    """Returns the requests of a ledger, to be watched."""
    return Watched(destination, REQUESTS, source.requests)


def mailbox_of(destination: DestinationId, source: MailboxSource) -> Watched[MailboxPage]:
    """Returns the mailbox of a ledger, to be watched."""
    return Watched(destination, MAILBOX, source.mailbox_events)


def _nobody() -> None:
    """Nobody waits for the ledger."""


class Watcher(Generic[P]):
    """Reads pages and hands them over, one after the other."""

    def __init__(
        self,
        watched: Watched[P],
        store: Store,
        accept: Accept[P],
        clock: Clock,
        *,
        pause: Pause = asyncio.sleep,
        poll_seconds: float = 0.5,
    ) -> None:
        """Takes its parts; nothing happens before ``run`` or ``step``."""
        self._watched = watched
        self._store = store
        self._accept = accept
        self._guard = Guard(store.halts, watched.destination, clock, pause)
        self._pause = pause
        self._alarm = Alarm(pause)
        self._clock = clock
        self._rhythm = Rhythm(poll_seconds)
        self._on_answer: Callable[[], None] = _nobody

    def listen(self, on_answer: Callable[[], None]) -> None:
        """Has it called when the ledger answers again after it did not."""
        self._on_answer = on_answer

    def wake(self) -> None:
        """Ends the pause between two questions: there may be something new. Call it on the event loop."""
        self._alarm.ring()

    async def run(self) -> None:
        """Follows the ledger until it is cancelled, or halted by a reorg beyond finality."""
        failures = 0
        while await self._guard.halt() is None:
            self._alarm.reset()
            try:
                moved = await self._step()
            except (LedgerError, StoreError) as error:
                failures += 1
                self._tell("page not accepted", error)
                await self._pause(delay_seconds(failures, self._watched.destination))
                continue
            if failures:
                failures = 0
                self._on_answer()
            if not moved:
                await self._alarm.rest(self._rhythm.rest(self._clock.monotonic_seconds()))

    async def _step(self) -> bool:
        """Takes a step; a reorg beyond finality is stored, and the next look finds it."""
        try:
            return await self.step()
        except Reorged as error:
            await self._guard.close(error)
            return True

    async def step(self) -> bool:
        """Reads one page and hands it over; says whether it held anything.

        Raises:
            Reorged: what the cursor stands on is gone.
            LedgerError: the ledger could not be read.
            StoreError: the page was not stored.
        """
        cursor = await self._store.cursors.get(self._watched.cursor)
        page = await self._watched.read(cursor, PAGE)
        if page.cursor != cursor:
            self._rhythm.moved(self._clock.monotonic_seconds())
            await self._accept(page)
        return page.count > 0

    def _tell(self, what: str, error: FabricError) -> None:
        _log.warning(what, destination=self._watched.destination.hex(), error=str(error))
