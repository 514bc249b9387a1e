"""The material of proofs, read in one consistent state of the database."""

from functools import partial

from sqlalchemy import Connection, RowMapping, select

from fabric.core.errors import NotFound
from fabric.core.ids import BindingVersion, DestinationId, Digest, InvocationId
from fabric.store.attestations import attestation_at
from fabric.store.catalogue import publication_of
from fabric.store.codec import read_signatures
from fabric.store.database import Database
from fabric.store.invocations import effect_of
from fabric.store.packing import PackedBatch
from fabric.store.schema import batches, bindings, invocations, outbox, records
from fabric.store.standings import standing_at
from fabric.store.values import Effect, ProofMaterial, reading
from fabric.trust.batch import Header


class Proofs:
    """Reads proof material."""

    def __init__(self, database: Database) -> None:
        """Reads through ``database``."""
        self._database = database

    async def material(self, invocation: InvocationId, destination: DestinationId) -> ProofMaterial:
        """Returns everything that the store holds for one proof.

        Raises:
            NotFound: the invocation has no record for this destination: never accepted, failed, or not routed there.
        """
        query = partial(_material, invocation=invocation, destination=destination)
        return await self._database.read(query)


def _material(connection: Connection, invocation: InvocationId, destination: DestinationId) -> ProofMaterial:
    row = _row(connection, invocation, destination)
    with reading(f"batch {row['seq']}, which holds the record of invocation {invocation.hex()}"):
        return _read(connection, row)


def _read(connection: Connection, row: RowMapping) -> ProofMaterial:
    packed = PackedBatch(row["records"], row["details"])
    position: int = row["position"]
    sealed = packed.sealed(position)
    settlement = effect_of(row)
    return ProofMaterial(
        record=sealed.record,
        statement=sealed.statement,
        payload=sealed.payload,
        output=row["output"],
        header=Header.decode(row["header"]),
        signatures=read_signatures(row["signatures"]),
        index=position,
        path=packed.path(position),
        settlement=settlement,
        attestation=attestation_at(connection, Digest(row["key_id"]), _time_of(settlement)),
        publication=publication_of(connection, sealed.record.measurement),
        standing=standing_at(connection, sealed.record.measurement, _time_of(settlement)),
        binding=_binding(connection, sealed.record.binding),
    )


def _time_of(settlement: Effect) -> int | None:
    """Returns the ledger's time of the anchor, None before there is one."""
    time = (settlement.receipt or {}).get("time")
    return time if isinstance(time, int) else None


def _row(connection: Connection, invocation: InvocationId, destination: DestinationId) -> RowMapping:
    query = (
        select(batches, records.c.position, invocations.c.output)
        .add_columns(outbox.c.state, outbox.c.receipt, outbox.c.reason)
        .join(records, records.c.batch == batches.c.seq)
        .join(invocations, invocations.c.seq == records.c.invocation)
        .join(outbox, outbox.c.batch == batches.c.seq)
        .where(
            invocations.c.id == invocation,
            batches.c.destination == destination,
            outbox.c.position.is_(None),
        )
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        message = f"no record of invocation {invocation.hex()} for {destination.hex()}"
        raise NotFound(message)
    return row


def _binding(connection: Connection, version: BindingVersion) -> bytes | None:
    return connection.scalar(select(bindings.c.document).where(bindings.c.version == version))
