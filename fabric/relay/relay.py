"""The relay: looks at every message that is due, stores what the core decides, and has it run.

A message's row says that an attempt begins before anything of it is run or enqueued. So a crash anywhere leaves a row
from which the next process asks first what became of the attempt. What one message waits for holds up no other.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from fabric.core.backoff import delay_seconds
from fabric.core.clock import Clock
from fabric.core.crashpoint import CrashPoint, Reached, unharmed
from fabric.core.errors import FabricError, StoreError
from fabric.core.ids import MessageId
from fabric.core.model import Failure
from fabric.ledger.alarm import Alarm, Pause
from fabric.relay.carrying import Carrier, Run
from fabric.relay.core import RECHECK_SECONDS, advance, missed, retried
from fabric.relay.lookout import Lookout
from fabric.relay.model import Facts, Turn
from fabric.relay.tellers import Tellers
from fabric.relay.trace import step_of
from fabric.relay.underway import UnderWay
from fabric.store.mail import MessageChange, MessageRow, Reason, Step
from fabric.store.store import Store

_log = structlog.get_logger(__name__)

LIMIT: Final = 256
"""Messages that are looked at in one turn."""
AT_BINDING: Final = frozenset({Reason.NO_BINDING, Reason.NO_BUNDLE})
"""Reasons that may be gone when a binding came into force."""
AT_ENCLAVE: Final = frozenset({Reason.NO_CAPACITY})
"""The one that may be gone when an enclave came into service."""
AT_LEDGER: Final = frozenset({Reason.NO_PROOF})
"""The one that may be gone when a ledger answers again."""
_SEED: Final = b"relay"


class Relay:
    """Carries the messages of one fabric; there must be no second one on the same store."""

    def __init__(
        self,
        lookout: Lookout,
        store: Store,
        run: Run,
        clock: Clock,
        *,
        pause: Pause = asyncio.sleep,
        reached: Reached = unharmed,
    ) -> None:
        """Takes its parts; nothing happens before ``run`` or ``step``."""
        self._lookout = lookout
        self._store = store
        self._tellers = Tellers(lookout.posts, clock)
        self._carrier = Carrier(self._tellers, store, run)
        self._clock = clock
        self._reached = reached
        self._alarm = Alarm(pause)
        self._underway = UnderWay(self._carrier, self.wake, pause)
        # What kept messages waiting before the start may be gone after it.
        self._gone = AT_ENCLAVE | AT_LEDGER

    def wake(self) -> None:
        """Ends the pause: something has changed. Call it on the event loop."""
        self._alarm.ring()

    async def hasten(self, reasons: Iterable[Reason]) -> None:
        """Takes up what waits for one of some reasons that may be gone now; raises ``StoreError``."""
        if await self._store.messages.hasten(frozenset(reasons)):
            self.wake()

    def there_again(self, reasons: frozenset[Reason]) -> None:
        """Has what waits for one of some reasons taken up at the next look. Call it on the event loop."""
        self._gone |= reasons
        if reasons & AT_LEDGER:
            self._tellers.there_again()
        self.wake()

    async def retry(self, message: MessageId, why: str) -> MessageRow:
        """Makes another attempt due at once, with the reason in the trace.

        Raises:
            NotFound: no such message.
            Refused: nothing of it is left to do, or it is on its way.
            StoreError: the database did not commit.
        """
        row = await self._store.messages.named(message.hex())
        passage = retried(row.passage)
        step = Step(
            self._clock.unix_seconds(), passage.state, passage.reason, f"asked for again: {why}", passage.attempt
        )
        await self._store.carry([MessageChange(row, passage, step)])
        self.wake()
        return await self._store.messages.named(message.hex())

    async def run(self) -> None:
        """Carries messages until it is cancelled; what was on its way before the start is taken up first."""
        try:
            await self._loop()
        finally:
            await self._underway.aclose()

    async def _loop(self) -> None:
        failures = 0
        while True:
            self._alarm.reset()
            try:
                if not await self.step():
                    await self._rest()
            except FabricError as error:
                failures += 1
                _log.warning("messages not carried", error=str(error), failures=failures)
                await self._alarm.pause(delay_seconds(failures, _SEED))
            else:
                failures = 0

    async def step(self) -> bool:
        """Looks at what is due; says whether anything changed that people would see, so that more may be due.

        Raises:
            StoreError: the database did not commit; nothing is lost.
        """
        await self._take_up()
        if self._underway.collect():
            await self._store.messages.hasten({Reason.RUNNING})
        rows = await self._store.messages.due(self._clock.unix_seconds(), LIMIT)
        if not rows:
            return False
        known = await self._lookout.facts(rows)
        turns = {row.message.id: self._turn(row, known[row.message.id]) for row in rows}
        changes = [_change(row, turns[row.message.id], known[row.message.id]) for row in rows]
        stored = await self._store.carry(changes)
        await self._carry([_begun(change) for change in changes if change.row.message.id in stored], turns)
        return any(change.step for change in changes)

    def _turn(self, row: MessageRow, facts: Facts) -> Turn:
        """Returns what becomes of a message; an attempt that is under way is not made a second time beside itself."""
        turn = advance(row, facts)
        if turn.carry is None:
            return turn
        key = turn.carry.leg.key(row.message, turn.carry.attempt)
        if failure := self._underway.failure(key):
            return Turn(missed(replace(row, passage=turn.passage), failure, facts.now))
        if self._underway.holds(key):
            return Turn(replace(turn.passage, due=facts.now + RECHECK_SECONDS))
        return turn

    async def _take_up(self) -> None:
        gone, self._gone = self._gone, frozenset()
        if not gone:
            return
        try:
            await self._store.messages.hasten(gone)
        except StoreError:
            self._gone |= gone
            raise

    async def _carry(self, rows: Sequence[MessageRow], turns: dict[MessageId, Turn]) -> None:
        begun = [(row, carry) for row in rows if (carry := turns[row.message.id].carry)]
        if not begun:
            return
        self._reached(CrashPoint.AFTER_ATTEMPT)
        failures = await self._underway.carry(begun)
        self._reached(CrashPoint.AFTER_RELAY_INVOKE)
        now = self._clock.unix_seconds()
        missing = [(row, failures[row.message.id]) for row, _ in begun if row.message.id in failures]
        await self._store.carry([_missed(row, failure, now) for row, failure in missing])

    async def _rest(self) -> None:
        """Waits until something changes, and no longer than until a message is due by time."""
        soonest = await self._store.messages.soonest()
        seconds = None if soonest is None else max(0.0, float(soonest - self._clock.unix_seconds()))
        await self._alarm.rest(seconds)


def _change(row: MessageRow, turn: Turn, facts: Facts) -> MessageChange:
    return MessageChange(row, turn.passage, step_of(row, turn.passage, facts), turn.tombstone)


def _begun(change: MessageChange) -> MessageRow:
    """Returns a row as the change left it."""
    return replace(change.row, passage=change.passage, version=change.row.version + 1)


def _missed(row: MessageRow, failure: Failure, now: int) -> MessageChange:
    passage = missed(row, failure, now)
    step = Step(now, passage.state, passage.reason, passage.detail, passage.attempt, row.waits_on)
    return MessageChange(row, passage, step)
