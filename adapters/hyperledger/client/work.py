"""Work as calls of the rules, and the state keys and values by which its effect shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fabric.core.errors import LedgerError, Malformed
from fabric.core.ids import Digest
from fabric.ledger import port
from fabric.ledger.port import EventKind, Work
from fabric.ledger.rules import operations
from fabric.ledger.rules.calls import encode_call
from fabric.ledger.rules.entries import (
    BatchEntry,
    KeyEntry,
    batch_entry,
    code_entry,
    intent_entry,
    key_entry,
    read_row,
)
from fabric.ledger.rules.mailbox_entries import (
    DeliveryEntry,
    MessageEntry,
    MessageState,
    delivery_entry,
    message_entry,
)
from fabric.ledger.rules.revocations import read_revocation
from fabric.trust import words
from fabric.trust.destination import Destination
from fabric.trust.letter import Acknowledgement, Delivery, read_letter
from fabric.trust.message import Ending, Message
from fabric.trust.schemes import ED25519, Signature

_CLOSED = {Ending.DELIVERED: MessageState.ACKNOWLEDGED, Ending.EXPIRED: MessageState.REFUNDED}
_UNSIGNED = Signature(ED25519, bytes(32), bytes(64))


@dataclass(frozen=True)
class Effect:
    """How an effect shows on the ledger.

    Attributes:
        key: its state key.
        time_of: returns the time of the effect, Unix seconds, from a value of the key; 0 where the value states none;
            None where it shows another effect. Raises ``Malformed``.
        told: what the mailbox tells when it comes about, None for nothing.
    """

    key: str
    time_of: Callable[[bytes], int | None]
    told: tuple[EventKind, Message] | None = None


@dataclass(frozen=True)
class Task:
    """A piece of work as the chaincode takes it: the call, canonical JSON, and its effect."""

    call: bytes
    effect: Effect


def task_of(work: Work, destination: Destination) -> Task:
    """Returns the call of work, and its effect.

    Raises:
        LedgerError: a record for the mailbox brings no letter.
    """
    operation = _operation(work, destination)
    return Task(encode_call(operation), _effect_of(operation))


def _operation(work: Work, destination: Destination) -> operations.Operation:
    match work:
        case port.Register(result=result):
            return operations.Register(result, work.destinations, _own_scheme(work.signatures))
        case port.RevokeCode(revocation=revocation):
            return operations.RevokeCode(revocation, _own_scheme(work.signatures))
        case port.Settle(header=header):
            signatures = _own_scheme(work.signatures)
            # Without one of ours the call is made all the same, for the rules to refuse.
            return operations.Settle(header, signatures[0] if signatures else _UNSIGNED)
        case port.Consume():
            return _consumption(work, destination)
        case port.Expire(message=message):
            return operations.Expire(message)


def _consumption(work: port.Consume, destination: Destination) -> operations.Operation:
    place = (work.header.batch_id, work.index, work.path)
    if work.record.recipient != destination.settlement:
        return operations.Consume(work.record, *place)
    try:
        letter = read_letter(work.payload)
    except Malformed as error:
        message = f"a record for the mailbox brings no letter: {error}"
        raise LedgerError(message) from error
    if isinstance(letter, Delivery):
        return operations.Deliver(work.record, letter, *place)
    return operations.Acknowledge(work.record, letter, *place)


def _effect_of(operation: operations.Operation) -> Effect:
    match operation:
        case operations.Register() | operations.RevokeCode():
            return _appraisers_effect(operation)
        case operations.Settle(header=header):
            count, root = header.count, header.root
            return Effect(_text(batch_entry(header.batch_id)), lambda value: _settled(value, count, root))
        case operations.Consume(record=record):
            return Effect(_text(intent_entry(record.intent)), _spent)
        case operations.Deliver(delivery=delivery):
            return _ending(delivery.message, Ending.DELIVERED, EventKind.DELIVERED)
        case operations.Expire(message=message):
            return _ending(message, Ending.EXPIRED, EventKind.EXPIRED)
        case operations.Acknowledge(acknowledgement=word):
            return _acknowledged(word)
        case _:
            reason = f"no work of the fabric: {type(operation).__name__}"
            raise ValueError(reason)


def _appraisers_effect(operation: operations.Register | operations.RevokeCode) -> Effect:
    if isinstance(operation, operations.Register):
        keys, digest, end = operation.result.keys, operation.result.digest, operation.result.not_after
        return Effect(_text(key_entry(keys.ed25519)), lambda value: _registered(value, digest, end))
    code, since = operation.revocation.measurement, operation.revocation.since
    return Effect(_text(code_entry(code)), lambda value: _revoked(value, since))


def _registered(value: bytes, digest: Digest, not_after: int) -> int | None:
    # A result that another one outlasts is never stored; what it asked for holds by the other.
    entry = KeyEntry.decode(value)
    return 0 if entry.result == digest or entry.not_after >= not_after else None


def _revoked(value: bytes, since: int) -> int | None:
    # A later time than the stored one is never stored; what it asked for holds by the other.
    return 0 if read_revocation(value) <= since else None


def _settled(value: bytes, count: int, root: Digest) -> int | None:
    entry = BatchEntry.decode(value)
    return entry.time if (entry.count, entry.root) == (count, root) else None


def _spent(value: bytes) -> int:
    return words.read_uint(read_row(value, 2, "intent entry")[1], "intent entry")


def _ending(message: Message, ending: Ending, told: EventKind) -> Effect:
    def time_of(value: bytes) -> int | None:
        entry = DeliveryEntry.decode(value)
        return entry.time if entry.ending is ending else None

    return Effect(_text(delivery_entry(message.id)), time_of, (told, message))


def _acknowledged(word: Acknowledgement) -> Effect:
    closed = _CLOSED[word.ending]

    def time_of(value: bytes) -> int | None:
        entry = MessageEntry.decode(value)
        return entry.closed if entry.state is closed else None

    return Effect(_text(message_entry(word.message.id)), time_of)


def _own_scheme(signatures: Sequence[Signature]) -> tuple[Signature, ...]:
    """Returns the signatures that this ledger checks, in the order that the rules ask for."""
    return tuple(sorted((one for one in signatures if one.scheme == ED25519), key=lambda one: one.key))


def _text(key: bytes) -> str:
    return key.decode()
