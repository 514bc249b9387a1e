"""The guard of one ledger: its loops ask it before each step, and what halts the ledger is stored before anything else.

Fails closed: while the halt cannot be read the ledger counts as halted, and while it cannot be stored nobody goes on.
"""

import structlog

from fabric.core.backoff import delay_seconds
from fabric.core.clock import Clock
from fabric.core.errors import Reorged, StoreError
from fabric.core.ids import DestinationId
from fabric.ledger.alarm import Pause
from fabric.store.halts import Halt, Halts

_log = structlog.get_logger(__name__)


class Guard:
    """Says whether work on a ledger may go on."""

    def __init__(self, halts: Halts, destination: DestinationId, clock: Clock, pause: Pause) -> None:
        """Takes where halts are stored, which ledger, and how time passes."""
        self._halts = halts
        self._destination = destination
        self._clock = clock
        self._pause = pause

    async def halt(self) -> Halt | None:
        """Returns why the ledger is halted, None where work goes on; does not return before it can be read."""
        failures = 0
        while True:
            try:
                return await self._halts.of(self._destination)
            except StoreError as error:
                failures += 1
                await self._wait("halt not readable", error, failures)

    async def close(self, error: Reorged) -> None:
        """Halts the ledger; does not return before it is stored."""
        failures = 0
        while True:
            try:
                await self._halts.put(self._destination, str(error), self._clock.unix_seconds())
            except StoreError as trouble:
                failures += 1
                await self._wait("halt not stored", trouble, failures)
            else:
                _log.error("ledger halted", destination=self._destination.hex(), reason=str(error))
                return

    async def _wait(self, what: str, error: StoreError, failures: int) -> None:
        _log.warning(what, destination=self._destination.hex(), error=str(error), failures=failures)
        await self._pause(delay_seconds(failures, self._destination))
