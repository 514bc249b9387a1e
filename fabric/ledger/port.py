"""The port to a ledger: three kinds of work, one life cycle (prepare, submit, observe), requests that wake cryptlets.

Durability, in RFC 2119 words: a caller MUST store what ``prepare`` returned before it calls
``submit``; after any error of ``submit`` it MUST ``observe`` before it submits again, and it MUST
submit the stored bytes again, never newly prepared ones, unless the ledger answered ``LOST``. Every
effect is idempotent by its ``work_id``: an adapter MUST report work as done when the ledger shows
its effect, whoever sent it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from fabric.core.canonical import JsonObject
from fabric.core.ids import (
    Account,
    BatchId,
    BindingVersion,
    ChannelId,
    DestinationId,
    Digest,
    IntentId,
    InvocationId,
    expiry_id,
)
from fabric.trust.attestation import AttestationResult, KeySet, KeyState
from fabric.trust.batch import Header
from fabric.trust.destination import Destination
from fabric.trust.message import Channel, Message
from fabric.trust.record import Record
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import Signature


@dataclass(frozen=True)
class Register:
    """Make an enclave's keys known: an attestation result and its appraisers' signatures.

    Attributes:
        result: the attestation result.
        destinations: the destination ids, ascending, whose digest the result carries.
        signatures: appraisers' signatures of both schemes; a ledger uses those it can check.
    """

    result: AttestationResult
    destinations: tuple[DestinationId, ...]
    signatures: tuple[Signature, ...]

    @property
    def work_id(self) -> bytes:
        """Digest of the result."""
        return self.result.digest


@dataclass(frozen=True)
class RevokeCode:
    """Let nobody act on a bundle's results from a time of settlement on: a code revocation and its appraisers' word.

    It is done as soon as the ledger has this time or an earlier one. Signatures as in ``Register``.
    """

    revocation: CodeRevocation
    signatures: tuple[Signature, ...]

    @property
    def work_id(self) -> bytes:
        """Digest of the revocation."""
        return self.revocation.digest


@dataclass(frozen=True)
class Settle:
    """Anchor a batch: its header and the enclave's signatures of both schemes."""

    header: Header
    signatures: tuple[Signature, ...]

    @property
    def work_id(self) -> bytes:
        """The batch id."""
        return self.header.batch_id


@dataclass(frozen=True)
class Consume:
    """Let the recipient act on one record of a settled batch.

    Where the recipient is the destination's mailbox (its settlement word), the payload is a letter, and the effect is
    that of its message, whichever record brought it about (docs/spec/message.md).

    Attributes:
        record: the record.
        payload: the bytes behind ``record.payload``.
        header: header of its batch.
        index: its position in the batch.
        path: RFC 6962 audit path.
    """

    record: Record
    payload: bytes
    header: Header
    index: int
    path: tuple[Digest, ...]

    @property
    def work_id(self) -> bytes:
        """The intent id."""
        return self.record.intent


@dataclass(frozen=True)
class Expire:
    """Write the tombstone of a message whose time is over."""

    message: Message

    @property
    def work_id(self) -> bytes:
        """Id of the tombstone, see ``fabric.core.ids.expiry_id``."""
        return expiry_id(self.message.id)


Work = Register | RevokeCode | Settle | Consume | Expire


class Phase(StrEnum):
    """What a ledger says of a piece of work. The values are stored and never renamed."""

    ABSENT = "absent"
    """The ledger has not seen it; the stored submission may be sent (again)."""
    PENDING = "pending"
    """Seen, not yet in a block or entry."""
    INCLUDED = "included"
    """Its effect is on the ledger and may still be undone."""
    FINAL = "final"
    """Its effect is on the ledger beyond the configured finality."""
    LOST = "lost"
    """This submission can never take effect (its nonce was used by another); prepare it anew."""
    REFUSED = "refused"
    """The ledger executed it and refused the effect; ``reason`` says why.

    Repeating does not help.
    """


@dataclass(frozen=True)
class Submission:
    """What ``prepare`` made: the exact bytes that ``submit`` sends, and a name for them in the ledger's own terms.

    Attributes:
        data: opaque to everyone but the adapter; at most 1 MiB.
        locator: transaction hash or entry digest.
    """

    data: bytes
    locator: str


@dataclass(frozen=True)
class Receipt:
    """What a ledger says took effect.

    Attributes:
        destination: which ledger.
        locator: where, for people: ``block 12 tx 0x...`` or ``entry 7``.
        position: block number or entry index.
        time: the ledger's time of the effect, Unix seconds.
        material: what anyone needs to check it offline; the destination's ``check_receipt`` reads
            it.
        cost: named costs, such as ``gas``.
    """

    destination: DestinationId
    locator: str
    position: int
    time: int
    material: JsonObject
    cost: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Observation:
    """Answer to ``observe`` for one piece of work.

    A receipt from INCLUDED on, a reason when REFUSED or LOST.
    """

    phase: Phase
    receipt: Receipt | None = None
    reason: str = ""


@dataclass(frozen=True)
class Request:
    """A final event by which a contract asked for an invocation.

    Attributes:
        index: the ledger's contiguous counter of requests, from 0.
        invocation: id as the contract computed and stored it.
        requester: the asking account.
        nonce: the requester's own counter.
        method: SHA-256 of the method's name.
        input: SHA-256 of the input bytes.
        binding: version of the binding that shall answer.
        state_version: version of the contract's state at the request.
        time: ledger time of the event, Unix seconds.
        locator: where, for people.
    """

    index: int
    invocation: InvocationId
    requester: Account
    nonce: int
    method: Digest
    input: Digest
    binding: BindingVersion
    state_version: int
    time: int
    locator: str


@dataclass(frozen=True)
class RequestPage:
    """Requests in the order of their index, and the cursor after them.

    An empty page moves the cursor too.
    """

    requests: tuple[Request, ...]
    cursor: bytes

    @property
    def count(self) -> int:
        """How many requests it holds."""
        return len(self.requests)


class EventKind(StrEnum):
    """Kinds of the events that have an index in a mailbox. The values are stored and never renamed."""

    OPENED = "opened"
    SENT = "sent"
    DELIVERED = "delivered"
    EXPIRED = "expired"


@dataclass(frozen=True)
class MailboxEvent:
    """A final event of a mailbox.

    Attributes:
        index: the mailbox's contiguous counter of events, from 0.
        kind: what happened.
        subject: the channel that was opened, or the message.
        data: of ``sent`` the body, of ``delivered`` the recipient's result, otherwise nothing.
        time: ledger time of the event, Unix seconds.
        position: block number or entry index.
        locator: where, for people.
    """

    index: int
    kind: EventKind
    subject: Channel | Message
    data: bytes
    time: int
    position: int
    locator: str

    @property
    def channel(self) -> ChannelId:
        """Id of the channel that was opened, or of the message's."""
        return self.subject.id if isinstance(self.subject, Channel) else self.subject.channel


@dataclass(frozen=True)
class MailboxPage:
    """Events in the order of their index, and the cursor after them.

    An empty page moves the cursor too.
    """

    events: tuple[MailboxEvent, ...]
    cursor: bytes

    @property
    def count(self) -> int:
        """How many events it holds."""
        return len(self.events)


@runtime_checkable
class InOrder(Protocol):
    """A ledger that executes what one account submits in the order in which it was prepared.

    So a record may be sent behind the settlement that it needs, into the same block. Where the order is lost after all
    (a dropped submission is prepared anew), the record is refused as ``NotSettled`` and is sent again.
    """

    @property
    def nonces_in_order(self) -> bool:
        """Always true; a ledger of which it is not does not have it."""
        ...


class Ledger(Protocol):
    """One settlement deployment.

    Every method is safe to call concurrently and raises only ``LedgerError``s.
    """

    @property
    def destination(self) -> Destination:
        """Which deployment this is; checked against the live ledger when it was opened."""
        ...

    async def prepare(self, work: Sequence[Work], pending: Sequence[Submission]) -> Sequence[Submission]:
        """Turns work into submissions, one each, without any effect on the ledger.

        Args:
            work: what shall take effect, in the order in which it should.
            pending: stored submissions that are not final, so that a nonce is not given out twice.

        Raises:
            LedgerUnavailable: state had to be read and could not be.
        """
        ...

    async def submit(self, submissions: Sequence[Submission]) -> None:
        """Sends stored submissions in their order.

        Raises:
            SubmitError: the outcome of one or more is unknown.
        """
        ...

    async def observe(self, work: Sequence[tuple[Work, Submission | None]]) -> Sequence[Observation]:
        """Asks what became of work, by its effect first and its submission second; one answer each, in order.

        Raises:
            LedgerUnavailable: the ledger did not answer; nothing is known.
            Reorged: an effect that was final is gone.
        """
        ...

    async def key_state(self, keys: KeySet) -> KeyState | None:
        """Returns the state of an enclave's keys, None when they are not registered.

        Expired counts as registered.
        """
        ...

    async def is_settled(self, batch: BatchId) -> bool:
        """Says whether a batch is anchored."""
        ...

    async def is_spent(self, intent: IntentId) -> bool:
        """Says whether an intent was consumed."""
        ...

    async def aclose(self) -> None:
        """Releases connections; idempotent."""
        ...


class CallTaker(Protocol):
    """A ledger of our own, whose accounts have no node of theirs to send through."""

    async def take_call(self, data: bytes) -> Receipt:
        """Carries out what an account signed; a repeat gives the receipt of the first time.

        Args:
            data: the call in the ledger's own spelling, with its sender's signature.

        Raises:
            Malformed: no such call.
            LedgerError: the ledger refuses it, by rule, or does not answer.
        """
        ...


class RequestSource(Protocol):
    """A ledger whose contracts can ask for invocations."""

    async def requests(self, cursor: bytes, limit: int) -> RequestPage:
        """Returns up to ``limit`` FINAL requests after the cursor (``b""`` is the start).

        Completeness is proven: indexes are contiguous.

        Raises:
            LedgerUnavailable: no answer, or an answer with a gap.
            Reorged: what the cursor stands on is no longer there.
        """
        ...


class MailboxSource(Protocol):
    """A ledger with a mailbox."""

    async def mailbox_events(self, cursor: bytes, limit: int) -> MailboxPage:
        """Returns up to ``limit`` FINAL events after the cursor (``b""`` is the start).

        Completeness is proven: indexes are contiguous.

        Raises:
            LedgerUnavailable: no answer, or an answer with a gap.
            Reorged: what the cursor stands on is no longer there.
        """
        ...

    async def event_material(self, events: Sequence[MailboxEvent]) -> Sequence[JsonObject]:
        """Returns what shows each event offline: the material that ``DestinationKind.check_event`` takes.

        Raises:
            LedgerUnavailable: the ledger cannot show one of them now.
            LedgerSilent: it does not answer at all.
        """
        ...

    async def ledger_time(self) -> int:
        """Returns the ledger's time as of its newest block or entry, or later; Unix seconds.

        Raises:
            LedgerUnavailable: the ledger did not answer.
        """
        ...
