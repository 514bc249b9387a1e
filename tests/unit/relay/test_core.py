"""What stands in the way is found before anything is run, and named with who must act."""

from dataclasses import replace
from typing import Any

import pytest

from fabric.core.errors import Refused
from fabric.core.ids import BindingVersion, DestinationId, MessageId, sha256
from fabric.core.model import Failure, Outcome
from fabric.relay.core import advance, missed, retried
from fabric.relay.model import ACKNOWLEDGEMENT, DELIVERY, Facts, Side, Trouble
from fabric.relay.obstacles import Obstacle, obstacle_of
from fabric.relay.reasons import MEANINGS, Party, party_of, sentence
from fabric.store.mail import ENDED, NEVER, MailEvent, MailKind, MessageRow, MessageState, Passage, Reason
from fabric.store.values import Progress, WorkState
from fabric.trust.binding import Binding
from fabric.trust.message import Channel, End, Message, Shown
from tests.support.batches import FABRIC, NOW, destination
from tests.support.relays import DESTINATION, RECIPIENT, SENDER, SOURCE, relay_binding, route, source

BACK, FORTH = relay_binding(SOURCE, DESTINATION), relay_binding(DESTINATION, SOURCE)


def channel_of(back: Binding = BACK, forth: Binding = FORTH, accepts: Shown = Shown.ASSERTED) -> Channel:
    own = End(SOURCE.id, SENDER, back.version, accepts)
    return Channel.between(own, End(DESTINATION.id, RECIPIENT, forth.version, accepts), bytes(32))


def message_of(channel: Channel) -> Message:
    return Message(channel.id, SOURCE.id, DESTINATION.id, SENDER, RECIPIENT, 0, NOW + 100, sha256(b"body"))


FRESH = Passage()


def row_of(passage: Passage = FRESH) -> MessageRow:
    return MessageRow(1, message_of(channel_of()), passage, 0, NOW, NOW)


def facts_of(channel: Channel | None = None, **changes: object) -> Facts:
    usual = Facts(
        now=NOW,
        fabric=FABRIC,
        channel=channel or channel_of(),
        opened=True,
        ending=None,
        source=Side(SOURCE, time=NOW, asserted=True),
        destination=Side(DESTINATION, time=NOW, asserted=True),
        bindings={BACK.version: BACK, FORTH.version: FORTH},
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def ending(kind: MailKind = MailKind.DELIVERED) -> MailEvent:
    return MailEvent(DESTINATION.id, 1, kind, message_of(channel_of()), b"", NOW, 7, "block 7")


def test_nothing_stands_in_the_way() -> None:
    message = message_of(channel_of())
    assert obstacle_of(DELIVERY, message, facts_of()) == FORTH
    assert obstacle_of(ACKNOWLEDGEMENT, message, facts_of()) == BACK


@pytest.mark.parametrize(
    ("changes", "reason", "text"),
    [
        ({"destination": Side()}, Reason.NOT_RELAYED_HERE, DESTINATION.id.hex()),
        ({"source": Side()}, Reason.NOT_RELAYED_HERE, SOURCE.id.hex()),
        ({"opened": False}, Reason.CHANNEL_NOT_OPEN, "open on its source only"),
        ({"bindings": {}}, Reason.NO_BINDING, FORTH.version.hex()),
    ],
    ids=["no destination", "no source", "not open", "no binding"],
)
def test_what_is_missing_is_named(changes: dict[str, Any], reason: Reason, text: str) -> None:
    found = obstacle_of(DELIVERY, message_of(channel_of()), facts_of(**changes))
    assert isinstance(found, Obstacle)
    assert found.reason is reason
    assert text in found.detail


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"callers": ["local"]}, Reason.CALLER_NOT_NAMED),
        ({"methods": ["acknowledge"]}, Reason.BINDING_UNFIT),
        ({"sources": []}, Reason.BINDING_UNFIT),
        ({"sources": [source(destination("c"))]}, Reason.BINDING_UNFIT),
        ({"destinations": [route(SOURCE)]}, Reason.BINDING_UNFIT),
        ({"destinations": [route(DESTINATION, consume=False)]}, Reason.BINDING_UNFIT),
        ({"destinations": [route(DESTINATION, recipient=RECIPIENT.hex())]}, Reason.BINDING_UNFIT),
        ({"destinations": [route(DESTINATION, codec={"kind": "json"})]}, Reason.BINDING_UNFIT),
        ({"sources": [source(SOURCE, accept_asserted=False)]}, Reason.ASSERTED_NOT_ACCEPTED),
    ],
    ids=["caller", "method", "no source", "other source", "route", "consume", "recipient", "codec", "asserted"],
)
def test_a_binding_that_does_not_serve_is_named(changes: dict[str, Any], reason: Reason) -> None:
    bound = relay_binding(DESTINATION, SOURCE, **changes)
    channel = channel_of(forth=bound)
    found = obstacle_of(DELIVERY, message_of(channel), facts_of(channel, bindings={bound.version: bound}))
    assert isinstance(found, Obstacle)
    assert found.reason is reason
    assert party_of(MessageState.SENT, reason) is Party.CHANNEL_PARTIES


def test_a_channel_that_takes_proven_events_alone_gets_no_asserted_ones() -> None:
    channel = channel_of(accepts=Shown.PROVEN)
    found = obstacle_of(DELIVERY, message_of(channel), facts_of(channel))
    assert isinstance(found, Obstacle)
    assert found.reason is Reason.ASSERTED_NOT_ACCEPTED
    proven = facts_of(channel, source=Side(SOURCE, time=NOW))
    assert obstacle_of(DELIVERY, message_of(channel), proven) == FORTH


def test_an_attempt_that_begins_names_its_work_before_it_runs() -> None:
    turn = advance(row_of(), facts_of())
    assert turn.carry is not None
    assert (turn.passage.state, turn.passage.reason, turn.passage.attempt) == ("delivering", "running", 1)
    assert (turn.passage.work is not None, turn.passage.due) == (True, NOW)
    again = advance(row_of(turn.passage), facts_of())
    assert again.carry == turn.carry  # a crash in between costs no number
    assert again.passage.work == turn.passage.work


def test_an_ending_counts_whoever_brought_it_about() -> None:
    for state in (MessageState.SENT, MessageState.DELIVERING, MessageState.EXPIRING):
        for kind in (MailKind.DELIVERED, MailKind.EXPIRED):
            turn = advance(row_of(Passage(state, attempt=3)), facts_of(ending=ending(kind)))
            assert (turn.passage.state, turn.passage.attempt, turn.carry) == (kind.value, 0, None)


def test_an_ending_that_was_taken_back_is_believed_no_longer() -> None:
    for state in (MessageState.DELIVERED, MessageState.EXPIRED, MessageState.ACKNOWLEDGING):
        turn = advance(row_of(Passage(state, attempt=3, work=b"w" * 32)), facts_of())
        assert (turn.passage.state, turn.passage.attempt, turn.passage.due) == ("sent", 0, NOW)
    other = advance(row_of(Passage(MessageState.DELIVERED)), facts_of(ending=ending(MailKind.EXPIRED)))
    assert other.passage.state == "expired"


def test_nothing_is_believed_of_a_halted_route() -> None:
    facts = facts_of(ending=ending(), source=Side(SOURCE, halted="a reorg of 9 blocks"))
    turn = advance(row_of(), facts)
    assert (turn.passage.state, turn.passage.reason, turn.carry) == ("sent", "ledger-halted", None)


def test_time_is_the_destinations() -> None:
    late = facts_of(now=NOW + 500)  # our clock is ahead
    assert advance(row_of(), late).passage.state == "delivering"
    over = facts_of(destination=Side(DESTINATION, time=NOW + 101))
    turn = advance(row_of(), over)
    assert (turn.passage.state, turn.tombstone is not None) == ("expiring", True)
    last = facts_of(destination=Side(DESTINATION, time=NOW + 100))
    assert advance(row_of(), last).tombstone is None
    silent = facts_of(now=NOW + 500, destination=Side(DESTINATION, time=None))
    assert advance(row_of(), silent).tombstone is None


def test_a_message_that_waits_is_looked_at_when_it_expires() -> None:
    turn = advance(row_of(), facts_of(opened=False, now=NOW + 90))
    assert turn.passage.due == NOW + 101
    late = advance(row_of(), facts_of(opened=False, now=NOW + 200))
    assert late.passage.due == NOW + 201  # until the ledger's time follows


def test_a_failure_that_stands_ends_the_attempt() -> None:
    running = Passage(MessageState.DELIVERING, Reason.RUNNING, attempt=1, work=b"w" * 32)
    for code, reason in (
        ("source-refused", Reason.SOURCE_REFUSED),
        ("cryptlet-raised", Reason.CRYPTLET_FAILED),
        ("unauthorized", Reason.CALLER_NOT_NAMED),
        ("malformed", Reason.RELAY_REFUSED),
        ("anything", Reason.CRYPTLET_FAILED),
    ):
        outcome = Outcome(sha256(b"i"), None, Failure(code, "no"))  # type: ignore[arg-type]
        passage = advance(row_of(running), facts_of(outcome=outcome)).passage
        assert (passage.state, passage.reason, passage.attempt, passage.work) == ("sent", reason, 1, None)
        assert passage.not_before > NOW


def test_what_a_relay_refuses_is_not_asked_again_but_expires() -> None:
    running = Passage(MessageState.DELIVERING, Reason.RUNNING, attempt=1, work=b"w" * 32)
    outcome = Outcome(sha256(b"i"), None, Failure("malformed", "too high"))  # type: ignore[arg-type]
    passage = advance(row_of(running), facts_of(outcome=outcome)).passage
    assert (passage.reason, passage.not_before, passage.due) == (Reason.RELAY_REFUSED, NEVER, NOW + 60)
    over = facts_of(now=NOW + 102, destination=Side(DESTINATION, time=NOW + 101))
    assert advance(row_of(passage), over).tombstone is not None


def test_a_proof_that_is_too_long_has_a_reason_of_its_own_and_waits_for_a_person() -> None:
    running = Passage(MessageState.ACKNOWLEDGING, Reason.RUNNING, attempt=1, work=b"w" * 32)
    failure = Failure("oversize", "input: at most 9 bytes, got 10")
    stored = advance(row_of(running), facts_of(outcome=Outcome(sha256(b"i"), None, failure), ending=ending())).passage  # type: ignore[arg-type]
    not_run = missed(row_of(running), failure, NOW)
    for passage in (stored, not_run):
        assert (passage.reason, passage.not_before, passage.detail) == ("proof-too-long", NEVER, failure.message)
        assert advance(row_of(retried(passage)), facts_of(ending=ending())).carry is not None
    assert MEANINGS[Reason.PROOF_TOO_LONG].party is Party.OPERATOR
    assert "relay retry MSG" in MEANINGS[Reason.PROOF_TOO_LONG].advice


def test_what_was_not_delivered_for_a_proof_that_is_too_long_expires() -> None:
    row = row_of(missed(row_of(Passage(MessageState.DELIVERING, attempt=1)), Failure("oversize", "10"), NOW))
    over = facts_of(now=NOW + 102, destination=Side(DESTINATION, time=NOW + 101))
    assert advance(row, over).tombstone is not None


def test_the_same_attempt_is_made_again_later_where_it_left_nothing() -> None:
    running = Passage(MessageState.DELIVERING, Reason.RUNNING, attempt=4, work=b"w" * 32)
    passage = missed(row_of(running), Failure("no-capacity", "busy"), NOW)
    assert (passage.state, passage.reason, passage.attempt) == ("delivering", "no-capacity", 4)
    waiting = advance(row_of(passage), facts_of())
    assert waiting.carry is None
    turn = advance(row_of(passage), facts_of(now=passage.not_before, destination=Side(DESTINATION, asserted=True)))
    assert turn.carry is not None
    assert turn.passage.attempt == 4


@pytest.mark.parametrize(
    ("text", "reason", "passes"),
    [
        ("RecordExpired: until 3, time is 4", Reason.RECORD_EXPIRED, True),
        ("MessageExpired: at 3", Reason.MESSAGE_EXPIRED, True),
        ("ChannelNotOpen: channel", Reason.CHANNEL_NOT_OPEN, True),
        ("AssertedSource: no", Reason.ASSERTED_NOT_ACCEPTED, False),
        ("WrongBinding(0x12)", Reason.REFUSED_BY_RULES, False),
        ("what it depends on was refused: KeyRetired", Reason.SETTLEMENT_REFUSED, True),
        ("NotSettled: batch", Reason.SETTLEMENT_REFUSED, True),
        ("Paused(1)", Reason.RECIPIENT_REVERTED, True),
        ("", Reason.RECIPIENT_REVERTED, True),
    ],
)
def test_a_refusal_is_understood_by_its_rule(text: str, reason: Reason, passes: bool) -> None:  # noqa: FBT001 - a table
    running = Passage(MessageState.DELIVERING, Reason.ON_ITS_WAY, attempt=2, work=b"w" * 32, seen="submitted")
    work = Progress(WorkState.REFUSED, reason=text)
    facts = facts_of(outcome=Outcome(sha256(b"i"), b"{}"), work=work)  # type: ignore[arg-type]
    passage = advance(row_of(running), facts).passage
    assert (passage.state, passage.reason, passage.seen) == ("sent", reason, "")
    assert (passage.not_before < NEVER) is passes is MEANINGS[reason].passes


def test_a_senders_refusal_is_the_senders() -> None:
    running = Passage(MessageState.ACKNOWLEDGING, Reason.ON_ITS_WAY, attempt=1, work=b"w" * 32)
    facts = facts_of(
        outcome=Outcome(sha256(b"i"), b"{}"),  # type: ignore[arg-type]
        work=Progress(WorkState.REFUSED, reason="Paused"),
        ending=ending(MailKind.EXPIRED),
    )
    passage = advance(row_of(running), facts).passage
    assert (passage.state, passage.reason) == ("expired", "sender-reverted")


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (Progress(WorkState.NEW), Reason.FEES_ABOVE_CAP),
        (Progress(WorkState.PREPARED), Reason.ON_ITS_WAY),
        (Progress(WorkState.SUBMITTED), Reason.ON_ITS_WAY),
        (Progress(WorkState.INCLUDED), Reason.WAITING_FOR_FINALITY),
        (Progress(WorkState.FINAL), Reason.WAITING_FOR_FINALITY),
    ],
    ids=lambda one: str(getattr(one, "state", one)),
)
def test_what_is_on_its_way_says_how_far(work: Progress, reason: Reason) -> None:
    running = Passage(MessageState.DELIVERING, Reason.RUNNING, attempt=1, work=b"w" * 32)
    dear = Side(DESTINATION, time=NOW, trouble=Trouble("fees-above-cap", "fee of 9, the cap is 5"))
    facts = facts_of(outcome=Outcome(sha256(b"i"), b"{}"), work=work, destination=dear)  # type: ignore[arg-type]
    passage = advance(row_of(running), facts).passage
    assert (passage.state, passage.reason, passage.seen) == ("delivering", reason, work.state)


def test_what_waits_for_a_person_is_not_overwritten_by_what_comes_later() -> None:
    stuck = Passage(MessageState.SENT, Reason.REFUSED_BY_RULES, "WrongPayload", attempt=1, not_before=NEVER)
    halted = facts_of(source=Side(SOURCE, halted="a reorg"))
    assert advance(row_of(stuck), halted).passage.reason is Reason.REFUSED_BY_RULES
    assert advance(row_of(stuck), facts_of()).carry is None
    assert advance(row_of(retried(stuck)), facts_of()).carry is not None


def test_what_has_ended_or_is_with_the_ledger_is_not_tried_again() -> None:
    for passage in (*(Passage(state) for state in ENDED), Passage(MessageState.DELIVERING, work=b"w", seen="included")):
        with pytest.raises(Refused):
            retried(passage)


def test_every_reason_has_a_meaning_and_a_party() -> None:
    assert set(MEANINGS) == set(Reason)
    for state in MessageState:
        for reason in Reason:
            assert party_of(state, reason) in Party
            assert sentence(state, reason).startswith(f"it is {state}")
    assert party_of(MessageState.DELIVERING, Reason.NO_PROOF) is Party.SOURCE_LEDGER
    assert party_of(MessageState.ACKNOWLEDGING, Reason.NO_PROOF) is Party.DESTINATION_LEDGER
    assert party_of(MessageState.DELIVERING, Reason.ON_ITS_WAY) is Party.DESTINATION_LEDGER
    assert party_of(MessageState.ACKNOWLEDGING, Reason.ON_ITS_WAY) is Party.SOURCE_LEDGER


def test_an_end_that_a_channel_does_not_have_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no end"):
        facts_of().end(DestinationId(sha256(b"elsewhere")))
    assert facts_of().end(SOURCE.id).binding == BindingVersion(BACK.version)
    assert MessageId(row_of().message.id) == row_of().message.id
