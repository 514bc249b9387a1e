"""A chain of blocks in memory: one sender's transactions by nonce, the rules, and what a reorg takes back."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fabric.core import canonical
from fabric.core.errors import Malformed
from fabric.core.ids import NOBODY, Account, Digest, acknowledgement_id, delivery_id, expiry_id, sha256
from fabric.ledger.rules.calls import call_object, parse_call
from fabric.ledger.rules.engine import apply
from fabric.ledger.rules.events import (
    Acknowledged,
    ChannelOpened,
    CodeRevocationSet,
    Consumed,
    Delivered,
    Event,
    Expired,
    IndexedEvent,
    KeyStatusSet,
    Registered,
    Requested,
    Sent,
    Settled,
)
from fabric.ledger.rules.operations import Operation
from fabric.ledger.rules.state import Context, DictState, Genesis
from fabric.ledger.rules.violations import RuleViolation
from fabric.trust.revocation import CodeRevocation


@dataclass(frozen=True)
class Transaction:
    """One call with its sender.

    Attributes:
        operation: what is asked; None of a transaction that only uses up a nonce.
        nonce: of the fabric's own account; None of another account's transaction.
        sender: the account that the rules see.
    """

    operation: Operation | None
    nonce: int | None = None
    sender: Account = NOBODY

    @property
    def encoded(self) -> bytes:
        """Canonical JSON."""
        call = None if self.operation is None else call_object(self.operation)
        return canonical.encode({"call": call, "nonce": self.nonce, "sender": self.sender.hex()})

    @property
    def hash(self) -> Digest:
        """SHA-256 of the bytes."""
        return sha256(self.encoded)


def read_transaction(data: bytes) -> Transaction:
    """Reads a transaction of the fabric's account; raises ``Malformed``."""
    value = canonical.decode_object(data)
    nonce, sender = value.get("nonce"), value.get("sender")
    if type(nonce) is not int or not isinstance(sender, str):
        raise Malformed("transaction", "expected an object with call, nonce, sender")
    return Transaction(parse_call(value.get("call")), nonce, Account(bytes.fromhex(sender)))


@dataclass(frozen=True)
class Executed:
    """A transaction in a block: its events, or why the rules refused it."""

    transaction: Transaction
    events: tuple[Event, ...] = ()
    refusal: str = ""


@dataclass
class Block:
    """A block with the state before it, to which a reorg returns."""

    number: int
    time: int
    before: DictState
    next_nonce: int
    executed: list[Executed] = field(default_factory=list)


class Chain:
    """Blocks, state, and the transactions that wait for their block."""

    def __init__(self, genesis: Genesis) -> None:
        """Starts empty; the first block is number 1."""
        self.genesis = genesis
        self.state = DictState()
        self.blocks: list[Block] = []
        self.next_nonce = 0
        self.pool: dict[int, Transaction] = {}

    @property
    def height(self) -> int:
        """Number of the newest block."""
        return len(self.blocks)

    def take(self, transaction: Transaction) -> None:
        """Puts a transaction of the fabric's account into the pool; what its nonce allows no more is passed over."""
        if transaction.nonce is not None and transaction.nonce >= self.next_nonce:
            self.pool.setdefault(transaction.nonce, transaction)

    def mine(self, time: int, others: Sequence[Transaction] = ()) -> Block:
        """Makes a block of other accounts' transactions, then of what the pool holds up to the first missing nonce."""
        last = self.blocks[-1].time if self.blocks else 0
        before = DictState(self.state)
        block = Block(self.height + 1, max(time, last), before, self.next_nonce)
        for transaction in others:
            self._execute(block, transaction)
        while self.next_nonce in self.pool:
            self._execute(block, self.pool.pop(self.next_nonce))
            self.next_nonce += 1
        self.blocks.append(block)
        return block

    def reorg(self, depth: int) -> list[Transaction]:
        """Takes back the newest blocks and returns their transactions, oldest first; the height is lower then."""
        depth = min(depth, self.height)
        if not depth:
            return []
        gone = self.blocks[-depth:]
        del self.blocks[-depth:]
        self.state, self.next_nonce = gone[0].before, gone[0].next_nonce
        return [one.transaction for block in gone for one in block.executed]

    def find(self, transaction: Digest) -> tuple[Block, Executed] | None:
        """Returns the block that holds a transaction."""
        for block in reversed(self.blocks):
            for one in block.executed:
                if one.transaction.hash == transaction:
                    return block, one
        return None

    def block_of(self, effect: bytes) -> Block | None:
        """Returns the block in which a work id took effect."""
        for block in self.blocks:
            if any(effect == effect_of(event) for one in block.executed for event in one.events):
                return block
        return None

    def _execute(self, block: Block, transaction: Transaction) -> None:
        if transaction.operation is None:
            block.executed.append(Executed(transaction))
            return
        context = Context(block.time, transaction.sender)
        try:
            events = apply(self.genesis, self.state, context, transaction.operation)
        except RuleViolation as violation:
            block.executed.append(Executed(transaction, refusal=str(violation)))
        else:
            block.executed.append(Executed(transaction, events))


def effect_of(event: Event) -> bytes:
    """Returns the work id that an event is the effect of; of a request, its invocation."""
    match event:
        case Registered() | KeyStatusSet() | CodeRevocationSet():
            return _appraisers_effect(event)
        case Settled():
            return event.batch
        case Consumed():
            return event.intent
        case Requested():
            return event.invocation
        case _:
            return _mailbox_effect(event)


def _appraisers_effect(event: Registered | KeyStatusSet | CodeRevocationSet) -> bytes:
    match event:
        case Registered():
            return event.result
        case KeyStatusSet():
            return b""
        case CodeRevocationSet():
            return CodeRevocation(event.measurement, event.since).digest


def _mailbox_effect(event: IndexedEvent | Acknowledged) -> bytes:
    match event:
        case ChannelOpened():
            return event.channel.id
        case Sent():
            return event.message.id
        case Delivered():
            return delivery_id(event.message.id)
        case Expired():
            return expiry_id(event.message.id)
        case Acknowledged():
            return acknowledgement_id(event.message, event.ending)
