"""The rows of the outbox: what is to be done on each ledger and how far it has come."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final, assert_never

from sqlalchemy import Connection, Select, bindparam, exists, func, literal, select, text, update

from fabric.core.errors import Malformed, StoreError
from fabric.core.ids import DestinationId, InvocationId, expiry_id, sha256
from fabric.store.attestations import register_body
from fabric.store.bulk import chunks
from fabric.store.codec import read_signatures
from fabric.store.database import Database
from fabric.store.halts import Halts
from fabric.store.packing import PackedBatch
from fabric.store.revocations import revoke_body
from fabric.store.schema import (
    OPEN,
    attestations,
    batches,
    invocations,
    messages,
    outbox,
    records,
    requests,
    revocations,
)
from fabric.store.values import (
    ConsumeBody,
    ExpireBody,
    OutboxRow,
    Progress,
    RegisterBody,
    RevokeBody,
    RowTampered,
    SettleBody,
    Spoiled,
    WorkBody,
    WorkKind,
    WorkState,
    reading,
    require,
)
from fabric.trust.batch import Header
from fabric.trust.message import Message

_ROW: Final = (
    outbox.c.seq,
    outbox.c.destination,
    outbox.c.kind,
    outbox.c.work_id,
    outbox.c.state,
    outbox.c.attempts,
    outbox.c.next_attempt,
    outbox.c.submission,
    outbox.c.locator,
    outbox.c.receipt,
    outbox.c.reason,
)
_PROGRESS: Final = ("state", "attempts", "next_attempt", "submission", "locator", "receipt", "reason")
_DEPENDENT: Final = "what it depends on was refused: "
_IN_FLIGHT: Final = (WorkState.PREPARED, WorkState.SUBMITTED, WorkState.INCLUDED)


@dataclass(frozen=True, slots=True)
class Change:
    """A row and its new progress.

    Attributes:
        row: the row.
        progress: its new progress.
        if_asked: its new progress instead, where it answers a request that the ledger has.
    """

    row: OutboxRow
    progress: Progress
    if_asked: Progress | None = None


class Outbox:
    """Reads and advances the rows. One dispatcher drives the rows of a destination.

    Attributes:
        halts: destinations whose rows must not move.
    """

    def __init__(self, database: Database) -> None:
        """Works on ``database``."""
        self._database = database
        self.halts = Halts(database)
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Has ``listener`` called on the event loop after each commit that moved work on."""
        self._listeners.append(listener)

    async def in_flight(self, destination: DestinationId) -> list[OutboxRow]:
        """Returns every row that has a submission or an effect that is not final, oldest first."""
        return await self._database.read(partial(_rows, query=_FLYING, asked={"destination": destination}))

    async def ready(
        self,
        destination: DestinationId,
        now: int,
        limit: int,
        settled: Sequence[WorkState] = (WorkState.INCLUDED, WorkState.FINAL),
    ) -> list[OutboxRow]:
        """Returns up to ``limit`` new rows that may be prepared now, oldest first.

        Args:
            destination: which ledger.
            now: Unix seconds; rows that wait for a later attempt are left out.
            limit: at most so many.
            settled: states in which the work that a row depends on lets it go.
        """
        asked = {"destination": destination, "now": now, "limit": limit, "settled": list(settled)}
        return await self._database.read(partial(_rows, query=_READY, asked=asked))

    async def has_open(self, destination: DestinationId) -> bool:
        """Says whether anything is left to do on a ledger."""
        return bool(await self._database.read(partial(_rows, query=_OPEN_ONE, asked={"destination": destination})))

    async def bodies(self, rows: Sequence[OutboxRow]) -> dict[int, WorkBody | Spoiled]:
        """Returns what the rows ask for, by ``seq``; what is not of its work id any more is ``Spoiled``."""
        return await self._database.read(partial(_bodies, rows=rows))

    async def save(self, changes: Sequence[Change]) -> None:
        """Stores new progress in one transaction; what depends on refused work is refused with it.

        Raises:
            StoreError: it did not commit; nothing changed.
        """
        if changes:
            await self._database.write(partial(_save, changes=changes))
            for listener in self._listeners:
                listener()

    async def progress(self, destination: DestinationId, work_id: bytes) -> Progress | None:
        """Returns how far one piece of work has come, None where it is not in the outbox."""
        query = select(*_ROW).where(outbox.c.destination == destination, outbox.c.work_id == work_id)
        rows = await self._database.read(partial(_rows, query=query))
        return rows[0].progress if rows else None

    async def found(self, destination: DestinationId, work_ids: Sequence[bytes]) -> dict[bytes, Progress]:
        """Returns how far pieces of work on a ledger have come, of those that are in the outbox."""

        def work(connection: Connection) -> dict[bytes, Progress]:
            rows: list[OutboxRow] = []
            for part in chunks(work_ids):
                same = (outbox.c.destination == destination, outbox.c.work_id.in_(part))
                rows += _rows(connection, select(*_ROW).where(*same))
            return {row.work_id: row.progress for row in rows}

        return await self._database.read(work)

    async def newest_final_batch(self, destination: DestinationId) -> OutboxRow | None:
        """Returns the newest settlement that is final, None where there is none yet."""
        query = select(*_ROW).where(
            outbox.c.destination == destination,
            outbox.c.kind == WorkKind.SETTLE,
            outbox.c.state == WorkState.FINAL,
        )
        rows = await self._database.read(partial(_rows, query=query.order_by(outbox.c.seq.desc()).limit(1)))
        return rows[0] if rows else None

    async def closed(self, destination: DestinationId, after: int, limit: int) -> list[OutboxRow]:
        """Returns up to ``limit`` final or refused rows behind a ``seq``, oldest first."""
        query = select(*_ROW).where(
            outbox.c.destination == destination,
            outbox.c.state.in_((WorkState.FINAL, WorkState.REFUSED)),
            outbox.c.seq > after,
        )
        return await self._database.read(partial(_rows, query=query.order_by(outbox.c.seq).limit(limit)))

    async def counts(self) -> dict[tuple[DestinationId, WorkKind, WorkState], int]:
        """Returns how many rows there are of each destination, kind and state."""
        columns = (outbox.c.destination, outbox.c.kind, outbox.c.state)
        query = select(*columns, func.count()).group_by(*columns)

        def work(
            connection: Connection,
        ) -> dict[tuple[DestinationId, WorkKind, WorkState], int]:
            return {
                (DestinationId(place), WorkKind(kind), WorkState(state)): count
                for place, kind, state, count in connection.execute(query)
            }

        return await self._database.read(work)

    async def refused(self, destination: DestinationId, limit: int = 100) -> list[OutboxRow]:
        """Returns the newest refused rows with their reasons, for people."""
        query = (
            select(*_ROW)
            .where(outbox.c.destination == destination, outbox.c.state == WorkState.REFUSED)
            .order_by(outbox.c.seq.desc())
            .limit(limit)
        )
        return await self._database.read(partial(_rows, query=query))


def _ready_query() -> Select[*tuple[object, ...]]:
    other = outbox.alias("other")
    awaited = select(other.c.seq).where(
        other.c.destination == outbox.c.destination,
        other.c.work_id == outbox.c.depends_on,
        other.c.state.in_(bindparam("settled", expanding=True)),
    )
    query = _OPEN_WORK.where(
        outbox.c.state == WorkState.NEW,
        outbox.c.next_attempt <= bindparam("now"),
        outbox.c.depends_on.is_(None) | awaited.exists(),
    )
    return query.order_by(outbox.c.seq).limit(bindparam("limit"))


# Made once: a dispatcher asks these in every round, and making one takes longer than SQLite takes to answer it.
# The literal text is what lets SQLite use the partial index.
_OPEN_WORK: Final = select(*_ROW).where(outbox.c.destination == bindparam("destination"), text(f"outbox.{OPEN}"))
_OPEN_ONE: Final = _OPEN_WORK.limit(1)
_FLYING: Final = _OPEN_WORK.where(outbox.c.state.in_(_IN_FLIGHT)).order_by(outbox.c.seq)
_READY: Final = _ready_query()


def _rows(
    connection: Connection, query: Select[*tuple[object, ...]], asked: Mapping[str, object] = MappingProxyType({})
) -> list[OutboxRow]:
    return [
        OutboxRow(
            row["seq"],
            DestinationId(row["destination"]),
            WorkKind(row["kind"]),
            row["work_id"],
            Progress(
                WorkState(row["state"]),
                row["attempts"],
                row["next_attempt"],
                row["submission"],
                row["locator"],
                row["receipt"],
                row["reason"],
            ),
        )
        for row in connection.execute(query, asked).mappings()
    ]


def _save(connection: Connection, changes: Sequence[Change]) -> None:
    statement = update(outbox).where(outbox.c.seq == bindparam("row_seq"))
    changes = [_chosen(connection, change) for change in changes]
    values = [
        {"row_seq": change.row.seq} | {name: getattr(change.progress, name) for name in _PROGRESS} for change in changes
    ]
    connection.execute(statement.values({name: bindparam(name) for name in _PROGRESS}), values)
    for change in changes:
        if change.progress.state is WorkState.REFUSED:
            _refuse_dependants(connection, change)
    _refuse_orphans(connection, [change.row.seq for change in changes if change.progress.state is WorkState.NEW])


def _chosen(connection: Connection, change: Change) -> Change:
    """Returns a change with the progress that holds, decided in the transaction that stores it."""
    if change.if_asked is None:
        return change
    query = (
        select(requests.c.seq)
        .join(invocations, invocations.c.id == requests.c.invocation)
        .join(records, records.c.invocation == invocations.c.seq)
        .join(outbox, (outbox.c.batch == records.c.batch) & (outbox.c.position == records.c.position))
        .where(outbox.c.seq == change.row.seq, requests.c.destination == change.row.destination)
    )
    is_asked = connection.scalar(query.limit(1)) is not None
    return Change(change.row, change.if_asked if is_asked else change.progress)


def reopen_answers(connection: Connection, destination: DestinationId, ids: Sequence[InvocationId]) -> None:
    """Makes refused consumptions of these invocations new work: their requests came again, after a reorg took them."""
    settle = outbox.alias("settle")
    is_settled = exists().where(
        settle.c.batch == outbox.c.batch, settle.c.position.is_(None), settle.c.state != WorkState.REFUSED
    )
    for part in chunks(ids):
        answers = exists().where(
            records.c.batch == outbox.c.batch,
            records.c.position == outbox.c.position,
            records.c.invocation == invocations.c.seq,
            invocations.c.id.in_(part),
        )
        is_refused = (outbox.c.destination == destination, outbox.c.state == WorkState.REFUSED)
        values = {name: getattr(Progress(), name) for name in _PROGRESS}
        connection.execute(update(outbox).where(*is_refused, answers, is_settled).values(values))


def _refuse_dependants(connection: Connection, change: Change) -> None:
    reason = f"{_DEPENDENT}{change.progress.reason}"
    connection.execute(
        update(outbox)
        .where(
            outbox.c.destination == change.row.destination,
            outbox.c.depends_on == change.row.work_id,
            outbox.c.state == WorkState.NEW,
        )
        .values(state=WorkState.REFUSED, reason=reason)
    )


def _refuse_orphans(connection: Connection, seqs: Sequence[int]) -> None:
    """Refuses new work that was under way when what it depends on was refused: nothing would wake it any more."""
    other = outbox.alias("other")
    same = (other.c.destination == outbox.c.destination, other.c.work_id == outbox.c.depends_on)
    refused = (*same, other.c.state == WorkState.REFUSED)
    why = literal(_DEPENDENT).concat(select(other.c.reason).where(*refused).scalar_subquery())
    for part in chunks(seqs):
        orphans = (
            outbox.c.seq.in_(part),
            outbox.c.state == WorkState.NEW,
            select(other.c.seq).where(*refused).exists(),
        )
        connection.execute(update(outbox).where(*orphans).values(state=WorkState.REFUSED, reason=why))


def _bodies(connection: Connection, rows: Sequence[OutboxRow]) -> dict[int, WorkBody | Spoiled]:
    found: dict[int, WorkBody | Spoiled] = {}
    by_kind: dict[WorkKind, list[OutboxRow]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row)
    for kind, readers in by_kind.items():
        for part in chunks(readers):
            found |= _READERS[kind](connection, part)
    if len(found) != len(rows):
        message = f"{len(rows) - len(found)} outbox rows have no body"
        raise StoreError(message)
    return found


def _registrations(connection: Connection, rows: Sequence[OutboxRow]) -> dict[int, WorkBody | Spoiled]:
    columns = (attestations.c.result, attestations.c.destinations, attestations.c.signatures)
    query = (
        select(outbox.c.seq, *columns)
        .join(attestations, attestations.c.seq == outbox.c.attestation)
        .where(outbox.c.seq.in_([row.seq for row in rows]))
    )
    stored = {row["seq"]: row for row in connection.execute(query).mappings()}
    return {row.seq: _body(row, partial(register_body, stored[row.seq])) for row in rows if row.seq in stored}


def _settlements(connection: Connection, rows: Sequence[OutboxRow]) -> dict[int, WorkBody | Spoiled]:
    query = (
        select(outbox.c.seq, batches.c.header, batches.c.signatures)
        .join(batches, batches.c.seq == outbox.c.batch)
        .where(outbox.c.seq.in_([row.seq for row in rows]))
    )
    stored = {row.seq: (row.header, row.signatures) for row in connection.execute(query)}
    return {row.seq: _body(row, partial(_settle_body, *stored[row.seq])) for row in rows if row.seq in stored}


def _settle_body(header: bytes, signatures: bytes) -> SettleBody:
    return SettleBody(Header.decode(header), read_signatures(signatures))


def _consumptions(connection: Connection, rows: Sequence[OutboxRow]) -> dict[int, WorkBody | Spoiled]:
    query = select(outbox.c.seq, outbox.c.batch, outbox.c.position)
    by_seq = {row.seq: row for row in rows}
    places: dict[int, list[tuple[int, int]]] = {}
    for place in connection.execute(query.where(outbox.c.seq.in_(by_seq))):
        places.setdefault(place.batch, []).append((place.seq, place.position))
    found: dict[int, WorkBody | Spoiled] = {}
    for batch, wanted in places.items():
        columns = (batches.c.id, batches.c.header, batches.c.records, batches.c.details)
        stored = connection.execute(select(*columns).where(batches.c.seq == batch)).one()
        packed = _packed(batch, stored.records, stored.details)
        if isinstance(packed, Spoiled):
            found |= {seq: packed for seq, _ in wanted}
            continue
        for seq, position in wanted:
            found[seq] = _body(by_seq[seq], partial(_consume_body, stored.id, stored.header, packed, position))
    return found


def _tombstones(connection: Connection, rows: Sequence[OutboxRow]) -> dict[int, WorkBody | Spoiled]:
    query = (
        select(outbox.c.seq, messages.c.words)
        .join(messages, messages.c.seq == outbox.c.message)
        .where(outbox.c.seq.in_([row.seq for row in rows]))
    )
    stored = {row.seq: row.words for row in connection.execute(query)}
    return {row.seq: _body(row, partial(_expire_body, stored[row.seq])) for row in rows if row.seq in stored}


def _expire_body(encoded: bytes) -> ExpireBody:
    return ExpireBody(Message.decode(encoded))


def _revocations(connection: Connection, rows: Sequence[OutboxRow]) -> dict[int, WorkBody | Spoiled]:
    query = (
        select(outbox.c.seq, revocations.c.words, revocations.c.signatures)
        .join(revocations, revocations.c.seq == outbox.c.revocation)
        .where(outbox.c.seq.in_([row.seq for row in rows]))
    )
    stored = {row["seq"]: row for row in connection.execute(query).mappings()}
    return {row.seq: _body(row, partial(revoke_body, stored[row.seq])) for row in rows if row.seq in stored}


def _packed(batch: int, records_: bytes, details: bytes) -> PackedBatch | Spoiled:
    try:
        with reading(f"batch {batch}"):
            return PackedBatch(records_, details)
    except RowTampered as error:
        return Spoiled(str(error))


def _consume_body(batch_id: bytes, encoded: bytes, packed: PackedBatch, position: int) -> ConsumeBody:
    header, sealed = Header.decode(encoded), packed.sealed(position)
    if header.batch_id != batch_id or packed.tree.root != header.root:
        raise Malformed("batch", "header and records are not those of its id")
    if (sha256(sealed.payload), sha256(sealed.statement)) != (sealed.record.payload, sealed.record.statement):
        raise Malformed("batch", "payload or statement does not have the digest that its record carries")
    return ConsumeBody(sealed.record, sealed.payload, header, position, packed.path(position))


def _body(row: OutboxRow, make: Callable[[], WorkBody]) -> WorkBody | Spoiled:
    """Reads a body and compares it with the work id, so that nothing else is ever sent in its place."""
    part = f"{row.kind} {row.work_id.hex()}"
    try:
        with reading(part):
            body = make()
            require(part, holds=_work_id(body) == row.work_id, reason="its body is of another work id")
    except RowTampered as error:
        return Spoiled(str(error))
    return body


def _work_id(body: WorkBody) -> bytes:
    match body:
        case RegisterBody():
            return body.result.digest
        case SettleBody():
            return body.header.batch_id
        case ConsumeBody():
            return body.record.intent
        case ExpireBody():
            return expiry_id(body.message.id)
        case RevokeBody():
            return body.revocation.digest
        case _:
            assert_never(body)


_READERS: Final = {
    WorkKind.REGISTER: _registrations,
    WorkKind.SETTLE: _settlements,
    WorkKind.CONSUME: _consumptions,
    WorkKind.EXPIRE: _tombstones,
    WorkKind.REVOKE: _revocations,
}
