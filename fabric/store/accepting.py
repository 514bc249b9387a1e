"""The enqueue transaction: outcomes, signed batches and the work they make, or nothing of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select, update

from fabric.core.ids import NOBODY, BatchId, DestinationId, Digest, InvocationId, sha256
from fabric.store import schema
from fabric.store.blobs import BlobStore
from fabric.store.bulk import chunks, insert_row, insert_rows
from fabric.store.codec import write_signatures
from fabric.store.cursors import move_cursor
from fabric.store.packing import pack
from fabric.store.values import (
    Accepted,
    CursorMove,
    RequestState,
    WorkKind,
    WorkState,
)
from fabric.trust.batch import SignedBatch

MAX_INLINE_BYTES: Final = 4_096
"""A longer input is kept as a blob."""

_INVOCATION: Final = (
    *("seq", "id", "caller", "idempotency_key", "binding", "method", "input_digest", "input"),
    *("as_of", "state_version", "deadline_ms", "output", "failure_code", "failure_message"),
    "created",
)
_WORK: Final = (
    *("destination", "kind", "work_id", "batch", "position", "depends_on"),
    *("state", "attempts", "next_attempt", "reason"),
)
_NEW: Final = (WorkState.NEW.value, 0, 0, "")


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Everything that one enqueue transaction stores.

    Attributes:
        accepted: invocations with their outcomes.
        batches: what the enclave signed for them, at most one a destination.
        consumed_on: destinations on which the fabric delivers each record to its recipient.
        key_ids: id of the keys that signed, by batch.
        created: now, Unix seconds.
        cursor: where a watcher's cursor goes, if one does.
    """

    accepted: Sequence[Accepted]
    batches: Sequence[SignedBatch]
    consumed_on: Collection[DestinationId]
    key_ids: Mapping[BatchId, Digest]
    created: int
    cursor: CursorMove | None = None

    @property
    def has_long_inputs(self) -> bool:
        """Says whether any input is to be kept as a blob."""
        return any(_is_long(item) for item in self.accepted)


def keep_long_inputs(acceptance: Acceptance, blobs: BlobStore) -> None:
    """Writes the inputs that do not lie in the database; before the transaction, so that it never names a missing one.

    Raises:
        StoreError: the disk did not take them.
        Oversize: an input beyond the limit of blobs.
    """
    for item in acceptance.accepted:
        if _is_long(item):
            blobs.write(item.invocation.input)


def enqueue(connection: Connection, acceptance: Acceptance) -> None:
    """Stores an acceptance; a constraint that fails means that some of it is stored already."""
    places = _insert_invocations(connection, acceptance)
    for batch in acceptance.batches:
        _insert_batch(connection, acceptance, batch, places)
    events = [item.invocation.id for item in acceptance.accepted if item.idempotency_key is None]
    for ids in chunks(events):
        answered = schema.requests.c.invocation.in_(ids)
        state = {"state": RequestState.ANSWERED.value, "reason": ""}
        connection.execute(update(schema.requests).where(answered).values(state))
    if acceptance.cursor:
        move_cursor(connection, acceptance.cursor)


def stored_already(connection: Connection, accepted: Sequence[Accepted]) -> frozenset[InvocationId]:
    """Returns which of the invocations are stored, by id or by caller and idempotency key."""
    table = schema.invocations
    found: set[InvocationId] = set()
    for part in chunks(accepted):
        ids = [item.invocation.id for item in part]
        rows = connection.execute(select(table.c.id).where(table.c.id.in_(ids)))
        found |= {InvocationId(row.id) for row in rows}
    by_caller: dict[bytes, dict[str, InvocationId]] = {}
    for item in accepted:
        if item.idempotency_key is not None:
            keys = by_caller.setdefault(item.invocation.caller, {})
            keys[item.idempotency_key] = item.invocation.id
    for caller, keys in by_caller.items():
        for part_of_keys in chunks(list(keys)):
            query = select(table.c.idempotency_key).where(
                table.c.caller == caller, table.c.idempotency_key.in_(part_of_keys)
            )
            found |= {keys[row.idempotency_key] for row in connection.execute(query)}
    return frozenset(found)


def _is_long(item: Accepted) -> bool:
    return len(item.invocation.input) > MAX_INLINE_BYTES


def _insert_invocations(connection: Connection, acceptance: Acceptance) -> dict[bytes, int]:
    # Numbering rows here saves asking for them afterwards; the writer is alone (BEGIN IMMEDIATE).
    last = connection.scalar(select(func.max(schema.invocations.c.seq))) or 0
    numbered = list(enumerate(acceptance.accepted, last + 1))
    rows = [_invocation_row(seq, item, acceptance) for seq, item in numbered]
    insert_rows(connection, schema.invocations, _INVOCATION, rows)
    return {item.invocation.id: seq for seq, item in numbered}


def _invocation_row(seq: int, item: Accepted, acceptance: Acceptance) -> tuple[object, ...]:
    invocation, failure = item.invocation, item.outcome.failure
    return (
        seq,
        invocation.id,
        invocation.caller,
        item.idempotency_key,
        invocation.binding,
        invocation.method,
        sha256(invocation.input),
        None if _is_long(item) else invocation.input,
        invocation.as_of,
        invocation.state_version,
        invocation.deadline_ms,
        item.outcome.output,
        failure.code if failure else None,
        failure.message if failure else None,
        acceptance.created,
    )


def _insert_batch(connection: Connection, acceptance: Acceptance, batch: SignedBatch, places: dict[bytes, int]) -> None:
    header = batch.header
    records, details = pack(batch.entries)
    row = {
        "id": header.batch_id,
        "destination": header.destination,
        "header": header.encoded,
        "signatures": write_signatures(batch.signatures),
        "key_id": acceptance.key_ids[header.batch_id],
        "records": records,
        "details": details,
    }
    seq = insert_row(connection, schema.batches, row)
    standing = [(places[entry.record.invocation], seq, position) for position, entry in enumerate(batch.entries)]
    insert_rows(connection, schema.records, ("invocation", "batch", "position"), standing)
    where = header.destination, header.batch_id
    work: list[tuple[object, ...]] = [(where[0], WorkKind.SETTLE.value, where[1], seq, None, None, *_NEW)]
    if header.destination in acceptance.consumed_on:
        work += [
            (where[0], WorkKind.CONSUME.value, entry.record.intent, seq, position, where[1], *_NEW)
            for position, entry in enumerate(batch.entries)
            if entry.record.recipient != NOBODY
        ]
    insert_rows(connection, schema.outbox, _WORK, work)
