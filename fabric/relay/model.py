"""The values that the relay decides by: a route's ledgers, the facts about one message, the legs of its way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fabric.core.ids import BindingVersion, DestinationId, FabricId, InvocationId, caller_account, invocation_id
from fabric.core.model import Outcome
from fabric.store.mail import MailEvent, MessageRow, MessageState, Passage, Reason, Tombstone
from fabric.store.values import Progress
from fabric.trust.binding import Binding
from fabric.trust.destination import Destination
from fabric.trust.message import ACKNOWLEDGE, DELIVER, Channel, End, Message

RELAY_CALLER: Final = "relay"
"""The caller in whose name records for mailboxes are made; no configured caller may have this name."""


@dataclass(frozen=True)
class Trouble:
    """Why a ledger takes nothing now: the stable code of the error, and its text."""

    code: str
    text: str


@dataclass(frozen=True)
class Side:
    """A ledger of a route, as far as this fabric knows it.

    Attributes:
        destination: the deployment, None where it is no ledger of this fabric or has no mailbox.
        halted: why it is halted; empty where it is not.
        time: the ledger's time, Unix seconds; None where it was not asked or did not answer.
        asserted: whether its events can be asserted only.
        trouble: why it takes nothing now, None where nothing is known.
    """

    destination: Destination | None = None
    halted: str = ""
    time: int | None = None
    asserted: bool = False
    trouble: Trouble | None = None


@dataclass(frozen=True)
class Leg:
    """A way that a record takes: to the destination, or back to the source.

    Attributes:
        method: of the relay cryptlet.
        is_delivery: whether it goes to the destination.
        running: the state while an attempt is under way.
        reverted: the reason when the account at its end refuses.
    """

    method: str
    is_delivery: bool
    running: MessageState
    reverted: Reason

    def acts(self, message: Message) -> DestinationId:
        """Returns the ledger that takes the record."""
        return message.destination if self.is_delivery else message.source

    def tells(self, message: Message) -> DestinationId:
        """Returns the ledger whose event the record rests on."""
        return message.source if self.is_delivery else message.destination

    def key(self, message: Message, attempt: int) -> str:
        """Returns the idempotency key of an attempt."""
        return f"{self.method}/{message.id.hex()}/{attempt}"


DELIVERY: Final = Leg(DELIVER, True, MessageState.DELIVERING, Reason.RECIPIENT_REVERTED)  # noqa: FBT003 - a table
ACKNOWLEDGEMENT: Final = Leg(ACKNOWLEDGE, False, MessageState.ACKNOWLEDGING, Reason.SENDER_REVERTED)  # noqa: FBT003

LEGS: Final[Mapping[MessageState, Leg]] = {
    MessageState.SENT: DELIVERY,
    MessageState.DELIVERING: DELIVERY,
    MessageState.DELIVERED: ACKNOWLEDGEMENT,
    MessageState.EXPIRED: ACKNOWLEDGEMENT,
    MessageState.ACKNOWLEDGING: ACKNOWLEDGEMENT,
}
"""The leg that a message in a state takes; an expiring one takes none."""
BEFORE_END: Final = frozenset({MessageState.SENT, MessageState.DELIVERING})
"""States in which a message may still expire."""


@dataclass(frozen=True)
class Facts:
    """Everything that is known of one message, and of what concerns it, at one time.

    Attributes:
        now: this fabric's time, Unix seconds.
        fabric: this deployment.
        channel: the message's channel.
        opened: whether the destination's end of it is open, by a final event.
        ending: the final event by which the message was delivered or expired.
        source: the sending ledger.
        destination: the receiving ledger.
        bindings: those of the channel's ends, of those that are in force here.
        outcome: what running the present attempt gave, None before it was stored.
        work: how far the outbox row that it waits for has come, None before there is one.
    """

    now: int
    fabric: FabricId
    channel: Channel
    opened: bool
    ending: MailEvent | None
    source: Side
    destination: Side
    bindings: Mapping[BindingVersion, Binding]
    outcome: Outcome | None = None
    work: Progress | None = None

    def end(self, place: DestinationId) -> End:
        """Returns the channel's end on one of its two ledgers."""
        end = self.channel.end_at(place)
        if end is None:
            raise ValueError(f"channel {self.channel.id.hex()} has no end on {place.hex()}")
        return end

    def sides(self, leg: Leg) -> tuple[Side, Side]:
        """Returns the ledger that takes a leg's record, and the one whose event it rests on."""
        return (self.destination, self.source) if leg.is_delivery else (self.source, self.destination)

    def invocation(self, row: MessageRow, passage: Passage) -> InvocationId | None:
        """Returns the invocation of an attempt that is under way, None where none is."""
        return invocation_of(self.fabric, row.message, passage)


def invocation_of(fabric: FabricId, message: Message, passage: Passage) -> InvocationId | None:
    """Returns the invocation of an attempt that is under way, None where none is; known before it runs."""
    leg = LEGS.get(passage.state)
    if leg is None or leg.running is not passage.state:
        return None
    return invocation_id(fabric, caller_account(RELAY_CALLER), leg.key(message, passage.attempt))


@dataclass(frozen=True)
class Carry:
    """Run the relay cryptlet for one message.

    Attributes:
        leg: which of its methods.
        binding: under which binding.
        attempt: number of the attempt.
    """

    leg: Leg
    binding: Binding
    attempt: int


@dataclass(frozen=True)
class Turn:
    """What becomes of a message in one turn.

    Attributes:
        passage: what is stored of it.
        carry: what is to be run once that is stored, None where nothing is.
        tombstone: work for the destination, stored with it.
    """

    passage: Passage
    carry: Carry | None = None
    tombstone: Tombstone | None = None
