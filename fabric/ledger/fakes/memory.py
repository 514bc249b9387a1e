"""``MemoryLedger``: the ledger port on a chain in memory, with blocks, nonces, finality and reorgs.

It passes the conformance suite. What it does not have is durability: it is gone with its process.
"""

from collections.abc import Collection, Sequence

from fabric.core.canonical import JsonObject
from fabric.core.clock import Clock
from fabric.core.errors import LedgerUnavailable, Reorged
from fabric.core.ids import Account, BatchId, IntentId, InvocationId, sha256
from fabric.ledger import port
from fabric.ledger.fakes.chain import Block, Chain, Transaction, read_transaction
from fabric.ledger.fakes.posts import posted
from fabric.ledger.port import MailboxEvent, MailboxPage, Observation, Phase, Receipt, RequestPage, Submission, Work
from fabric.ledger.rules import operations
from fabric.ledger.rules.enclaves import find_key
from fabric.ledger.rules.entries import batch_entry, intent_entry
from fabric.ledger.rules.events import Requested
from fabric.ledger.rules.revocations import standing_revocation
from fabric.ledger.rules.state import Genesis
from fabric.trust.attestation import KeySet, KeyState
from fabric.trust.destination import Destination
from fabric.trust.letter import Delivery, effect_of, read_letter
from fabric.trust.schemes import Signature

CURSOR_BYTES = 8


class MemoryLedger:
    """A ledger in memory: ``fabric.ledger.port.Ledger``, ``RequestSource`` and ``MailboxSource``.

    Attributes:
        chain: the blocks; tests look at it.
    """

    def __init__(self, genesis: Genesis, clock: Clock, *, finality: int = 0, mines_at_once: bool = True) -> None:
        """Founds a deployment.

        Args:
            genesis: what it pins.
            clock: the time of its blocks.
            finality: blocks that must follow a block until it is final.
            mines_at_once: whether each submission makes a block; otherwise ``mine`` does.
        """
        self.chain = Chain(genesis)
        self._clock = clock
        self._finality = finality
        self._mines_at_once = mines_at_once

    @property
    def destination(self) -> Destination:
        """Which deployment this is."""
        return self.chain.genesis.destination

    async def prepare(self, work: Sequence[Work], pending: Sequence[Submission]) -> Sequence[Submission]:
        """Turns work into transactions on nonces that no pending submission holds."""
        held = [read_transaction(one.data).nonce or 0 for one in pending]
        first = max([self.chain.next_nonce, *(nonce + 1 for nonce in held)])
        return [self._submission(one, nonce) for nonce, one in enumerate(work, first)]

    async def submit(self, submissions: Sequence[Submission]) -> None:
        """Puts transactions into the pool."""
        for submission in submissions:
            self.chain.take(read_transaction(submission.data))
        if self._mines_at_once:
            self.mine()

    async def observe(self, work: Sequence[tuple[Work, Submission | None]]) -> Sequence[Observation]:
        """Says what became of work, by its effect first and its transaction second."""
        held = {read_transaction(one.data).nonce for _, one in work if one} | self.chain.pool.keys()
        return [self._observe(one, submission, held) for one, submission in work]

    async def key_state(self, keys: KeySet) -> KeyState | None:
        """Returns the state of an enclave's keys."""
        found = find_key(self.chain.genesis, self.chain.state, keys)
        return found.state if found else None

    async def is_settled(self, batch: BatchId) -> bool:
        """Says whether a batch is anchored."""
        return batch_entry(batch) in self.chain.state

    async def is_spent(self, intent: IntentId) -> bool:
        """Says whether an intent was consumed."""
        return intent_entry(intent) in self.chain.state

    async def requests(self, cursor: bytes, limit: int) -> RequestPage:
        """Returns final requests after a cursor, which is the next index and the id of the one before it.

        Raises:
            Reorged: the request that the cursor stands on is gone.
        """
        start = int.from_bytes(cursor[:CURSOR_BYTES], "big")
        final = self._final_requests()
        if start and (start > len(final) or final[start - 1].invocation != cursor[CURSOR_BYTES:]):
            raise Reorged(f"request {start - 1} is no longer what it was")
        found = tuple(final[start : start + limit])
        if not found:
            return RequestPage((), cursor)
        after = (start + len(found)).to_bytes(CURSOR_BYTES, "big") + found[-1].invocation
        return RequestPage(found, after)

    async def mailbox_events(self, cursor: bytes, limit: int) -> MailboxPage:
        """Returns final mailbox events after a cursor, which is the next index and a digest of the one before it.

        Raises:
            Reorged: the event that the cursor stands on is gone.
        """
        start = int.from_bytes(cursor[:CURSOR_BYTES], "big")
        final = posted(block for block in self.chain.blocks if self._is_final(block))
        if start and (start > len(final) or _mark(final[start - 1]) != cursor[CURSOR_BYTES:]):
            raise Reorged(f"mailbox event {start - 1} is no longer what it was")
        found = tuple(final[start : start + limit])
        if not found:
            return MailboxPage((), cursor)
        return MailboxPage(found, (start + len(found)).to_bytes(CURSOR_BYTES, "big") + _mark(found[-1]))

    async def event_material(self, events: Sequence[MailboxEvent]) -> Sequence[JsonObject]:
        """Returns where each event is; nothing can be proven of a chain in memory."""
        return [{"block": event.position, "index": event.index} for event in events]

    async def ledger_time(self) -> int:
        """Returns the time that a block would have now."""
        return self._clock.unix_seconds()

    async def aclose(self) -> None:
        """Does nothing."""

    def mine(self, count: int = 1, others: Sequence[Transaction] = ()) -> None:
        """Makes blocks; the first takes what waits, and others' transactions before it."""
        for number in range(count):
            self.chain.mine(self._clock.unix_seconds(), () if number else others)

    def act(self, sender: Account, operation: operations.OpenChannel | operations.Send) -> None:
        """Opens a channel or sends a message from an account, in a block of its own.

        Raises:
            LedgerUnavailable: the rules refuse it.
        """
        block = self.chain.mine(self._clock.unix_seconds(), [Transaction(operation, sender=sender)])
        if refusal := block.executed[0].refusal:
            raise LedgerUnavailable(refusal)

    def request(self, sender: Account, operation: operations.Request) -> InvocationId:
        """Asks for an invocation as a contract does, in a block of its own; returns the id that it gave."""
        block = self.chain.mine(self._clock.unix_seconds(), [Transaction(operation, sender=sender)])
        (event,) = block.executed[0].events
        if not isinstance(event, Requested):
            raise LedgerUnavailable(f"expected a request, got {event}")
        return event.invocation

    def use_nonce(self) -> None:
        """Lets another holder of the fabric's account use its next nonce."""
        self.chain.pool[self.chain.next_nonce] = Transaction(None, self.chain.next_nonce)
        self.mine()

    def reorg(self, depth: int) -> None:
        """Replaces the newest blocks by as many; what the fabric sent is gone from them, what others sent is not."""
        depth = min(depth, self.chain.height)
        gone = self.chain.reorg(depth)
        for one in gone:
            if one.operation is None:
                self.chain.take(one)
        others = [one for one in gone if one.nonce is None]
        for number in range(depth):
            self.chain.mine(self._clock.unix_seconds(), () if number else others)

    def _submission(self, work: Work, nonce: int) -> Submission:
        data = self._transaction(work, nonce).encoded
        return Submission(data, f"transaction {sha256(data).hex()}")

    def _transaction(self, work: Work, nonce: int) -> Transaction:
        match work:
            case port.Register():
                return Transaction(operations.Register(work.result, work.destinations, self._ordered(work)), nonce)
            case port.RevokeCode():
                return Transaction(operations.RevokeCode(work.revocation, self._ordered(work)), nonce)
            case port.Settle():
                signature = (*self._own(work.signatures), *work.signatures)[0]
                return Transaction(operations.Settle(work.header, signature), nonce)
            case port.Expire():
                return Transaction(operations.Expire(work.message), nonce)
            case port.Consume() if work.record.recipient == self.destination.settlement:
                return Transaction(_letter(work), nonce)
            case port.Consume():
                operation = operations.Consume(work.record, work.header.batch_id, work.index, work.path)
                # Whoever sends it, the recipient's contract acts, as on an EVM chain.
                return Transaction(operation, nonce, work.record.recipient)

    def _ordered(self, work: port.Register | port.RevokeCode) -> tuple[Signature, ...]:
        return tuple(sorted(self._own(work.signatures), key=lambda one: one.key))

    def _own(self, signatures: Sequence[Signature]) -> list[Signature]:
        return [one for one in signatures if one.scheme == self.chain.genesis.scheme]

    def _observe(self, work: Work, submission: Submission | None, held: Collection[int | None]) -> Observation:
        block = self.chain.block_of(self._effect(work))
        if block:
            phase = Phase.FINAL if self._is_final(block) else Phase.INCLUDED
            return Observation(phase, self._receipt(block))
        if submission is None:
            return Observation(Phase.ABSENT)
        transaction = read_transaction(submission.data)
        found = self.chain.find(transaction.hash)
        if found and self._is_final(found[0]):
            return Observation(Phase.REFUSED, reason=found[1].refusal)
        if found:
            return Observation(Phase.PENDING)
        if reason := self._why_lost(transaction, held):
            return Observation(Phase.LOST, reason=reason)
        return Observation(Phase.PENDING if transaction in self.chain.pool.values() else Phase.ABSENT)

    def _why_lost(self, transaction: Transaction, held: Collection[int | None]) -> str:
        nonce = transaction.nonce or 0
        if nonce < self.chain.next_nonce or self.chain.pool.get(nonce, transaction) != transaction:
            return f"nonce {nonce} was used by another transaction"
        if any(gap not in held for gap in range(self.chain.next_nonce, nonce)):
            return f"nonce {nonce} stands behind a nonce that nobody will use"
        return ""

    def _effect(self, work: Work) -> bytes:
        if isinstance(work, port.Register):
            found = find_key(self.chain.genesis, self.chain.state, work.result.keys)
            if found and found.not_after >= work.result.not_after:
                return found.result  # what it asked for holds by a result that outlasts it
        if isinstance(work, port.RevokeCode):
            return standing_revocation(self.chain.state, work.revocation) or work.work_id
        if isinstance(work, port.Consume) and work.record.recipient == self.destination.settlement:
            return effect_of(work.payload) or work.work_id
        return work.work_id

    def _is_final(self, block: Block) -> bool:
        return self.chain.height - block.number >= self._finality

    def _receipt(self, block: Block) -> Receipt:
        return Receipt(self.destination.id, f"block {block.number}", block.number, block.time, {"block": block.number})

    def _final_requests(self) -> list[port.Request]:
        return [
            port.Request(
                event.index,
                event.invocation,
                event.requester,
                event.nonce,
                event.method,
                event.input,
                event.binding,
                event.state_version,
                block.time,
                f"block {block.number}",
            )
            for block in self.chain.blocks
            if self._is_final(block)
            for one in block.executed
            for event in one.events
            if isinstance(event, Requested)
        ]


def _letter(work: port.Consume) -> operations.Deliver | operations.Acknowledge:
    letter = read_letter(work.payload)
    place = (work.header.batch_id, work.index, work.path)
    if isinstance(letter, Delivery):
        return operations.Deliver(work.record, letter, *place)
    return operations.Acknowledge(work.record, letter, *place)


def _mark(event: MailboxEvent) -> bytes:
    return sha256(event.kind.encode(), event.subject.encoded)
