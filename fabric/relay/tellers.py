"""Tellers: ledgers are asked to show events, each in its own time. What one does not answer holds up no other.

Many events are one question. A node that answers and refuses has one among them that it cannot show: it is asked for
half of them, and so on. One that does not answer at all is left alone for a while, and then asked for a single one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from fabric.core.canonical import JsonObject
from fabric.core.clock import Clock
from fabric.core.errors import LedgerError, LedgerSilent
from fabric.core.ids import DestinationId, MessageId
from fabric.core.model import Failure
from fabric.relay.lookout import Post
from fabric.relay.mailroom import told_event
from fabric.store.mail import MailEvent

TELL_SECONDS: Final = 60.0
"""How long one ledger may take over the events of one go; a block full of logs takes seconds to read."""
SILENCE_SECONDS: Final = 30.0
"""How long a ledger that did not answer is not asked again."""
MOST: Final = 256
"""Events of one question."""
AT_ONCE: Final = 2
"""Questions that one ledger is asked at a time: one of either leg."""
NO_PROOF: Final = "ledger-unavailable"
Materials = dict[MessageId, JsonObject | Failure]
"""What shows the event that each message rests on, or why it cannot be shown."""


class Tellers:
    """Asks the ledgers of a fabric."""

    def __init__(self, posts: Mapping[DestinationId, Post], clock: Clock) -> None:
        """Takes the ledgers, and the clock that silence is measured by."""
        self._posts = posts
        self._clock = clock
        self._turns: dict[DestinationId, asyncio.Semaphore] = {}
        self._silent: dict[DestinationId, float] = {}
        self._most: dict[DestinationId, int] = {}

    def is_busy(self, place: DestinationId) -> bool:
        """Says whether whoever asks a ledger now waits for others that ask it."""
        return self._turn(place).locked()

    def there_again(self) -> None:
        """Has ledgers asked again that did not answer; call it when one of them answers something else."""
        self._silent.clear()

    async def materials(self, place: DestinationId, told: Sequence[MailEvent]) -> Materials:
        """Returns what shows each of a ledger's events, by the message that it tells of, or why nothing does."""
        async with self._turn(place):
            if (seconds := self._silent.get(place, 0.0) - self._clock.monotonic_seconds()) > 0:
                return _failures(told, f"it did not answer; it is asked again in {seconds:.0f} s")
            found: Materials = {}
            why = await self._bounded(place, told, found)
        return _failures(told, why) | found

    async def _bounded(self, place: DestinationId, told: Sequence[MailEvent], found: Materials) -> str:
        """Fills ``found`` as far as the ledger answers in its time; returns why the rest is missing."""
        try:
            async with asyncio.timeout(TELL_SECONDS):
                await self._ask(place, told, found)
        except LedgerSilent as error:
            return self._fell_silent(place, str(error))
        except TimeoutError:
            # It answered for some and has no more time; otherwise it hangs.
            why = f"no answer in {TELL_SECONDS:.0f} s"
            return why if found else self._fell_silent(place, why)
        return ""

    def _fell_silent(self, place: DestinationId, why: str) -> str:
        self._silent[place] = self._clock.monotonic_seconds() + SILENCE_SECONDS
        self._most[place] = 1  # perhaps it was asked for too much
        return why

    async def _ask(self, place: DestinationId, told: Sequence[MailEvent], found: Materials) -> None:
        begin = 0
        while begin < len(told):
            most = self._most.get(place, MOST)
            await self._halves(place, told[begin : begin + most], found)
            self._most[place] = min(MOST, 2 * most)
            begin += most

    async def _halves(self, place: DestinationId, told: Sequence[MailEvent], found: Materials) -> None:
        """Asks for events at once; where that is refused, by halves, so that one holds up no other."""
        try:
            made = await self._posts[place].source.event_material([told_event(event) for event in told])
        except LedgerSilent:
            raise  # half as many questions would wait as long
        except LedgerError as error:
            if len(told) == 1:
                found |= _failures(told, str(error))
                return
            middle = len(told) // 2
            await self._halves(place, told[:middle], found)
            await self._halves(place, told[middle:], found)
            return
        found |= dict(zip(map(_name, told), made, strict=True))

    def _turn(self, place: DestinationId) -> asyncio.Semaphore:
        return self._turns.setdefault(place, asyncio.Semaphore(AT_ONCE))


def _failures(told: Sequence[MailEvent], why: str) -> Materials:
    return {_name(event): Failure(NO_PROOF, why) for event in told}


def _name(event: MailEvent) -> MessageId:
    return MessageId(event.subject.id)
