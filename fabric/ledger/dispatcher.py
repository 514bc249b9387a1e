"""The dispatcher of one ledger: takes work from the outbox to the ledger and the ledger's answers back.

A round moves everything that is due by one prepare, one submit, one observe and at most two transactions. It may end
anywhere by a crash: what it stores before it sends, and what it asks before it repeats, is all that the next one needs.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from fabric.core.backoff import delay_seconds
from fabric.core.clock import Clock
from fabric.core.crashpoint import CrashPoint, Reached, unharmed
from fabric.core.errors import FabricError, ForeignLedger, LedgerError, Reorged, Retry, StoreError
from fabric.ledger import outbox
from fabric.ledger.alarm import Alarm, Pause
from fabric.ledger.entries import Entry, work_of
from fabric.ledger.guard import Guard
from fabric.ledger.port import InOrder, Ledger, Submission
from fabric.store.outbox import Change, Outbox
from fabric.store.values import OutboxRow, Spoiled, WorkKind, WorkState

_log = structlog.get_logger(__name__)

WINDOW: Final = 1_024
"""Submissions that a ledger may have before it at a time."""


@dataclass(frozen=True)
class Pace:
    """How a dispatcher goes about it.

    Attributes:
        poll_seconds: time between two questions while the ledger has something before it.
        gather_seconds: time between two rounds while there is work.
        window: submissions that it may have before it.
        consume_after: how settled a batch must be before its records are consumed.
    """

    poll_seconds: float = 0.25
    gather_seconds: float = 0.05
    window: int = WINDOW
    consume_after: tuple[WorkState, ...] = (WorkState.INCLUDED, WorkState.FINAL)


def pace_of(ledger: Ledger) -> Pace:
    """Returns how a ledger is driven: on one that keeps the order, records go right behind their settlement."""
    if isinstance(ledger, InOrder):
        return Pace(consume_after=(WorkState.SUBMITTED, WorkState.INCLUDED, WorkState.FINAL))
    return Pace()


class Dispatcher:
    """Drives the outbox rows of one ledger; there must be no second one for the same destination.

    Attributes:
        trouble: why the last round failed, None after one that did not.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: Outbox,
        clock: Clock,
        *,
        pause: Pause = asyncio.sleep,
        reached: Reached = unharmed,
        pace: Pace = Pace(),
    ) -> None:
        """Takes its ledger and the outbox; nothing happens before ``run`` or ``round``."""
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._reached = reached
        self._pace = pace
        self._id = ledger.destination.id
        self._alarm = Alarm(pause)
        self._guard = Guard(store.halts, self._id, clock, pause)
        self._pause = pause
        self.trouble: FabricError | None = None
        self._known: dict[int, Entry] = {}
        # Rows of which the ledger said, to this process, that it has not seen them: only these are sent again.
        self._absent: set[int] = set()
        # Whether the last round settled what other work waits for, and whether it was followed by this one at once.
        self._freed = self._hurried = False

    def wake(self) -> None:
        """Ends the pause: there is new work. Call it on the event loop."""
        self._alarm.ring()

    async def run(self) -> None:
        """Drives the ledger until it is cancelled, or halted by a reorg beyond finality."""
        failures = 0
        # What the ledger said before a halt need not hold after it.
        self._absent.clear()
        while (halt := await self._guard.halt()) is None:
            self._alarm.reset()
            try:
                await self._step()
            except (LedgerError, StoreError) as error:
                failures, self.trouble = failures + 1, error
                _log.warning("round failed", destination=self._id.hex(), error=str(error), failures=failures)
                await self._alarm.pause(delay_seconds(failures, self._id))
            else:
                failures, self.trouble = 0, None
        _log.error("ledger is halted", destination=self._id.hex(), reason=halt.reason)

    async def _step(self) -> None:
        """Runs a round, then waits as long as there is a reason to."""
        try:
            moved = await self.round()
        except Reorged as error:
            await self._guard.close(error)
            return
        freed, self._freed = self._freed, False
        # Records go right behind their settlement, but not twice in a row: under load others are waited for.
        self._hurried = freed and not self._hurried and await self._has_records()
        if self._hurried:
            return
        if moved:
            # What comes meanwhile travels together: a ledger transaction for many batches instead of one for each.
            await self._pause(self._pace.gather_seconds)
        else:
            await self._rest()

    async def round(self) -> bool:
        """Takes everything one step further; says whether another round at once has something to do.

        Raises:
            Reorged: an effect that was final is gone.
            LedgerError: the ledger could not be asked; nothing is lost.
            StoreError: the database did not commit; nothing is lost.
        """
        flying = await self._flying()
        fresh, failure = await self._try_to_prepare(flying)
        sent = await self._submit(flying, fresh)
        moved = await self._observe([*flying, *fresh], sent)
        if failure:
            raise failure
        return moved or bool(fresh)

    async def _try_to_prepare(self, flying: Sequence[Entry]) -> tuple[list[Entry], LedgerError | None]:
        """Prepares; a ledger that cannot do it now, for its fees perhaps, can still be asked about older work."""
        try:
            return await self._prepare(flying), None
        except Reorged:
            raise
        except LedgerError as error:
            return [], error

    async def _flying(self) -> list[Entry]:
        entries = await self._entries(await self._store.in_flight(self._id))
        self._known = {entry.seq: entry for entry in entries}
        self._absent &= self._known.keys()
        return entries

    async def _entries(self, rows: Sequence[OutboxRow]) -> list[Entry]:
        unknown = [row for row in rows if row.seq not in self._known]
        bodies = await self._store.bodies(unknown) if unknown else {}
        spoiled = {seq: body for seq, body in bodies.items() if isinstance(body, Spoiled)}
        if spoiled:
            await self._set_aside([row for row in rows if row.seq in spoiled], spoiled)
        works = {seq: work_of(body) for seq, body in bodies.items() if not isinstance(body, Spoiled)}
        works |= {row.seq: self._known[row.seq].work for row in rows if row.seq in self._known}
        return [Entry(row, works[row.seq], row.progress) for row in rows if row.seq in works]

    async def _set_aside(self, rows: Sequence[OutboxRow], spoiled: Mapping[int, Spoiled]) -> None:
        """Refuses rows whose bodies were changed before anything was made of them; others keep what they have."""
        told = [row for row in rows if row.progress.reason != spoiled[row.seq].reason]
        for row in told:
            _log.error("row was tampered with", destination=self._id.hex(), reason=spoiled[row.seq].reason)
        changes = [Change(row, outbox.spoiled(row.progress, spoiled[row.seq].reason)) for row in told]
        await self._store.save(changes)

    async def _prepare(self, flying: Sequence[Entry]) -> list[Entry]:
        before_it = sum(entry.progress.state is not WorkState.INCLUDED for entry in flying)
        room = self._pace.window - before_it
        if room <= 0:
            return []
        now = self._clock.unix_seconds()
        rows = await self._store.ready(self._id, now, room, self._pace.consume_after)
        entries = await self._entries(rows)
        if not entries:
            return []
        await self._fill(entries, [entry.submission for entry in flying if entry.submission])
        await self._save(entries)
        self._known |= {entry.seq: entry for entry in entries}
        self._reached(CrashPoint.AFTER_PREPARE)
        return [entry for entry in entries if entry.submission]

    async def _fill(self, entries: Sequence[Entry], pending: Sequence[Submission]) -> None:
        """Gives each entry its submission, or puts it off where the ledger cannot make one of it."""
        try:
            made = await self._ledger.prepare([entry.work for entry in entries], pending)
        except LedgerError as error:
            if error.retry is not Retry.NEVER or isinstance(error, Reorged | ForeignLedger):
                raise
            await self._fill_or_put_off(entries, pending, error)
            return
        for entry, submission in zip(entries, made, strict=True):
            entry.progress = outbox.prepared(entry.progress, submission)

    async def _fill_or_put_off(
        self, entries: Sequence[Entry], pending: Sequence[Submission], error: LedgerError
    ) -> None:
        """Finds what a batch was refused for by halves, so that one entry does not hold up the others."""
        if len(entries) == 1:
            entry, now = entries[0], self._clock.unix_seconds()
            entry.progress = outbox.put_off(entry.progress, str(error), now, entry.row.work_id)
            return
        middle = len(entries) // 2
        await self._fill(entries[:middle], pending)
        made = [entry.submission for entry in entries[:middle] if entry.submission]
        await self._fill(entries[middle:], [*pending, *made])

    async def _submit(self, flying: Sequence[Entry], fresh: Sequence[Entry]) -> set[int]:
        now = self._clock.unix_seconds()
        again = [entry for entry in flying if entry.seq in self._absent and entry.progress.next_attempt <= now]
        entries = sorted([*again, *fresh], key=lambda entry: entry.seq)
        if not entries:
            return set()
        self._absent -= {entry.seq for entry in entries}
        reason = ""
        try:
            await self._ledger.submit([entry.submission for entry in entries if entry.submission])
        except LedgerError as error:
            # Some of it may have arrived: the observation that follows says what.
            reason = str(error)
        for entry in entries:
            entry.progress = outbox.sent(entry.progress, reason)
        self._reached(CrashPoint.AFTER_SUBMIT)
        return {entry.seq for entry in entries}

    async def _observe(self, entries: Sequence[Entry], sent: set[int]) -> bool:
        if not entries:
            return False
        asked = [(entry.work, entry.submission) for entry in entries]
        answers = await self._ledger.observe(asked)
        now = self._clock.unix_seconds()
        for entry, answer in zip(entries, answers, strict=True):
            before, seed = entry.progress, entry.row.work_id
            entry.progress = outbox.observed(before, answer, now, seed)
            entry.if_asked = outbox.if_asked(before, entry.progress, now, seed)
        self._reached(CrashPoint.BEFORE_CONFIRM)
        moved = await self._save(entries)
        absent = {entry.seq for entry in entries if entry.progress.state is WorkState.PREPARED}
        found = absent - self._absent - sent
        self._absent |= absent
        return moved or bool(found)

    async def _save(self, entries: Sequence[Entry]) -> bool:
        """Stores what changed; says whether any work is in another state than it was stored in."""
        changed = [entry for entry in entries if entry.progress != entry.row.progress]
        await self._store.save([Change(entry.row, entry.progress, entry.if_asked) for entry in changed])
        self._freed = self._freed or any(map(self._frees, changed))
        moved = any(entry.progress.state is not entry.row.progress.state for entry in changed)
        for entry in changed:
            entry.row = OutboxRow(
                entry.row.seq, entry.row.destination, entry.row.kind, entry.row.work_id, entry.progress
            )
        return moved

    def _frees(self, entry: Entry) -> bool:
        """Says whether a change lets records go that waited for a settlement."""
        before, after = entry.row.progress.state, entry.progress.state
        settled = self._pace.consume_after
        return entry.row.kind is WorkKind.SETTLE and after in settled and before not in settled

    async def _has_records(self) -> bool:
        """Says whether records may go now."""
        now, settled = self._clock.unix_seconds(), self._pace.consume_after
        rows = await self._store.ready(self._id, now, self._pace.window, settled)
        return any(row.kind is WorkKind.CONSUME for row in rows)

    async def _rest(self) -> None:
        """Waits for new work, and while any is left no longer than the pause between two questions."""
        has_open = await self._store.has_open(self._id)
        await self._alarm.rest(self._pace.poll_seconds if has_open else None)
