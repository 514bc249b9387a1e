"""Halts: ledgers whose work is stopped until a person has looked, and the audit of who let them go on."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, and_, bindparam, delete, insert, literal, or_, select, update

from fabric.core.errors import StoreError
from fabric.core.ids import DestinationId
from fabric.store.cursors import move_cursor
from fabric.store.database import Database
from fabric.store.mail import ENDED, MessageState, Reason
from fabric.store.schema import halts, mail, message_steps, messages, requests, resumptions
from fabric.store.values import CursorMove

RETELLING_SECONDS: Final = 60
"""How long a resumed ledger has to tell of its messages again before they are looked at without that."""
_REOPENED: Final = "its ledger was resumed; what it tells of this message is waited for"


@dataclass(frozen=True, slots=True)
class Halt:
    """Why a ledger's work is stopped, and since when (Unix seconds)."""

    reason: str
    created: int


@dataclass(frozen=True, slots=True)
class Resumption:
    """One entry of the audit.

    Attributes:
        who: the caller who resumed.
        why: the reason that they gave.
        halt: what the ledger was halted for.
        resumed: when, Unix seconds.
    """

    who: str
    why: str
    halt: Halt
    resumed: int


@dataclass(frozen=True, slots=True)
class Anew:
    """Where a ledger's requests are read anew from.

    Attributes:
        cursor: the watcher's cursor; ``b""`` as its value is the start of the ledger.
        index: requests from this index on are forgotten, and stored again when they are read again.
        mailbox: the cursor of the ledger's mailbox, whose events are all forgotten. Messages that had ended are on
            their way again, since their ends may be gone; what was carried is not forgotten, and is found again.
    """

    cursor: CursorMove
    index: int
    mailbox: CursorMove


class Halts:
    """Stores halts; the first reason of each stays until somebody resumes."""

    def __init__(self, database: Database) -> None:
        """Works on ``database``."""
        self._database = database

    async def of(self, destination: DestinationId) -> Halt | None:
        """Returns the halt of a ledger, None where its work goes on.

        Raises:
            StoreError: it cannot be read; whoever asked must take the ledger for halted.
        """
        return await self._database.read(lambda connection: _halt_of(connection, destination))

    async def settled(self, destination: DestinationId) -> Halt | None:
        """Returns as ``of``, after every write that was begun before: who began one may have been cancelled meanwhile.

        Raises:
            StoreError: it cannot be read.
        """
        return await self._database.write(lambda connection: _halt_of(connection, destination))

    async def put(self, destination: DestinationId, reason: str, created: int) -> None:
        """Stops a ledger's work durably; raises ``StoreError``."""

        def work(connection: Connection) -> None:
            if _halt_of(connection, destination) is None:
                values = {"destination": destination, "reason": reason, "created": created}
                connection.execute(insert(halts).values(values))

        await self._database.write(work)

    async def lift(self, destination: DestinationId, resumption: Resumption, anew: Anew | None) -> None:
        """Ends a halt: audit row, requests to be read anew, and the end of the halt are one transaction.

        Raises:
            StoreError: it did not commit, or the ledger is not halted any more; nothing changed.
        """

        def work(connection: Connection) -> None:
            lifted = connection.execute(delete(halts).where(halts.c.destination == destination))
            if not lifted.rowcount:
                raise StoreError(f"ledger {destination.hex()} is not halted any more")
            if anew:
                connection.execute(
                    delete(requests).where(requests.c.destination == destination, requests.c.position >= anew.index)
                )
                connection.execute(delete(mail).where(mail.c.destination == destination))
                _reopen(connection, destination, resumption.resumed)
                move_cursor(connection, anew.cursor)
                move_cursor(connection, anew.mailbox)
            values = {
                "destination": destination,
                "who": resumption.who,
                "why": resumption.why,
                "reason": resumption.halt.reason,
                "halted": resumption.halt.created,
                "resumed": resumption.resumed,
            }
            connection.execute(insert(resumptions).values(values))

        await self._database.write(work)

    async def resumptions(self, destination: DestinationId) -> list[Resumption]:
        """Returns the audit of a ledger, oldest first."""
        query = select(resumptions).where(resumptions.c.destination == destination).order_by(resumptions.c.seq)

        def work(connection: Connection) -> list[Resumption]:
            return [
                Resumption(row["who"], row["why"], Halt(row["reason"], row["halted"]), row["resumed"])
                for row in connection.execute(query).mappings()
            ]

        return await self._database.read(work)


def _reopen(connection: Connection, destination: DestinationId, now: int) -> None:
    """Lets the ended messages from and to a ledger begin anew; each attempt that was made is found in the store."""
    anew = {
        "state": MessageState.SENT.value,
        "reason": Reason.LEDGER_HALTED.value,
        "detail": _REOPENED,
        "attempt": 0,
        "tries": 0,
        "not_before": 0,
        "due": now + RETELLING_SECONDS,
        "work": None,
        "seen": "",
        "waits_on": messages.c.destination,
        "version": messages.c.version + 1,
    }
    here = or_(messages.c.source == destination, messages.c.destination == destination)
    ended = and_(here, messages.c.state.in_([*ENDED]))
    told = {"time": now, "state": anew["state"], "reason": anew["reason"], "detail": _REOPENED, "attempt": 0}
    told |= {"ledger": destination, "locator": "", "ledger_time": 0}
    steps = select(messages.c.seq, *(literal(value) for value in told.values())).where(ended)
    connection.execute(insert(message_steps).from_select(["message", *told], steps))
    connection.execute(update(messages).where(ended).values(anew))


_HALT: Final = select(halts.c.reason, halts.c.created).where(halts.c.destination == bindparam("destination"))
"""Made once: loops ask it before each round."""


def _halt_of(connection: Connection, destination: DestinationId) -> Halt | None:
    row = connection.execute(_HALT, {"destination": destination}).first()
    # Whatever the row says, it is there: SQLite keeps any kind of value in any column.
    return None if row is None else Halt(str(row.reason), row.created if isinstance(row.created, int) else 0)
