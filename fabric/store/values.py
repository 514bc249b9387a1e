"""What goes into the store and comes out of it: frozen values, no SQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from fabric.core.canonical import JsonObject
from fabric.core.errors import Malformed, Retry, StoreError
from fabric.core.ids import (
    Account,
    BatchId,
    BindingVersion,
    DestinationId,
    Digest,
    InvocationId,
)
from fabric.core.model import Invocation, Outcome
from fabric.trust.attestation import AttestationResult
from fabric.trust.batch import Header
from fabric.trust.message import Message
from fabric.trust.record import Record
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import Signature
from fabric.trust.standing import Standing


class AlreadyStored(StoreError):
    """Some invocations of a batch were accepted before; nothing of the batch was stored.

    Attributes:
        invocations: ids that are stored already; their earlier results stand.
    """

    def __init__(self, invocations: frozenset[InvocationId]) -> None:
        """Names the invocations."""
        super().__init__(f"{len(invocations)} of the batch's invocations were accepted before")
        self.invocations = invocations


class RowTampered(StoreError):
    """A stored row is not what was stored: it does not have the digest that it is stored under, or cannot be read.

    Attributes:
        part: which row.
        reason: what is wrong with it.
    """

    code = "row-tampered"
    retry = Retry.NEVER

    def __init__(self, part: str, reason: str) -> None:
        """Names the row and the reason."""
        super().__init__(f"{part} was changed in the database: {reason}; restore the row, it is not used as it is")
        self.part = part
        self.reason = reason


@contextmanager
def reading(part: str) -> Iterator[None]:
    """Turns what reading a row may raise into ``RowTampered`` of that row."""
    try:
        yield
    except RowTampered:
        raise
    except (Malformed, StoreError, IndexError, ValueError, TypeError) as error:
        raise RowTampered(part, str(error)) from error


def require(part: str, *, holds: bool, reason: str) -> None:
    """Checks a row against what it is stored under; raises ``RowTampered``."""
    if not holds:
        raise RowTampered(part, reason)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An invocation with its outcome, as it is accepted.

    Attributes:
        invocation: what ran.
        outcome: what became of it; a failure is an outcome too.
        idempotency_key: the caller's own key; None exactly when a ledger event asked.
    """

    invocation: Invocation
    outcome: Outcome
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class CursorMove:
    """Where a watcher's cursor goes in the transaction that stores what came of its page.

    Attributes:
        name: which cursor.
        value: its new value, opaque.
    """

    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class StoredResult:
    """An accepted invocation without its input.

    Attributes:
        caller: who asked.
        idempotency_key: the caller's own key, None for one that a ledger event asked for.
        binding: version of the binding it ran under.
        method: name of the method.
        input: SHA-256 of the input.
        as_of: the invocation's time, Unix seconds.
        state_version: version of the contract's state it answers to.
        outcome: output or failure, and the invocation's id.
    """

    caller: Account
    idempotency_key: str | None
    binding: BindingVersion
    method: str
    input: Digest
    as_of: int
    state_version: int
    outcome: Outcome


class WorkKind(StrEnum):
    """What an outbox row asks a ledger to do. The values are stored and never renamed."""

    REGISTER = "register"
    SETTLE = "settle"
    CONSUME = "consume"
    EXPIRE = "expire"
    REVOKE = "revoke"


class WorkState(StrEnum):
    """How far a piece of work has come. The values are stored and never renamed; see docs/spec/outbox.md."""

    NEW = "new"
    """Stored; nothing was prepared for it, or what was prepared can never take effect."""
    PREPARED = "prepared"
    """A submission is stored; whether it was sent, only the ledger can say."""
    SUBMITTED = "submitted"
    """The ledger has seen it, or an error left open whether it has."""
    INCLUDED = "included"
    """Its effect is on the ledger and may still be undone."""
    FINAL = "final"
    """Its effect is on the ledger for good."""
    REFUSED = "refused"
    """The ledger refused it for good; a person must look."""


@dataclass(frozen=True, slots=True)
class RegisterBody:
    """An attestation result to be made known to one ledger."""

    result: AttestationResult
    destinations: tuple[DestinationId, ...]
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class SettleBody:
    """A batch to be anchored."""

    header: Header
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class ConsumeBody:
    """One record to be consumed; ``index`` and ``path`` place it in the batch."""

    record: Record
    payload: bytes
    header: Header
    index: int
    path: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class ExpireBody:
    """The tombstone of a message whose time is over."""

    message: Message


@dataclass(frozen=True, slots=True)
class RevokeBody:
    """A revocation of code to be written to one ledger, with appraisers' signatures of both schemes."""

    revocation: CodeRevocation
    signatures: tuple[Signature, ...]


WorkBody = RegisterBody | SettleBody | ConsumeBody | ExpireBody | RevokeBody


@dataclass(frozen=True, slots=True)
class Spoiled:
    """In the place of a body that is not the one of its work id; ``reason`` names the row."""

    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The part of an outbox row that changes.

    Attributes:
        state: how far it has come.
        attempts: how often it had to be sent or prepared again.
        next_attempt: not to be sent or prepared before, Unix seconds.
        submission: bytes that the adapter prepared, None before.
        locator: the submission's name in the ledger's terms.
        receipt: canonical JSON of the ledger's receipt, None before there was one.
        reason: why it was refused or has to wait, for people.
    """

    state: WorkState = WorkState.NEW
    attempts: int = 0
    next_attempt: int = 0
    submission: bytes | None = None
    locator: str | None = None
    receipt: bytes | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row of the outbox without its body."""

    seq: int
    destination: DestinationId
    kind: WorkKind
    work_id: bytes
    progress: Progress


@dataclass(frozen=True, slots=True)
class Effect:
    """How far a settlement or consumption has come, for answers to people.

    Attributes:
        state: of the outbox row.
        receipt: the ledger's receipt as JSON: locator, position, time, material, cost.
        reason: why it was refused or waits.
    """

    state: WorkState
    receipt: JsonObject | None
    reason: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """One destination of an invocation.

    Attributes:
        destination: the ledger.
        batch: the batch that holds its record.
        settlement: of that batch.
        consumption: of the record, None where the fabric does not deliver it.
    """

    destination: DestinationId
    batch: BatchId
    settlement: Effect
    consumption: Effect | None


@dataclass(frozen=True, slots=True)
class StoredAttestation:
    """An attestation result with its signatures and the evidence it rests on."""

    body: RegisterBody
    evidence: bytes


@dataclass(frozen=True, slots=True)
class ProofMaterial:
    """Everything that the store holds for the proof of one record.

    Attributes:
        record: the record.
        statement: canonical JSON behind ``record.statement``.
        payload: bytes behind ``record.payload``.
        output: canonical JSON behind ``record.output``.
        header: header of its batch.
        signatures: over the header.
        index: position in the batch.
        path: RFC 6962 audit path.
        settlement: of the batch on its ledger.
        attestation: the newest one of the signing keys, None when it was never stored.
        publication: canonical JSON of the bundle's publication, None when it was never stored.
        standing: of the bundle when the batch was anchored, None where no registry had said anything.
        binding: canonical JSON of the binding, None when it was never stored.
    """

    record: Record
    statement: bytes
    payload: bytes
    output: bytes
    header: Header
    signatures: tuple[Signature, ...]
    index: int
    path: tuple[Digest, ...]
    settlement: Effect
    attestation: StoredAttestation | None
    publication: bytes | None
    standing: Standing | None
    binding: bytes | None


class RequestState(StrEnum):
    """What became of a ledger's request. The values are stored and never renamed."""

    READY = "ready"
    """Everything is there; it runs next."""
    WAITING_FOR_INPUT = "waiting-for-input"
    """No blob of its input digest yet."""
    ANSWERED = "answered"
    """Its invocation is accepted."""
    REFUSED = "refused"
    """It will not be answered; the reason says why."""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A ledger's request as the store keeps it.

    Attributes:
        destination: which ledger.
        position: the ledger's own counter of requests.
        invocation: id that the ledger gave it.
        binding: version of the binding that shall answer.
        input: SHA-256 of the input.
        document: canonical JSON of the whole request.
        state: what became of it.
        reason: why it was refused or waits.
    """

    destination: DestinationId
    position: int
    invocation: InvocationId
    binding: BindingVersion
    input: Digest
    document: bytes
    state: RequestState
    reason: str = ""
