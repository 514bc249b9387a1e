"""The sequencer: calls in, accepted entries appended; the only writer of its ledger.

An accepted call is one entry and its changes of state. A batch of calls is one database transaction under one
checkpoint, which is signed before the commit, so that there is no committed entry without a checkpoint over it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from adapters.native.audit import History, audit
from adapters.native.database import Database
from adapters.native.entry import Entry
from adapters.native.envelope import Envelope
from adapters.native.errors import Tampered
from adapters.native.genesis import GenesisDocument
from adapters.native.lock import FileLock
from adapters.native.machine import Overlay, execute
from fabric.core.clock import Clock
from fabric.core.errors import (
    FabricError,
    ForeignLedger,
    LedgerError,
    LedgerUnavailable,
    Malformed,
    SubmitError,
)
from fabric.core.ids import Digest
from fabric.trust.checkpoint import Checkpoint, open_note, sign_note
from fabric.trust.merkle import EMPTY_ROOT, leaf_hash


class CheckpointSigner(Protocol):
    """Holds the log's key; ``fabric.signers.process.KeyProcess`` is one."""

    async def sign_checkpoint(self, origin: str, size: int, root: Digest) -> tuple[bytes, bytes]:
        """Returns the log's Ed25519 key and its signature over the checkpoint's body.

        Raises:
            Refused: the holder of the key will not sign this one.
            SigningFailed: the holder of the key is gone.
        """
        ...


@dataclass
class _Draft:
    """What a batch of calls would append."""

    overlay: Overlay
    time: int
    entries: list[Entry] = field(default_factory=list)
    works: list[bytes] = field(default_factory=list)
    refusals: list[LedgerError | Malformed | None] = field(default_factory=list)


@dataclass(frozen=True)
class _Commit:
    """A batch whose checkpoint is signed: entries from ``start`` up to ``size``."""

    draft: _Draft
    start: int
    size: int
    note: str


class Sequencer:
    """A ledger opened for appending; make one with ``open_sequencer``."""

    def __init__(
        self, database: Database, genesis: GenesisDocument, signer: CheckpointSigner, clock: Clock, lock: FileLock
    ) -> None:
        """Takes over an open database and its lock; the history follows with ``load``."""
        self.genesis = genesis
        self.history = History()
        self._database = database
        self._signer = signer
        self._clock = clock
        self._lock = lock
        self._turn = asyncio.Lock()
        self._is_closed = False
        self._unfinished: _Commit | None = None

    @property
    def time(self) -> int:
        """The time that an entry would have that is appended now, Unix seconds."""
        return max(self.history.time, self._clock.unix_seconds())

    async def load(self) -> None:
        """Reads and checks the whole ledger; raises ``Tampered``."""
        self.history = await asyncio.to_thread(audit, self._database, self.genesis)

    async def submit(self, calls: Sequence[bytes]) -> Sequence[LedgerError | Malformed | None]:
        """Carries out calls in their order; what is accepted is durable when this returns.

        Returns:
            For each call why it was refused, None where it took effect or had taken effect before.

        Raises:
            SubmitError: nothing is known to be appended; a commit that failed is finished before the next begins.
        """
        # A caller who is cancelled must not stop a commit half way.
        return await asyncio.shield(asyncio.ensure_future(self._submit(calls)))

    async def entries(self, indexes: Sequence[int]) -> list[Entry]:
        """Returns some entries, in the order asked for.

        Raises:
            LedgerUnavailable: the file does not answer.
            Tampered: a row is not the one that was appended; names it.
        """
        rows = await asyncio.to_thread(self._database.chosen, indexes)
        for index, data in zip(indexes, rows, strict=True):
            if leaf_hash(data) != self.history.tree.leaf(index):
                raise Tampered(f"entry {index}", "not the one that was appended")
        return [Entry.decode(one) for one in rows]

    async def checkpoints(self) -> list[tuple[int, str]]:
        """Returns size and note of every checkpoint; raises ``LedgerUnavailable``."""
        return await asyncio.to_thread(self._database.checkpoints)

    async def aclose(self) -> None:
        """Closes file and lock; idempotent."""
        async with self._turn:
            self._is_closed = True
            await asyncio.to_thread(self._database.close)
            self._lock.release()

    async def _submit(self, calls: Sequence[bytes]) -> Sequence[LedgerError | Malformed | None]:
        async with self._turn:
            if self._is_closed:
                raise SubmitError("the ledger takes nothing more: it was closed")
            await self._finish()
            draft = await asyncio.to_thread(self._draft, calls)
            if draft.entries:
                await self._commit(draft)
            return draft.refusals

    def _draft(self, calls: Sequence[bytes]) -> _Draft:
        draft = _Draft(Overlay(self.history.state), self.time)
        for call in calls:
            try:
                self._carry_out(draft, Envelope.decode(call))
            except (LedgerError, Malformed) as refusal:
                draft.refusals.append(refusal)
            else:
                draft.refusals.append(None)
        return draft

    def _carry_out(self, draft: _Draft, envelope: Envelope) -> None:
        work = envelope.work_id(self.genesis.destination.id)
        if work in self.history.positions or work in draft.works:
            return  # a repeat; a request's nonce would otherwise speak against it
        overlay = Overlay(draft.overlay)
        if execute(self.genesis.rules, overlay, draft.time, envelope):
            draft.overlay.changes.update(overlay.changes)
            draft.entries.append(Entry(len(self.history.tree) + len(draft.entries), draft.time, envelope))
            draft.works.append(work)

    async def _commit(self, draft: _Draft) -> None:
        tree, start = self.history.tree, len(self.history.tree)
        for entry in draft.entries:
            tree.append(leaf_hash(entry.encoded))
        size = len(tree)
        try:
            note = await signed_note(self.genesis, self._signer, size, tree.root(size))
        except FabricError as error:
            tree.truncate(start)
            raise SubmitError(f"not appended: {error}") from error
        self._unfinished = _Commit(draft, start, size, note)
        await self._finish()

    async def _finish(self) -> None:
        """Writes what is signed. After a failure the very same is written, for its checkpoint must stay the only one.

        Raises:
            SubmitError: it is not known to be written; the next call tries again first.
        """
        commit = self._unfinished
        if commit is None:
            return
        rows = [(entry.index, entry.encoded) for entry in commit.draft.entries]
        changes = commit.draft.overlay.changes
        try:
            await asyncio.to_thread(self._database.append, rows, changes, (commit.size, commit.note))
        except FabricError as error:
            raise SubmitError(f"not appended yet, it is tried again: {error}") from error
        self._unfinished = None
        self.history.state.update(changes)
        self.history.positions.update(zip(commit.draft.works, range(commit.start, commit.size), strict=True))
        self.history.size, self.history.time, self.history.note = commit.size, commit.draft.time, commit.note


async def open_sequencer(path: Path, genesis: GenesisDocument, signer: CheckpointSigner, clock: Clock) -> Sequencer:
    """Opens a ledger, or founds it where the file is new.

    Raises:
        SequencerRunning: another process has it open.
        ForeignLedger: the file holds a ledger of another genesis, or the signer has another key.
        Tampered: the file is not what its sequencer wrote.
        LedgerUnavailable: the file or the signer does not answer.
    """
    lock = FileLock.take(path.with_name(path.name + ".lock"))
    try:
        database = await asyncio.to_thread(Database, path)
        try:
            sequencer = Sequencer(database, genesis, signer, clock, lock)
            await _found(database, genesis, signer)
            await sequencer.load()
        except BaseException:
            database.close()
            raise
    except BaseException:
        lock.release()
        raise
    return sequencer


async def signed_note(genesis: GenesisDocument, signer: CheckpointSigner, size: int, root: Digest) -> str:
    """Returns a signed checkpoint that opens under the genesis' key.

    Raises:
        ForeignLedger: the signer has another key.
        LedgerUnavailable: the signer did not sign.
    """
    try:
        key, signature = await signer.sign_checkpoint(genesis.origin, size, root)
    except FabricError as error:
        raise LedgerUnavailable(f"checkpoint {size} was not signed: {error}") from error
    if key != genesis.sequencer:
        raise ForeignLedger(f"the signer has key {key.hex()}, the ledger's is {genesis.sequencer.hex()}")
    note = sign_note(Checkpoint(genesis.origin, size, root), key, signature)
    try:
        open_note(note, key)
    except Malformed as error:
        raise LedgerUnavailable(f"checkpoint {size}: {error.reason}") from error
    return note


async def _found(database: Database, genesis: GenesisDocument, signer: CheckpointSigner) -> None:
    stored = await asyncio.to_thread(database.genesis)
    if stored is None:
        note = await signed_note(genesis, signer, 0, EMPTY_ROOT)
        await asyncio.to_thread(database.found, genesis.encoded, note)
    elif stored != genesis.encoded:
        raise ForeignLedger("the file holds a ledger of another genesis than the configured one")
