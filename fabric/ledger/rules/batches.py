"""Settlement of batches and consumption of their records."""

from typing import Protocol

from fabric.core.errors import VerificationError
from fabric.core.ids import NOBODY, Account, BatchId, Digest, intent_id
from fabric.ledger.rules.enclaves import check_validity, find_signer
from fabric.ledger.rules.entries import BatchEntry, KeyEntry, batch_entry, intent_entry
from fabric.ledger.rules.events import Consumed, Event, Settled
from fabric.ledger.rules.operations import Consume, Settle
from fabric.ledger.rules.quorum import signer_of
from fabric.ledger.rules.revocations import check_code
from fabric.ledger.rules.state import Context, Genesis, State
from fabric.ledger.rules.violations import Code, RuleViolation
from fabric.trust import eip712, words
from fabric.trust.attestation import KeyState
from fabric.trust.batch import MAX_RECORDS
from fabric.trust.merkle import leaf_hash, root_from_inclusion
from fabric.trust.record import Record


class RecordInBatch(Protocol):
    """An operation that acts on one record: a consumption, or what a mailbox takes."""

    @property
    def record(self) -> Record:
        """The record."""
        ...

    @property
    def batch(self) -> BatchId:
        """Id of its settled batch."""
        ...

    @property
    def index(self) -> int:
        """Its position in the batch."""
        ...

    @property
    def path(self) -> tuple[Digest, ...]:
        """RFC 6962 audit path."""
        ...


def settle(genesis: Genesis, state: State, context: Context, operation: Settle) -> tuple[Event, ...]:
    """Anchors a batch; a repeat changes nothing, whatever became of its key and whatever signature it bears.

    Raises:
        RuleViolation: in this order ``WrongDestination``, ``BadCount``, ``BadSignature``, ``UnknownKey``,
            ``KeyRevoked``, ``NotYetValid``, ``AttestationExpired``, ``KeyRetired``, ``WrongEpoch``.
    """
    header = operation.header
    if find_batch(state, header.batch_id):
        return ()
    if header.destination != genesis.destination.id:
        reason = f"header for {header.destination.hex()}"
        raise RuleViolation(Code.WRONG_DESTINATION, reason)
    if not 1 <= header.count <= MAX_RECORDS:
        raise RuleViolation(Code.BAD_COUNT, f"1 to {MAX_RECORDS} records, got {header.count}")
    signer = signer_of(
        genesis,
        operation.signature,
        header.encoded,
        lambda: eip712.header_digest(header, genesis.destination),
    )
    key = _usable_key(state, signer, context.time)
    if key.epoch != header.epoch:
        reason = f"header of epoch {header.epoch}, key of epoch {key.epoch}"
        raise RuleViolation(Code.WRONG_EPOCH, reason)
    entry = BatchEntry(header.count, header.root, context.time, key.key_id)
    state.put(batch_entry(header.batch_id), entry.encoded)
    return (Settled(header.batch_id, key.key_id, header.count, header.root),)


def consume(genesis: Genesis, state: State, context: Context, operation: Consume) -> tuple[Event, ...]:
    """Spends a record's intent for its recipient. What became of the key since settlement does not matter.

    Raises:
        RuleViolation: in this order ``WrongDestination``, ``WrongRecipient``, ``WrongIntent``, ``RecordExpired``,
            ``NotSettled``, ``NotIncluded``, ``CodeRevoked``, ``IntentSpent``.
    """
    record = operation.record
    check_record(genesis, state, context, operation, context.sender)
    if state.get(intent_entry(record.intent)) is not None:
        raise RuleViolation(Code.INTENT_SPENT, f"intent {record.intent.hex()}")
    state.put(intent_entry(record.intent), operation.batch + words.uint(context.time))
    return (Consumed(record.intent, operation.batch, record.invocation, record.recipient),)


def check_record(
    genesis: Genesis, state: State, context: Context, operation: RecordInBatch, recipient: Account
) -> None:
    """Checks that a settled record is for this deployment and recipient, and may still take effect.

    Raises:
        RuleViolation: in this order ``WrongDestination``, ``WrongRecipient``, ``WrongIntent``, ``RecordExpired``,
            ``NotSettled``, ``NotIncluded``, ``CodeRevoked``.
    """
    record = operation.record
    if record.destination != genesis.destination.id:
        raise RuleViolation(Code.WRONG_DESTINATION, f"record for {record.destination.hex()}")
    if record.recipient == NOBODY or record.recipient != recipient:
        raise RuleViolation(Code.WRONG_RECIPIENT, f"record for {record.recipient.hex()}")
    if record.intent != intent_id(record.invocation, record.destination):
        raise RuleViolation(Code.WRONG_INTENT, "not the hash of invocation and destination")
    if context.time > record.not_after:
        reason = f"until {record.not_after}, time is {context.time}"
        raise RuleViolation(Code.RECORD_EXPIRED, reason)
    batch = find_batch(state, operation.batch)
    if batch is None:
        raise RuleViolation(Code.NOT_SETTLED, f"batch {operation.batch.hex()}")
    if not _is_included(operation, batch):
        raise RuleViolation(Code.NOT_INCLUDED, f"record {operation.index} of {batch.count}")
    check_code(state, record.measurement, batch)


def verify(genesis: Genesis, state: State, operation: Consume) -> bool:
    """Says whether a record is for this deployment and in a batch settled here; changes nothing, spends nothing.

    It tells what happened: a revocation of code does not change the answer.
    """
    batch = find_batch(state, operation.batch)
    if batch is None or operation.record.destination != genesis.destination.id:
        return False
    return _is_included(operation, batch)


def find_batch(state: State, batch: BatchId) -> BatchEntry | None:
    """Returns what is stored of a settled batch."""
    value = state.get(batch_entry(batch))
    return None if value is None else BatchEntry.decode(value)


def _usable_key(state: State, signer: bytes, time: int) -> KeyEntry:
    key = find_signer(state, signer)
    if key is None:
        raise RuleViolation(Code.UNKNOWN_KEY, f"signing key {signer.hex()} is not registered")
    if key.state is KeyState.REVOKED:
        raise RuleViolation(Code.KEY_REVOKED, f"key {key.key_id.hex()}")
    check_validity(time, key.not_before, key.not_after)
    if key.state is KeyState.RETIRED and time > key.deadline:
        raise RuleViolation(Code.KEY_RETIRED, f"settles until {key.deadline}, time is {time}")
    return key


def _is_included(operation: RecordInBatch, batch: BatchEntry) -> bool:
    leaf = leaf_hash(operation.record.encoded)
    try:
        root = root_from_inclusion(leaf, operation.index, batch.count, operation.path)
    except VerificationError:
        return False
    return root == batch.root
