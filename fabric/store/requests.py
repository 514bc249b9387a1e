"""Requests that ledgers made: stored once each, in the transaction that moves the watcher's cursor."""

from collections.abc import Collection, Sequence
from functools import partial

from sqlalchemy import Connection, RowMapping, Select, func, select, text, update

from fabric.core.errors import StoreError
from fabric.core.ids import BindingVersion, DestinationId, Digest, InvocationId
from fabric.store.bulk import chunks, insert_rows
from fabric.store.cursors import move_cursor
from fabric.store.database import Database
from fabric.store.outbox import reopen_answers
from fabric.store.schema import UNANSWERED, invocations, requests
from fabric.store.values import CursorMove, RequestRow, RequestState


class Requests:
    """Stores requests and says which of them wait for what."""

    def __init__(self, database: Database) -> None:
        """Works on ``database``."""
        self._database = database

    async def store(self, rows: Sequence[RequestRow], cursor: CursorMove) -> bool:
        """Stores a page's requests and moves the cursor behind them; what is stored already stays as it is.

        Returns:
            Whether there are answers among them that were accepted before, and may have to be brought again.

        Raises:
            StoreError: it did not commit; or a ledger gave another request the place of one that is stored.
        """
        return await self._database.write(partial(_store, rows=rows, cursor=cursor))

    async def ready(
        self, destination: DestinationId, limit: int, without: Collection[BindingVersion] = ()
    ) -> list[RequestRow]:
        """Returns up to ``limit`` requests that can run now, oldest first, of other bindings than ``without``."""
        query = _unanswered(destination, RequestState.READY).where(requests.c.binding.not_in(without))
        query = query.order_by(requests.c.position).limit(limit)
        return await self._database.read(partial(_rows, query=query))

    async def waiting(self, destination: DestinationId, limit: int) -> list[RequestRow]:
        """Returns up to ``limit`` requests that wait for their input, oldest first."""
        query = _unanswered(destination, RequestState.WAITING_FOR_INPUT)
        query = query.order_by(requests.c.position).limit(limit)
        return await self._database.read(partial(_rows, query=query))

    async def awaited(self, destination: DestinationId) -> set[Digest]:
        """Returns the digests of all inputs that requests wait for."""
        query = _unanswered(destination, RequestState.WAITING_FOR_INPUT).with_only_columns(requests.c.input)

        def work(connection: Connection) -> set[Digest]:
            return {Digest(value) for value in connection.scalars(query.distinct())}

        return await self._database.read(work)

    async def get(self, invocation: InvocationId) -> RequestRow | None:
        """Returns the request of an event-born invocation."""
        query = select(requests).where(requests.c.invocation == invocation)
        found = await self._database.read(partial(_rows, query=query))
        return found[0] if found else None

    async def mark(self, invocations_: Sequence[InvocationId], state: RequestState, reason: str = "") -> None:
        """Changes the state of unanswered requests."""

        def work(connection: Connection) -> None:
            for ids in chunks(invocations_):
                connection.execute(
                    update(requests)
                    .where(requests.c.invocation.in_(ids), text(UNANSWERED))
                    .values(state=state, reason=reason)
                )

        await self._database.write(work)

    async def arrived(self, destination: DestinationId, digest: Digest) -> bool:
        """Makes every request of one ledger that waited for this input ready; says whether there was one."""

        def work(connection: Connection) -> bool:
            waits = (requests.c.destination == destination, requests.c.state == RequestState.WAITING_FOR_INPUT)
            statement = update(requests).where(*waits, text(UNANSWERED), requests.c.input == digest)
            changed = connection.execute(statement.values(state=RequestState.READY, reason=""))
            return changed.rowcount > 0

        return await self._database.write(work)

    async def counts(self) -> dict[tuple[DestinationId, RequestState], int]:
        """Returns how many requests there are of each destination and state."""
        columns = (requests.c.destination, requests.c.state)
        query = select(*columns, func.count()).group_by(*columns)

        def work(connection: Connection) -> dict[tuple[DestinationId, RequestState], int]:
            return {
                (DestinationId(place), RequestState(state)): count for place, state, count in connection.execute(query)
            }

        return await self._database.read(work)


def _unanswered(destination: DestinationId, state: RequestState) -> Select[*tuple[object, ...]]:
    # The literal text is what lets SQLite use the partial index.
    where = (requests.c.destination == destination, requests.c.state == state, text(UNANSWERED))
    return select(requests).where(*where)


def _store(connection: Connection, rows: Sequence[RequestRow], cursor: CursorMove) -> bool:
    known: dict[tuple[bytes, int], bytes] = {}
    has_answers = False
    for part in chunks(rows):
        query = select(requests.c.destination, requests.c.position, requests.c.invocation).where(
            requests.c.destination.in_({row.destination for row in part}),
            requests.c.position.in_([row.position for row in part]),
        )
        known |= {(row.destination, row.position): row.invocation for row in connection.execute(query)}
    fresh = [row for row in rows if (row.destination, row.position) not in known]
    for row in rows:
        if known.get((row.destination, row.position), row.invocation) != row.invocation:
            message = f"request {row.position} of {row.destination.hex()} became another request"
            raise StoreError(message)
    names = ("destination", "position", "invocation", "binding", "input", "document")
    values = [(*(getattr(row, name) for name in names), row.state.value, row.reason) for row in fresh]
    insert_rows(connection, requests, (*names, "state", "reason"), values)
    has_answers = _close_answered(connection, fresh)
    move_cursor(connection, cursor)
    return has_answers


def _close_answered(connection: Connection, rows: Sequence[RequestRow]) -> bool:
    # A request may be read again after its cursor was lost or a reorg took it; its answer stands, and is brought again.
    has_answers = False
    for part in chunks(rows):
        query = select(invocations.c.id).where(invocations.c.id.in_([row.invocation for row in part]))
        answered = set(connection.scalars(query))
        if not answered:
            continue
        connection.execute(
            update(requests).where(requests.c.invocation.in_(answered)).values(state=RequestState.ANSWERED, reason="")
        )
        for destination in {row.destination for row in part}:
            reopen_answers(connection, destination, [InvocationId(one) for one in answered])
        has_answers = True
    return has_answers


def _rows(connection: Connection, query: Select[*tuple[object, ...]]) -> list[RequestRow]:
    return [_row(row) for row in connection.execute(query).mappings()]


def _row(row: RowMapping) -> RequestRow:
    return RequestRow(
        DestinationId(row["destination"]),
        row["position"],
        InvocationId(row["invocation"]),
        BindingVersion(row["binding"]),
        Digest(row["input"]),
        row["document"],
        RequestState(row["state"]),
        row["reason"],
    )
