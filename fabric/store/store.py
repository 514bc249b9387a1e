"""The store: one database, one folder of blobs, and what is asked of them."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from fabric.core.clock import Clock
from fabric.core.ids import DestinationId, FabricId, InvocationId, MessageId
from fabric.store.accepting import Acceptance, enqueue, keep_long_inputs, stored_already
from fabric.store.attestations import Attestations, store_attestation
from fabric.store.blobs import BlobStore
from fabric.store.catalogue import Bindings, Publications
from fabric.store.cursors import Cursors
from fabric.store.database import Conflict, Database, open_database
from fabric.store.invocations import Invocations
from fabric.store.mail import MessageChange
from fabric.store.mailbox import Mailboxes
from fabric.store.messages import Messages
from fabric.store.outbox import Outbox
from fabric.store.owner import claim
from fabric.store.proofs import Proofs
from fabric.store.requests import Requests
from fabric.store.revocations import Revocations, store_revocation
from fabric.store.standings import Standings
from fabric.store.values import AlreadyStored, CursorMove, RequestRow, RevokeBody, StoredAttestation, StoredResult


class Store:
    """Everything durable of one fabric.

    Attributes:
        invocations: accepted invocations.
        outbox: work for the ledgers.
        proofs: material of proofs.
        halts: ledgers whose work is stopped.
        requests: what ledgers asked for.
        mailboxes: what ledgers told of messages.
        messages: messages on their way.
        bindings: bindings in force.
        publications: publications of loaded bundles.
        attestations: enclaves' attestation results.
        revocations: revocations of code.
        standings: what registries said of bundles.
        cursors: how far each watcher has come.
        blobs: bytes by digest.
    """

    def __init__(self, database: Database, blobs: BlobStore, clock: Clock) -> None:
        """Takes open parts; see ``open_store``."""
        self._database = database
        self._clock = clock
        self._listeners: dict[DestinationId, list[Callable[[], None]]] = {}
        self.invocations = Invocations(database, blobs)
        self.outbox = Outbox(database)
        self.halts = self.outbox.halts
        self.proofs = Proofs(database)
        self.requests = Requests(database)
        self.mailboxes = Mailboxes(database)
        self.messages = Messages(database)
        self.bindings = Bindings(database)
        self.publications = Publications(database)
        self.attestations = Attestations(database)
        self.revocations = Revocations(database)
        self.standings = Standings(database)
        self.cursors = Cursors(database)
        self.blobs = blobs

    def listen(self, destination: DestinationId, listener: Callable[[], None]) -> None:
        """Has ``listener`` called on the event loop after each commit that made work for a ledger."""
        self._listeners.setdefault(destination, []).append(listener)

    async def enqueue(self, acceptance: Acceptance) -> None:
        """Accepts invocations: stores outcomes, records, batches and the work they make, all or nothing, durably.

        Each batch becomes a settlement, each of its records that has a recipient on a destination of ``consumed_on`` a
        consumption after it. An event-born invocation answers its request.

        Raises:
            AlreadyStored: some of the invocations were accepted before; nothing of this call was stored.
            Oversize: an input beyond the limit of blobs.
            StoreError: the database did not commit.
        """
        if acceptance.has_long_inputs:
            await asyncio.to_thread(keep_long_inputs, acceptance, self.blobs)
        try:
            await self._database.write(partial(enqueue, acceptance=acceptance))
        except Conflict as conflict:
            query = partial(stored_already, accepted=acceptance.accepted)
            stored = await self._database.read(query)
            if not stored:
                raise
            raise AlreadyStored(stored) from conflict
        finally:
            # Also after a failure: a commit whose answer was lost has made work all the same.
            self._tell({batch.header.destination for batch in acceptance.batches})

    async def take(self, rows: Sequence[RequestRow], cursor: CursorMove) -> None:
        """Stores a page of requests with its cursor, see ``Requests.store``; answers to be brought again are work."""
        if await self.requests.store(rows, cursor):
            self._tell({row.destination for row in rows})

    async def claim(self, fabric: FabricId) -> None:
        """Makes the database this fabric's, unless it is another's.

        Raises:
            ConfigError: it belongs to another fabric; nothing was changed.
            StoreError: the database did not commit.
        """
        await self._database.write(partial(claim, fabric=fabric))

    async def results(self, ids: Sequence[InvocationId]) -> dict[InvocationId, StoredResult]:
        """Returns what became of invocations, of those that were accepted."""
        return await self.invocations.find(ids)

    async def attest(self, attestation: StoredAttestation, registered_on: Collection[DestinationId]) -> None:
        """Stores an attestation result and the work of making it known to ledgers; a repeat stores nothing."""
        now = self._clock.unix_seconds()
        work = partial(store_attestation, item=attestation, registered_on=registered_on, created=now)
        try:
            await self._database.write(work)
        finally:
            self._tell(registered_on)  # see enqueue

    async def revoke(self, body: RevokeBody, reason: str, places: Collection[DestinationId]) -> None:
        """Stores a revocation of code and the work of writing it to ledgers, before anything is sent.

        A repeat adds ledgers and signatures that were missing, and lets ledgers be asked again that refused it.

        Raises:
            RowTampered: what is stored of it was changed.
            StoreError: the database did not commit.
        """
        now = self._clock.unix_seconds()
        try:
            await self._database.write(partial(store_revocation, body=body, reason=reason, places=places, created=now))
        finally:
            self._tell(places)  # see enqueue

    async def carry(self, changes: Sequence[MessageChange]) -> set[MessageId]:
        """Stores what becomes of messages and the work that it makes; see ``Messages.save``."""
        stored = await self.messages.save(changes, self._clock.unix_seconds())
        self._tell({one.tombstone.destination for one in changes if one.tombstone})
        return stored

    async def aclose(self) -> None:
        """Waits for what is running and closes the database; idempotent."""
        await self._database.aclose()

    def _tell(self, destinations: Collection[DestinationId]) -> None:
        for destination in destinations:
            for listener in self._listeners.get(destination, ()):
                listener()


async def open_store(where: str | Path, blobs: Path, clock: Clock) -> Store:
    """Opens a store, made and brought to this release's schema as needed.

    Args:
        where: path of a SQLite file, or URL of a PostgreSQL database.
        blobs: folder of the blobs.
        clock: the time that rows are stamped with.

    Raises:
        ConfigError: the database cannot be used as it is; see ``open_database``.
        StoreError: database or folder cannot be opened or changed.
    """
    database = await asyncio.to_thread(open_database, where)
    return Store(database, await asyncio.to_thread(BlobStore, blobs), clock)
