"""Messages on their way: which are to be looked at, what became of them, and what is told of them to people."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, and_, func, insert, select, text, union, update

from fabric.core.errors import NotFound, Refused
from fabric.core.ids import WORD_BYTES, DestinationId, InvocationId, MessageId
from fabric.store.bulk import insert_rows
from fabric.store.database import Database
from fabric.store.mail import (
    MessageChange,
    MessageCount,
    MessageFilter,
    MessageRow,
    MessageState,
    Passage,
    Reason,
    Step,
    Tombstone,
)
from fabric.store.schema import ON_THE_WAY, WAITING, message_steps, messages, outbox
from fabric.store.values import WorkKind, WorkState
from fabric.trust.message import Message

_PASSAGE: Final = ("state", "reason", "detail", "attempt", "tries", "not_before", "due", "work", "seen", "reverts")
_STEP: Final = (
    *("message", "time", "state", "reason", "detail", "attempt"),
    *("ledger", "locator", "ledger_time", "invocation"),
)
MAX_STEPS: Final = 1_000
"""Entries of one trace; the oldest and the newest halves of a longer one."""
MIN_PREFIX: Final = 8
"""Digits by which a message may be named."""


class Messages:
    """Reads and moves the rows. One relay moves them."""

    def __init__(self, database: Database) -> None:
        """Works on ``database``."""
        self._database = database

    async def due(self, now: int, limit: int) -> list[MessageRow]:
        """Returns up to ``limit`` messages to be looked at: by time, or because what they wait for has moved."""
        return await self._database.read(partial(_rows, query=_due_query(now).limit(limit)))

    async def soonest(self) -> int | None:
        """Returns the next time at which one is due, None where none is on its way."""
        query = select(func.min(messages.c.due)).where(text(ON_THE_WAY))
        return await self._database.read(lambda connection: connection.scalar(query))

    async def save(self, changes: Sequence[MessageChange], now: int) -> set[MessageId]:
        """Stores changes in one transaction, with the tombstones that they ask for, and returns whose were stored.

        A row that has changed since it was read keeps what it has: somebody was faster, or this is a repeat.

        Raises:
            StoreError: it did not commit; nothing changed.
        """
        if not changes:
            return set()
        return await self._database.write(partial(_save, changes=changes, now=now))

    async def hasten(self, reasons: Collection[Reason]) -> bool:
        """Makes the messages due that wait for one of some reasons, or that may be about to; says whether any are."""
        waits = (messages.c.reason.in_([Reason.NONE, *reasons]), text(ON_THE_WAY))
        statement = update(messages).where(*waits).values(due=0, not_before=0, version=messages.c.version + 1)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount > 0)

    async def named(self, prefix: str) -> MessageRow:
        """Returns the message whose id begins with some hexadecimal digits.

        Raises:
            Refused: fewer than 8 digits, or several messages begin so.
            NotFound: none does.
        """
        low, high = _range(prefix)
        query = select(messages).where(messages.c.id >= low, messages.c.id <= high).limit(2)
        found = await self._database.read(partial(_rows, query=query))
        if not found:
            raise NotFound(f"no message {prefix} was sent from a ledger of this fabric, or it is not final there yet")
        if len(found) > 1:
            raise Refused(f"more than one message begins with {prefix}; give more digits")
        return found[0]

    async def steps(self, row: MessageRow) -> list[Step]:
        """Returns the trace of a message, oldest first; of a long one, its beginning and its end."""
        return await self._database.read(partial(_steps, seq=row.seq))

    async def newest(self, wanted: MessageFilter) -> list[MessageRow]:
        """Returns messages, the newest first."""
        query = select(messages).where(messages.c.seq < wanted.after)
        if wanted.states:
            query = query.where(messages.c.state.in_(sorted(wanted.states)))
        if wanted.channel is not None:
            query = query.where(messages.c.channel == wanted.channel)
        query = query.order_by(messages.c.seq.desc()).limit(wanted.limit)
        return await self._database.read(partial(_rows, query=query))

    async def counts(self) -> list[MessageCount]:
        """Returns how many messages there are of each route, state and reason."""
        columns = (messages.c.source, messages.c.destination, messages.c.state, messages.c.reason)
        query = select(*columns, func.count(), func.min(messages.c.changed)).group_by(*columns).order_by(*columns)

        def work(connection: Connection) -> list[MessageCount]:
            return [
                MessageCount(DestinationId(source), DestinationId(place), MessageState(state), Reason(reason), *numbers)
                for source, place, state, reason, *numbers in connection.execute(query)
            ]

        return await self._database.read(work)


def insert_steps(connection: Connection, steps: Sequence[tuple[int, Step]]) -> None:
    """Adds entries to the traces of messages, by the numbers of their rows."""
    rows = [
        (
            seq,
            step.time,
            step.state.value,
            step.reason.value,
            step.detail,
            step.attempt,
            step.ledger,
            step.locator,
            step.ledger_time,
            step.invocation,
        )
        for seq, step in steps
    ]
    insert_rows(connection, message_steps, _STEP, rows)


def _due_query(now: int) -> Select[Any]:
    # The literal text is what lets SQLite use the partial indexes.
    by_time = select(messages.c.seq).where(messages.c.due <= now, text(f"messages.{ON_THE_WAY}"))
    same = and_(outbox.c.destination == messages.c.waits_on, outbox.c.work_id == messages.c.work)
    moved = select(messages.c.seq).join(outbox, same).where(text(f"messages.{WAITING}"))
    either = union(by_time, moved.where(outbox.c.state != messages.c.seen))
    # The longest due first: those that come due again and again must not keep newer ones from their turn.
    return select(messages).where(messages.c.seq.in_(either)).order_by(messages.c.due, messages.c.seq)


def _save(connection: Connection, changes: Sequence[MessageChange], now: int) -> set[MessageId]:
    stored: list[MessageChange] = []
    for change in changes:
        row, passage = change.row, change.passage
        values = {name: getattr(passage, name) for name in _PASSAGE}
        values["version"] = row.version + 1
        values["waits_on"] = MessageRow(row.seq, row.message, passage, 0, 0, 0).waits_on
        if change.step:
            values["changed"] = now
        same = (messages.c.seq == row.seq, messages.c.version == row.version)
        if connection.execute(update(messages).where(*same).values(values)).rowcount:
            stored.append(change)
    insert_steps(connection, [(change.row.seq, change.step) for change in stored if change.step])
    for change in stored:
        if change.tombstone:
            _enqueue(connection, change.tombstone)
    return {change.row.message.id for change in stored}


def _enqueue(connection: Connection, work: Tombstone) -> None:
    """Stores the work, or lets work of it that was refused begin anew."""
    new = {"state": WorkState.NEW.value, "attempts": 0, "next_attempt": 0, "reason": ""}
    same = (outbox.c.destination == work.destination, outbox.c.work_id == work.work_id)
    state = connection.scalar(select(outbox.c.state).where(*same))
    if state is None:
        what = {"destination": work.destination, "kind": WorkKind.EXPIRE.value, "work_id": work.work_id}
        connection.execute(insert(outbox).values(what | {"message": work.message} | new))
    elif state == WorkState.REFUSED:
        gone = {"submission": None, "locator": None, "receipt": None}
        connection.execute(update(outbox).where(*same).values(new | gone))


def _steps(connection: Connection, seq: int) -> list[Step]:
    query = select(message_steps).where(message_steps.c.message == seq)
    first = list(connection.execute(query.order_by(message_steps.c.seq).limit(MAX_STEPS // 2)).mappings())
    last = list(connection.execute(query.order_by(message_steps.c.seq.desc()).limit(MAX_STEPS // 2)).mappings())
    rows = {row["seq"]: row for row in (*first, *last)}
    return [_step(rows[number]) for number in sorted(rows)]


def _rows(connection: Connection, query: Select[Any]) -> list[MessageRow]:
    return [_row(row) for row in connection.execute(query).mappings()]


def _row(row: RowMapping) -> MessageRow:
    rest = {name: row[name] for name in _PASSAGE[2:]}
    passage = Passage(MessageState(row["state"]), Reason(row["reason"]), **rest)
    return MessageRow(row["seq"], Message.decode(row["words"]), passage, row["version"], row["created"], row["changed"])


def _step(row: RowMapping) -> Step:
    return Step(
        row["time"],
        MessageState(row["state"]),
        Reason(row["reason"]),
        row["detail"],
        row["attempt"],
        None if row["ledger"] is None else DestinationId(row["ledger"]),
        row["locator"],
        row["ledger_time"],
        None if row["invocation"] is None else InvocationId(row["invocation"]),
    )


def _range(prefix: str) -> tuple[bytes, bytes]:
    digits = 2 * WORD_BYTES
    is_hex = all(letter in "0123456789abcdef" for letter in prefix)
    if not is_hex or not MIN_PREFIX <= len(prefix) <= digits:
        raise Refused(f"a message is named by {MIN_PREFIX} to {digits} lower-case hexadecimal digits of its id")
    return bytes.fromhex(prefix.ljust(digits, "0")), bytes.fromhex(prefix.ljust(digits, "f"))
