"""What became of invocations, in bulk by id or by a caller's own keys, and where their records stand."""

from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy import Connection, Integer, RowMapping, cast, func, select

from fabric.core.errors import NotFound
from fabric.core.ids import (
    Account,
    BatchId,
    BindingVersion,
    DestinationId,
    Digest,
    InvocationId,
    sha256,
)
from fabric.core.model import Failure, Outcome
from fabric.store.blobs import BlobStore
from fabric.store.bulk import chunks
from fabric.store.codec import read_receipt
from fabric.store.database import Database
from fabric.store.schema import batches, invocations, outbox, records
from fabric.store.values import Anchor, Effect, StoredResult, WorkKind, WorkState, reading, require
from fabric.trust.record import RECORD_BYTES, Record

_RESULT = (
    invocations.c.id,
    invocations.c.caller,
    invocations.c.idempotency_key,
    invocations.c.binding,
    invocations.c.method,
    invocations.c.input_digest,
    invocations.c.as_of,
    invocations.c.state_version,
    invocations.c.output,
    invocations.c.failure_code,
    invocations.c.failure_message,
)


class Invocations:
    """Reads accepted invocations."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        """Reads through ``database``, long inputs from ``blobs``."""
        self._database = database
        self._blobs = blobs

    async def get(self, invocation: InvocationId) -> StoredResult | None:
        """Returns one result, None where the invocation was never accepted."""
        return (await self.find([invocation])).get(invocation)

    async def find(self, ids: Sequence[InvocationId]) -> dict[InvocationId, StoredResult]:
        """Returns the results there are, by id."""
        return await self._database.read(partial(_by_id, ids=ids))

    async def counts(self) -> tuple[int, int]:
        """Returns how many invocations have an output, and how many a failure."""
        query = select(func.count(), func.count(invocations.c.failure_code)).select_from(invocations)

        def work(connection: Connection) -> tuple[int, int]:
            row = connection.execute(query).one()
            return row[0] - row[1], row[1]

        return await self._database.read(work)

    async def input(self, invocation: InvocationId) -> bytes:
        """Returns the exact input of an accepted invocation.

        Raises:
            NotFound: never accepted.
            RowTampered: the stored bytes are not of their digest.
            VerificationError: step ``blob``: the kept file was tampered with.
        """

        def query(connection: Connection) -> tuple[bytes | None, Digest] | None:
            columns = select(invocations.c.input, invocations.c.input_digest)
            row = connection.execute(columns.where(invocations.c.id == invocation)).first()
            return row and (row.input, Digest(row.input_digest))

        found = await self._database.read(query)
        if found is None:
            message = f"no invocation {invocation.hex()}"
            raise NotFound(message)
        data, digest = found
        part = f"input of invocation {invocation.hex()}"
        require(part, holds=data is None or sha256(data) == digest, reason="not the bytes of its digest")
        return await self._blobs.get(digest) if data is None else data

    async def anchors(self, invocation: InvocationId) -> tuple[Anchor, ...]:
        """Returns how far each record of an invocation has come; none where it has no records."""
        return await self._database.read(partial(_anchors, invocation=invocation))


def effect_of(row: RowMapping) -> Effect:
    """Reads how far an outbox row has come from its columns state, receipt, reason; raises ``RowTampered``."""
    with reading("a stored receipt"):
        return Effect(WorkState(row["state"]), read_receipt(row["receipt"]), row["reason"])


def _by_id(connection: Connection, ids: Sequence[InvocationId]) -> dict[InvocationId, StoredResult]:
    found: dict[InvocationId, StoredResult] = {}
    for part in chunks(ids):
        query = select(*_RESULT).where(invocations.c.id.in_(part))
        results = {InvocationId(row["id"]): _result(row) for row in connection.execute(query).mappings()}
        if results:
            _check_outputs(connection, results)
        found |= results
    return found


def _check_outputs(connection: Connection, results: Mapping[InvocationId, StoredResult]) -> None:
    """Compares outputs with the records that were signed of them; raises ``RowTampered``. A failure has no record."""
    # PostgreSQL counts bytes by integers of 32 bits.
    start = cast(records.c.position * RECORD_BYTES + 1, Integer)
    record = func.substr(batches.c.records, start, RECORD_BYTES)
    query = (
        select(invocations.c.id, record.label("record"))
        .join(records, records.c.invocation == invocations.c.seq)
        .join(batches, batches.c.seq == records.c.batch)
        .where(invocations.c.id.in_(list(results)))
    )
    for row in connection.execute(query):
        result = results[InvocationId(row.id)]
        part = f"result of invocation {row.id.hex()}"
        with reading(part):
            signed = Record.decode(bytes(row.record))
        output = result.outcome.output
        holds = output is not None and sha256(output) == signed.output
        require(part, holds=holds, reason="not the output of its record")
        holds = (result.binding, result.input) == (signed.binding, signed.input) and row.id == signed.invocation
        require(part, holds=holds, reason="not what its record says")


def _result(row: RowMapping) -> StoredResult:
    code = row["failure_code"]
    failure = None if code is None else Failure(code, row["failure_message"])
    return StoredResult(
        Account(row["caller"]),
        row["idempotency_key"],
        BindingVersion(row["binding"]),
        row["method"],
        Digest(row["input_digest"]),
        row["as_of"],
        row["state_version"],
        Outcome(InvocationId(row["id"]), row["output"], failure),
    )


def _anchors(connection: Connection, invocation: InvocationId) -> tuple[Anchor, ...]:
    query = (
        select(
            batches.c.destination,
            batches.c.id,
            outbox.c.kind,
            outbox.c.state,
            outbox.c.receipt,
            outbox.c.reason,
        )
        .join(records, records.c.batch == batches.c.seq)
        .join(invocations, invocations.c.seq == records.c.invocation)
        .join(outbox, outbox.c.batch == batches.c.seq)
        .where(
            invocations.c.id == invocation,
            outbox.c.position.is_(None) | (outbox.c.position == records.c.position),
        )
        .order_by(batches.c.seq)
    )
    effects: dict[tuple[DestinationId, BatchId], dict[WorkKind, Effect]] = {}
    for row in connection.execute(query).mappings():
        place = DestinationId(row["destination"]), BatchId(row["id"])
        effects.setdefault(place, {})[WorkKind(row["kind"])] = effect_of(row)
    return tuple(
        Anchor(*place, found[WorkKind.SETTLE], found.get(WorkKind.CONSUME)) for place, found in effects.items()
    )
