"""Attestation results of enclaves, and the work of making them known to ledgers."""

from collections.abc import Iterable
from functools import partial

from sqlalchemy import Connection, RowMapping, select

from fabric.core.ids import DestinationId, Digest
from fabric.store.bulk import insert_row, insert_rows
from fabric.store.codec import (
    read_destinations,
    read_signatures,
    write_destinations,
    write_signatures,
)
from fabric.store.database import Database
from fabric.store.schema import attestations, outbox
from fabric.store.values import (
    RegisterBody,
    StoredAttestation,
    WorkKind,
    WorkState,
    reading,
    require,
)
from fabric.trust.attestation import AttestationResult


class Attestations:
    """Stores and finds attestation results."""

    def __init__(self, database: Database) -> None:
        """Works on ``database``."""
        self._database = database

    async def get(self, key_id: Digest) -> StoredAttestation | None:
        """Returns the newest result of a key set, None where there is none."""
        return await self._database.read(partial(newest_attestation, key_id=key_id))


def store_attestation(
    connection: Connection,
    item: StoredAttestation,
    registered_on: Iterable[DestinationId],
    created: int,
) -> None:
    """Stores a result and one piece of work for each ledger that shall know it; a repeat stores nothing."""
    body = item.body
    known = attestations.c.digest == body.result.digest
    seq = connection.scalar(select(attestations.c.seq).where(known))
    if seq is None:
        row = {
            "digest": body.result.digest,
            "key_id": body.result.keys.id,
            "result": body.result.encoded,
            "destinations": write_destinations(body.destinations),
            "signatures": write_signatures(body.signatures),
            "evidence": item.evidence,
            "created": created,
        }
        seq = insert_row(connection, attestations, row)
    queued = select(outbox.c.destination).where(outbox.c.attestation == seq)
    missing = set(registered_on) - set(connection.scalars(queued))
    columns = ("destination", "kind", "work_id", "attestation")
    progress = ("state", "attempts", "next_attempt", "reason")
    what = WorkKind.REGISTER.value, body.result.digest, seq
    rows = [(one, *what, WorkState.NEW.value, 0, 0, "") for one in sorted(missing)]
    insert_rows(connection, outbox, (*columns, *progress), rows)


def newest_attestation(connection: Connection, key_id: Digest) -> StoredAttestation | None:
    """Returns the newest stored result of a key set."""
    query = select(attestations).where(attestations.c.key_id == key_id)
    row = connection.execute(query.order_by(attestations.c.seq.desc()).limit(1)).mappings().first()
    return None if row is None else StoredAttestation(_checked(row), row["evidence"])


def attestation_at(connection: Connection, key_id: Digest, time: int | None) -> StoredAttestation | None:
    """Returns the newest result of a key set that was valid at a ledger's time; where none was, the newest of all.

    A renewed result begins later than what was anchored under the one before it.
    """
    if time is None:
        return newest_attestation(connection, key_id)
    query = select(attestations).where(attestations.c.key_id == key_id).order_by(attestations.c.seq.desc())
    for row in connection.execute(query).mappings():
        body = _checked(row)
        if body.result.not_before <= time <= body.result.not_after:
            return StoredAttestation(body, row["evidence"])
    return newest_attestation(connection, key_id)


def _checked(row: RowMapping) -> RegisterBody:
    """Reads a result and compares it with the digest and keys that it is stored under; raises ``RowTampered``."""
    part = f"attestation {row['digest'].hex()}"
    with reading(part):
        body = register_body(row)
    holds = (body.result.digest, body.result.keys.id) == (row["digest"], row["key_id"])
    require(part, holds=holds, reason="not the result of its digest")
    return body


def register_body(row: RowMapping) -> RegisterBody:
    """Reads the columns result, destinations, signatures; raises ``Malformed``."""
    return RegisterBody(
        AttestationResult.decode(row["result"]),
        read_destinations(row["destinations"]),
        read_signatures(row["signatures"]),
    )
