"""Delivered xor expired, as a state machine: two ledgers, a carrier without scruples, and clocks that do as they like.

The carrier may do anything the rules let anyone do, in any order and as often as it likes, with records that an honest
enclave would make: of what a ledger's final events show, and of nothing else.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from fabric.core.ids import (
    NOBODY,
    Account,
    BatchId,
    BindingVersion,
    FabricId,
    InvocationId,
    Measurement,
    MessageId,
    intent_id,
    method_word,
    sha256,
)
from fabric.ledger.rules.batches import find_batch
from fabric.ledger.rules.engine import apply
from fabric.ledger.rules.entries import BatchEntry, batch_entry
from fabric.ledger.rules.events import Acknowledged, ChannelOpened, Delivered, Event, Expired, Sent
from fabric.ledger.rules.mailbox import find_message, mailbox_account
from fabric.ledger.rules.mailbox_entries import MessageState
from fabric.ledger.rules.operations import Acknowledge, Deliver, Expire, OpenChannel, Operation, Send
from fabric.ledger.rules.state import Context, DictState, Genesis
from fabric.ledger.rules.violations import RuleViolation
from fabric.trust.batch import header_of
from fabric.trust.destination import Destination
from fabric.trust.letter import Acknowledgement, Delivery
from fabric.trust.message import ACKNOWLEDGE, DELIVER, Channel, End, Ending, Message, Shown
from fabric.trust.record import Record
from fabric.trust.schemes import ED25519

SENDER, RECIPIENT = Account(sha256(b"sender")), Account(sha256(b"recipient"))
BINDING = BindingVersion(sha256(b"binding"))
INDEXED = (ChannelOpened, Sent, Delivered, Expired)
LIFE = 100
"""Seconds for which a message may be delivered."""


class Side:
    """One ledger: its state, its clock, what it told."""

    def __init__(self, name: str) -> None:
        settlement = sha256(name.encode(), b"settlement")
        place = Destination("native", sha256(b"chain"), sha256(b"genesis"), settlement, sha256(name.encode()))
        self.genesis = Genesis(place, (), 1, ED25519)
        self.state = DictState()
        self.time = 1_000
        self.told: list[Event] = []

    def do(self, operation: Operation, sender: Account = NOBODY) -> bool:
        """Carries it out; says whether it was accepted."""
        try:
            events = apply(self.genesis, self.state, Context(self.time, sender), operation)
        except RuleViolation:
            return False
        self.told += events
        return True


class Mailboxes(RuleBasedStateMachine):
    messages = Bundle("messages")
    letters = Bundle("letters")

    @initialize(recipient_opens=st.booleans())
    def open(self, *, recipient_opens: bool) -> None:
        self.source, self.destination = Side("source"), Side("destination")
        self.channel = Channel.between(
            End(self.source.genesis.destination.id, SENDER, BINDING, Shown.PROVEN),
            End(self.destination.genesis.destination.id, RECIPIENT, BINDING, Shown.PROVEN),
            bytes(32),
        )
        self.sent = 0
        self.attempts = 0
        assert self.source.do(OpenChannel(self.channel), SENDER)
        if recipient_opens:
            assert self.destination.do(OpenChannel(self.channel), RECIPIENT)

    @rule(target=messages)
    def send(self) -> Message:
        message = Message(
            channel=self.channel.id,
            source=self.source.genesis.destination.id,
            destination=self.destination.genesis.destination.id,
            sender=SENDER,
            recipient=RECIPIENT,
            sequence=self.sent,
            expiry=max(self.source.time, self.destination.time) + LIFE,
            body=sha256(b"body"),
        )
        assert self.source.do(Send(message, b"body"), SENDER)
        self.sent += 1
        return message

    @rule(message=messages)
    def repeat_send(self, message: Message) -> None:
        assert self.source.do(Send(message, b"body"), SENDER)

    @rule(target=letters, message=messages)
    def make_delivery(self, message: Message) -> Deliver:
        letter = Delivery(Shown.PROVEN, message, b"body")
        record, batch = self._settled(self.destination, letter, DELIVER)
        return Deliver(record, letter, batch, 0, ())

    @rule(letter=letters)
    def deliver(self, letter: Deliver) -> None:
        self.destination.do(letter)

    @rule(letter=consumes(letters))
    def deliver_for_the_last_time(self, letter: Deliver) -> None:
        self.destination.do(letter)

    @rule(message=messages)
    def expire(self, message: Message) -> None:
        self.destination.do(Expire(message))

    @rule(message=messages, told=st.sampled_from(Ending))
    def acknowledge(self, message: Message, told: Ending) -> None:
        """An enclave makes an acknowledgement only of what the destination told."""
        if message.id not in self._told_of(told):
            return
        letter = Acknowledgement(Shown.PROVEN, told, self.destination.time, message, b"")
        record, batch = self._settled(self.source, letter, ACKNOWLEDGE)
        self.source.do(Acknowledge(record, letter, batch, 0, ()))

    @rule(seconds=st.integers(-LIFE, 3 * LIFE), at_source=st.booleans())
    def let_time_pass(self, *, seconds: int, at_source: bool) -> None:
        """A clock that leaps back, too: no refund may rest on it."""
        side = self.source if at_source else self.destination
        side.time = max(1_000, side.time + seconds)

    @invariant()
    def delivered_xor_expired(self) -> None:
        delivered, expired = self._told_of(Ending.DELIVERED), self._told_of(Ending.EXPIRED)
        assert len(set(delivered)) == len(delivered)
        assert len(set(expired)) == len(expired)
        assert not set(delivered) & set(expired)

    @invariant()
    def refunded_only_what_expired(self) -> None:
        ends = [event for event in self.source.told if isinstance(event, Acknowledged)]
        assert len({event.message for event in ends}) == len(ends)
        for event in ends:
            assert event.message in self._told_of(event.ending)
            stored = find_message(self.source.state, event.message)
            assert stored is not None
            assert stored.state is not MessageState.SENT

    @invariant()
    def events_are_counted_without_gaps(self) -> None:
        for side in (self.source, self.destination):
            indexes = [event.index for event in side.told if isinstance(event, INDEXED)]
            assert indexes == list(range(len(indexes)))

    @invariant()
    def sequences_are_counted_without_gaps(self) -> None:
        sequences = [event.message.sequence for event in self.source.told if isinstance(event, Sent)]
        assert sequences == list(range(self.sent))

    def _told_of(self, ending: Ending) -> list[MessageId]:
        kind = Delivered if ending is Ending.DELIVERED else Expired
        return [event.message.id for event in self.destination.told if isinstance(event, kind)]

    def _settled(self, side: Side, letter: Delivery | Acknowledgement, method: str) -> tuple[Record, BatchId]:
        """Returns a record of a letter, anchored as a settled batch of its own."""
        self.attempts += 1
        invocation = InvocationId(sha256(b"invocation", self.attempts.to_bytes(8, "big")))
        digest, place = sha256(b"whatever"), side.genesis.destination.id
        record = Record(
            fabric=FabricId(digest),
            destination=place,
            recipient=mailbox_account(side.genesis),
            measurement=Measurement(digest),
            binding=BINDING,
            method=method_word(method),
            caller=Account(digest),
            invocation=invocation,
            intent=intent_id(invocation, place),
            input=digest,
            output=digest,
            payload=sha256(letter.encoded),
            statement=digest,
            state_version=0,
            as_of=1_000,
            not_after=10_000_000,
        )
        header = header_of([record], epoch=1)
        if find_batch(side.state, header.batch_id) is None:
            entry = BatchEntry(1, header.root, side.time, digest)
            side.state.put(batch_entry(header.batch_id), entry.encoded)
        return record, header.batch_id


TestMailboxes = Mailboxes.TestCase
TestMailboxes.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
