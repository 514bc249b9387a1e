"""Halts: ledgers whose work is stopped until a person has looked, and the audit of who let them go on."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select

from fabric.core.errors import StoreError
from fabric.core.ids import DestinationId
from fabric.store.cursors import move_cursor
from fabric.store.database import Database
from fabric.store.schema import halts, mail, requests, resumptions
from fabric.store.values import CursorMove


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
        mailbox: the cursor of the ledger's mailbox, whose events are all forgotten; what was carried is not.
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


_HALT: Final = select(halts.c.reason, halts.c.created).where(halts.c.destination == bindparam("destination"))
"""Made once: loops ask it before each round."""


def _halt_of(connection: Connection, destination: DestinationId) -> Halt | None:
    row = connection.execute(_HALT, {"destination": destination}).first()
    # Whatever the row says, it is there: SQLite keeps any kind of value in any column.
    return None if row is None else Halt(str(row.reason), row.created if isinstance(row.created, int) else 0)
