"""What the store keeps of messages between ledgers: frozen values, no SQL (docs/spec/relay.md)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from fabric.core.ids import ChannelId, DestinationId, InvocationId
from fabric.store.values import CursorMove
from fabric.trust.message import Channel, Message

NEVER: Final = 2**62
"""A time that does not come, Unix seconds: only a person moves what waits until then."""


class MailKind(StrEnum):
    """Kinds of the stored events of a mailbox. The values are stored and never renamed."""

    OPENED = "opened"
    SENT = "sent"
    DELIVERED = "delivered"
    EXPIRED = "expired"


class MessageState(StrEnum):
    """How far a message has come. The values are stored and never renamed."""

    SENT = "sent"
    """It is final on its source; no delivery of it is under way."""
    DELIVERING = "delivering"
    """A delivery is run, or on its way to the destination."""
    EXPIRING = "expiring"
    """Its tombstone is on its way to the destination."""
    DELIVERED = "delivered"
    """The destination says so for good; no acknowledgement is under way."""
    EXPIRED = "expired"
    """Its tombstone stands for good; no acknowledgement is under way."""
    ACKNOWLEDGING = "acknowledging"
    """An acknowledgement is run, or on its way to the source."""
    ACKNOWLEDGED = "acknowledged"
    """The source knows that it was delivered."""
    REFUNDED = "refunded"
    """The source knows that it expired."""


ENDED: Final = frozenset({MessageState.ACKNOWLEDGED, MessageState.REFUNDED})
"""States in which nothing is left to do."""


class Reason(StrEnum):
    """Why a message is not further than it is. The values are stored and never renamed; docs/spec/relay.md has more."""

    NONE = ""
    RUNNING = "running"
    ON_ITS_WAY = "on-its-way"
    WAITING_FOR_FINALITY = "waiting-for-finality"
    NOT_RELAYED_HERE = "not-relayed-here"
    LEDGER_HALTED = "ledger-halted"
    CHANNEL_NOT_OPEN = "channel-not-open"
    NO_BINDING = "no-binding"
    NO_BUNDLE = "no-bundle"
    BINDING_UNFIT = "binding-unfit"
    CALLER_NOT_NAMED = "caller-not-named"
    ASSERTED_NOT_ACCEPTED = "asserted-not-accepted"
    NO_PROOF = "no-proof"
    SOURCE_REFUSED = "source-refused"
    PROOF_TOO_LONG = "proof-too-long"
    RELAY_REFUSED = "relay-refused"
    CRYPTLET_FAILED = "cryptlet-failed"
    NO_CAPACITY = "no-capacity"
    FEES_ABOVE_CAP = "fees-above-cap"
    SETTLEMENT_REFUSED = "settlement-refused"
    RECORD_EXPIRED = "record-expired"
    MESSAGE_EXPIRED = "message-expired"
    RECIPIENT_REVERTED = "recipient-reverted"
    SENDER_REVERTED = "sender-reverted"
    REFUSED_BY_RULES = "refused-by-rules"
    CLOSED_OTHERWISE = "closed-otherwise"


@dataclass(frozen=True, slots=True)
class MailEvent:
    """A final event of a ledger's mailbox.

    Attributes:
        destination: the ledger that tells.
        position: the mailbox's own counter of events, without gaps.
        kind: what happened.
        subject: the channel that was opened, or the message.
        data: of ``sent`` the body, of ``delivered`` the recipient's result, otherwise nothing.
        time: the ledger's time, Unix seconds.
        place: block number or entry index.
        locator: where, for people.
    """

    destination: DestinationId
    position: int
    kind: MailKind
    subject: Channel | Message
    data: bytes
    time: int
    place: int
    locator: str


@dataclass(frozen=True, slots=True)
class MailPage:
    """Events of one mailbox in the order of their positions, and the cursor behind them."""

    events: Sequence[MailEvent]
    cursor: CursorMove


@dataclass(frozen=True, slots=True)
class Passage:
    """The part of a message's row that changes.

    Attributes:
        state: how far it has come.
        reason: why it is not further.
        detail: the same for people, with names and numbers.
        attempt: number of the last attempt of its present leg; 0 before the first.
        tries: failures in a row, for the time between two of them.
        not_before: no attempt begins before, Unix seconds; ``NEVER`` until a person asks for one.
        due: it is looked at by then at the latest, Unix seconds.
        work: work id of the outbox row that it waits for, None where there is none.
        seen: state of that row when it was looked at last; empty before it was there.
        reverts: how often the account at the end of its present leg refused it since a person asked last.
    """

    state: MessageState = MessageState.SENT
    reason: Reason = Reason.NONE
    detail: str = ""
    attempt: int = 0
    tries: int = 0
    not_before: int = 0
    due: int = 0
    work: bytes | None = None
    seen: str = ""
    reverts: int = 0


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message on its way, as it is stored.

    Attributes:
        seq: number of the row; older messages come first.
        message: the message.
        passage: what has become of it.
        version: counts the changes, so that one is never made twice or over another.
        created: when this fabric learned of it, Unix seconds.
        changed: when state or reason changed last, Unix seconds.
    """

    seq: int
    message: Message
    passage: Passage
    version: int
    created: int
    changed: int

    @property
    def waits_on(self) -> DestinationId:
        """The ledger that must take the next step: the destination until the message has ended there."""
        before = (MessageState.SENT, MessageState.DELIVERING, MessageState.EXPIRING)
        return self.message.destination if self.passage.state in before else self.message.source


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a message's trace.

    Attributes:
        time: when it was noted, Unix seconds.
        state: what the message came to.
        reason: why it is not further.
        detail: the same for people.
        attempt: number of the attempt of this leg.
        ledger: where it happened or shall happen, None where no ledger is concerned.
        locator: where on that ledger, for people; empty before there is such a place.
        ledger_time: the ledger's time of it, Unix seconds; 0 before there is one.
        invocation: which invocation made the record, None where none did.
    """

    time: int
    state: MessageState
    reason: Reason
    detail: str = ""
    attempt: int = 0
    ledger: DestinationId | None = None
    locator: str = ""
    ledger_time: int = 0
    invocation: InvocationId | None = None


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Work for the destination of a message whose time is over: its row's number and its work id."""

    message: int
    destination: DestinationId
    work_id: bytes


@dataclass(frozen=True, slots=True)
class MessageChange:
    """What becomes of a row, in one transaction with the others of its kind.

    Attributes:
        row: the row as it was read.
        passage: its new passage.
        step: the entry of the trace, None where nothing that people would see has changed.
        tombstone: work that the change makes.
    """

    row: MessageRow
    passage: Passage
    step: Step | None = None
    tombstone: Tombstone | None = None


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages are listed; what is empty or None does not count.

    Attributes:
        states: in one of these states.
        channel: of this channel.
        after: rows with a lower number than this come next, newest first.
        limit: at most so many.
    """

    states: frozenset[MessageState] = field(default_factory=frozenset)
    channel: ChannelId | None = None
    after: int = NEVER
    limit: int = 100


@dataclass(frozen=True, slots=True)
class MessageCount:
    """How many messages of a route are in a state for a reason.

    Attributes:
        source: the sending ledger.
        destination: the receiving ledger.
        state: how far they have come.
        reason: why they are not further.
        count: how many there are.
        oldest: the earliest time since which one of them is, Unix seconds.
    """

    source: DestinationId
    destination: DestinationId
    state: MessageState
    reason: Reason
    count: int
    oldest: int


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """A channel that is open at one end at least.

    Attributes:
        channel: the channel.
        opened: the events by which its ends were opened, by ledger.
        sent: the next sequence of each end, by ledger, as far as its ledger's final events show.
    """

    channel: Channel
    opened: dict[DestinationId, MailEvent]
    sent: dict[DestinationId, int]
