"""Revocations of code, and the work of writing them to ledgers."""

from collections.abc import Collection
from functools import partial

from sqlalchemy import Connection, RowMapping, select, update

from fabric.core.ids import DestinationId, Measurement
from fabric.store.bulk import insert_row, insert_rows
from fabric.store.codec import read_signatures, write_signatures
from fabric.store.database import Database
from fabric.store.schema import outbox, revocations
from fabric.store.values import Progress, RevokeBody, WorkKind, WorkState, reading, require
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import Signature

_ANEW = {"state": WorkState.NEW.value, "attempts": 0, "next_attempt": 0, "reason": ""}


class Revocations:
    """Finds revocations of code; ``Store.revoke`` stores them."""

    def __init__(self, database: Database) -> None:
        """Works on ``database``."""
        self._database = database

    async def of(self, measurement: Measurement) -> RevokeBody | None:
        """Returns the revocation of the earliest time of a bundle, None where there is none; raises ``RowTampered``."""
        return (await self._database.read(partial(_earliest, measurement=measurement))).get(measurement)

    async def all(self) -> list[RevokeBody]:
        """Returns the revocation of the earliest time of every bundle that has one; raises ``RowTampered``."""
        return list((await self._database.read(_earliest)).values())


def store_revocation(
    connection: Connection, body: RevokeBody, reason: str, places: Collection[DestinationId], created: int
) -> None:
    """Stores a revocation and one piece of work for each ledger that shall have it.

    A repeat adds ledgers and signatures that were missing, and makes work new again that a ledger had refused.
    """
    seq = _known(connection, body)
    if seq is None:
        row = {
            "digest": body.revocation.digest,
            "measurement": body.revocation.measurement,
            "words": body.revocation.encoded,
            "signatures": write_signatures(body.signatures),
            "reason": reason,
            "created": created,
        }
        seq = insert_row(connection, revocations, row)
    queued = set(connection.scalars(select(outbox.c.destination).where(outbox.c.revocation == seq)))
    columns = ("destination", "kind", "work_id", "revocation", *_ANEW)
    what = (WorkKind.REVOKE.value, body.revocation.digest, seq, *_ANEW.values())
    insert_rows(connection, outbox, columns, [(one, *what) for one in sorted(set(places) - queued)])
    refused = (outbox.c.revocation == seq, outbox.c.state == WorkState.REFUSED, outbox.c.destination.in_(places))
    anew = {name: getattr(Progress(), name) for name in (*_ANEW, "submission", "locator", "receipt")}
    connection.execute(update(outbox).where(*refused).values(anew))


def revoke_body(row: RowMapping) -> RevokeBody:
    """Reads the columns words and signatures; raises ``Malformed``."""
    return RevokeBody(CodeRevocation.decode(row["words"]), read_signatures(row["signatures"]))


def _known(connection: Connection, body: RevokeBody) -> int | None:
    """Returns the row of a revocation, with the signatures of appraisers added that it did not have."""
    query = select(revocations).where(revocations.c.digest == body.revocation.digest)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    stored = _checked(row).signatures
    signers = {_signer(one) for one in stored}
    further = [one for one in body.signatures if _signer(one) not in signers]
    if further:
        signatures = write_signatures((*stored, *further))
        connection.execute(update(revocations).where(revocations.c.seq == row["seq"]).values(signatures=signatures))
    return int(row["seq"])


def _signer(signature: Signature) -> tuple[str, bytes]:
    return signature.scheme, signature.key


def _earliest(connection: Connection, measurement: Measurement | None = None) -> dict[Measurement, RevokeBody]:
    query = select(revocations).order_by(revocations.c.seq)
    if measurement is not None:
        query = query.where(revocations.c.measurement == measurement)
    found: dict[Measurement, RevokeBody] = {}
    for row in connection.execute(query).mappings():
        body = _checked(row)
        code = body.revocation.measurement
        if code not in found or body.revocation.since < found[code].revocation.since:
            found[code] = body
    return found


def _checked(row: RowMapping) -> RevokeBody:
    """Reads a revocation and compares it with what it is stored under; raises ``RowTampered``."""
    part = f"revocation {row['digest'].hex()}"
    with reading(part):
        body = revoke_body(row)
    holds = (body.revocation.digest, body.revocation.measurement) == (row["digest"], row["measurement"])
    require(part, holds=holds, reason="not the revocation of its digest")
    return body
