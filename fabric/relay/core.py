"""The state machine of one message: pure, time as an argument (docs/spec/relay.md).

``sent -> delivering -> delivered -> acknowledging -> acknowledged``, or ``sent | delivering -> expiring -> expired ->
acknowledging -> refunded``. What happened is said by the ledgers' final events, never by our own outbox alone: another
may have delivered, expired or acknowledged. Three questions in this order: ``confirm``, what do the ledgers say;
``submit``, what became of what we sent; ``prepare``, what is to be sent next.
"""

from dataclasses import replace
from typing import Final

from fabric.core.backoff import delay_seconds
from fabric.core.errors import Refused
from fabric.core.ids import intent_id
from fabric.core.model import Failure
from fabric.ledger.outbox import rule_of
from fabric.ledger.port import Expire
from fabric.ledger.rules.violations import Code
from fabric.relay.model import BEFORE_END, DELIVERY, LEGS, Carry, Facts, Leg, Turn
from fabric.relay.obstacles import Obstacle, halt_of, obstacle_of
from fabric.relay.reasons import MAX_REVERTS, MEANINGS
from fabric.store.mail import ENDED, NEVER, MessageRow, MessageState, Passage, Reason, Tombstone
from fabric.store.values import Progress, WorkState

RECHECK_SECONDS: Final = 60
"""A message is looked at so often whatever happens: a ledger's clock may run ahead of ours."""
FLIGHT_SECONDS: Final = 10
"""The same for one whose record is on its way: what holds a ledger up rings no bell."""
_SCALE: Final = 20
"""Times the backoff of the outbox: from one second to ten minutes."""
_HAVE_ENDED: Final = (MessageState.DELIVERED, MessageState.EXPIRED)
_DEPENDENT: Final = "what it depends on was refused"

REVERTED: Final = frozenset(leg.reverted for leg in LEGS.values())
"""Reasons that the account at the end of a leg gives."""

_FAILURES: Final = {
    "source-refused": Reason.SOURCE_REFUSED,
    "not-found": Reason.NO_BUNDLE,
    "unauthorized": Reason.CALLER_NOT_NAMED,
    "ledger-unavailable": Reason.NO_PROOF,
    "malformed": Reason.RELAY_REFUSED,
    "oversize": Reason.PROOF_TOO_LONG,
}
"""Codes of what became of an attempt. Any other is the cryptlet's where it is stored, and want of an enclave's else."""
_RULES: Final = {
    Code.RECORD_EXPIRED: Reason.RECORD_EXPIRED,
    Code.MESSAGE_EXPIRED: Reason.MESSAGE_EXPIRED,
    Code.CHANNEL_NOT_OPEN: Reason.CHANNEL_NOT_OPEN,
    Code.ASSERTED_SOURCE: Reason.ASSERTED_NOT_ACCEPTED,
    Code.MESSAGE_CLOSED: Reason.CLOSED_OTHERWISE,
    Code.NOT_SETTLED: Reason.SETTLEMENT_REFUSED,
    Code.UNKNOWN_KEY: Reason.SETTLEMENT_REFUSED,
    Code.NOT_YET_VALID: Reason.SETTLEMENT_REFUSED,
}


def advance(row: MessageRow, facts: Facts) -> Turn:
    """Returns what becomes of a message by all that is known of it."""
    if halt := halt_of(facts):
        # What was final on a ledger may be gone from it: nothing is believed and nothing is sent.
        # That its work moved is noted, or the row would stay due and keep others from their turn.
        seen = facts.work.state if facts.work else row.passage.seen
        return _timed(row, facts, Turn(replace(_waiting(row.passage, halt), seen=seen)))
    confirmed = confirm(row, facts)
    if confirmed.state is not row.passage.state:
        # An entry of its own in the trace, and the next turn at once.
        return Turn(replace(confirmed, due=NEVER if confirmed.state in ENDED else facts.now))
    return _timed(row, facts, prepare(row, submit(row, confirmed, facts), facts))


def confirm(row: MessageRow, facts: Facts) -> Passage:
    """Returns the passage as the ledgers' final events leave it."""
    passage, told = row.passage, _told(facts)
    if passage.state in {*BEFORE_END, MessageState.EXPIRING, *_HAVE_ENDED}:
        if passage.state is told or (told is None and passage.state not in _HAVE_ENDED):
            return passage
        # An ending that is gone was taken back by a reorg beyond finality, after which somebody resumed the ledger.
        return Passage(told or MessageState.SENT)
    if passage.state is MessageState.ACKNOWLEDGING and told is None:
        return Passage()
    is_done = facts.work is not None and facts.work.state is WorkState.FINAL
    if passage.state is MessageState.ACKNOWLEDGING and is_done:
        is_delivered = told is MessageState.DELIVERED
        return Passage(MessageState.ACKNOWLEDGED if is_delivered else MessageState.REFUNDED, attempt=passage.attempt)
    return passage


def submit(row: MessageRow, passage: Passage, facts: Facts) -> Passage:
    """Returns a confirmed passage as the attempt under way leaves it: what it gave, what the ledger made of that."""
    if passage.state is MessageState.EXPIRING:
        return _tombstone_left(row, passage, facts)
    leg = LEGS.get(passage.state)
    if leg is None or leg.running is not passage.state or facts.outcome is None:
        return passage
    if facts.outcome.failure:
        return _failed(row, passage, facts, (_reason_of(facts.outcome.failure), facts.outcome.failure.message))
    if facts.work is None:
        return _failed(row, passage, facts, (Reason.BINDING_UNFIT, "its record is delivered to nobody"))
    if facts.work.state is WorkState.REFUSED:
        return _failed(row, passage, facts, (_refusal(leg, facts.work.reason), facts.work.reason))
    return _in_flight(passage, facts.work, facts, leg)


def missed(row: MessageRow, failure: Failure, now: int) -> Passage:
    """Returns the passage of an attempt that gave no result: it is made again under the same key, if not at once."""
    passage = row.passage
    reason = _FAILURES.get(failure.code, Reason.NO_CAPACITY)
    waiting = _again(row, replace(passage, reason=reason, detail=failure.message), now)
    return replace(waiting, due=min(waiting.not_before, now + RECHECK_SECONDS))


def prepare(row: MessageRow, passage: Passage, facts: Facts) -> Turn:
    """Returns what is to be run or enqueued next, once the passage is stored; ``passage`` is after ``submit``."""
    if passage.state in BEFORE_END and _is_over(row, facts):
        work = Expire(row.message).work_id
        expiring = Passage(MessageState.EXPIRING, Reason.ON_ITS_WAY, work=work)
        return Turn(expiring, tombstone=Tombstone(row.seq, row.message.destination, work))
    leg = LEGS.get(passage.state)
    if leg is None or (leg.running is passage.state and facts.outcome is not None):
        return Turn(passage)
    found = obstacle_of(leg, row.message, facts)
    if isinstance(found, Obstacle):
        return Turn(_waiting(passage, found))
    if facts.now < passage.not_before:
        return Turn(passage)
    attempt = passage.attempt if leg.running is passage.state else passage.attempt + 1
    return _begin(row, replace(passage, attempt=attempt), facts, Carry(leg, found, attempt))


def retried(passage: Passage) -> Passage:
    """Returns the passage of a message for which a person asks for another attempt, now.

    Raises:
        Refused: it has ended, or what would be sent is on its way already.
    """
    if passage.state in ENDED:
        raise Refused(f"it is {passage.state} for good; nothing is left to do")
    if passage.seen:
        raise Refused(f"it is {passage.state} and {passage.reason}: what would be sent again is with the ledger")
    return replace(passage, tries=0, reverts=0, not_before=0, due=0)


def _begin(row: MessageRow, passage: Passage, facts: Facts, carry: Carry) -> Turn:
    started = replace(passage, state=carry.leg.running, reason=Reason.RUNNING, detail="", not_before=0, seen="")
    invocation = facts.invocation(row, started)
    work = intent_id(invocation, carry.leg.acts(row.message)) if invocation else None
    return Turn(replace(started, work=work), carry)


def _is_over(row: MessageRow, facts: Facts) -> bool:
    side = facts.destination
    return side.destination is not None and side.time is not None and side.time > row.message.expiry


def _tombstone_left(row: MessageRow, passage: Passage, facts: Facts) -> Passage:
    work = facts.work
    if work is None or work.state is not WorkState.REFUSED:
        return passage if work is None else _in_flight(passage, work, facts, DELIVERY)
    if rule_of(work.reason) == Code.MESSAGE_DELIVERED:
        # Delivered after all: the event that says so becomes final.
        detail = "it was delivered before its tombstone"
        return replace(passage, reason=Reason.WAITING_FOR_FINALITY, detail=detail, seen=work.state)
    reason = Reason.MESSAGE_EXPIRED if rule_of(work.reason) == Code.NOT_YET_EXPIRED else Reason.REFUSED_BY_RULES
    failed = replace(passage, state=MessageState.SENT, reason=reason, detail=work.reason, work=None, seen="")
    return _later(row, failed, facts.now)


def _in_flight(passage: Passage, work: Progress, facts: Facts, leg: Leg) -> Passage:
    if work.state in (WorkState.INCLUDED, WorkState.FINAL):
        reason, detail = Reason.WAITING_FOR_FINALITY, ""
    else:
        trouble = (facts.destination if leg.is_delivery else facts.source).trouble
        is_dear = trouble is not None and trouble.code == "fees-above-cap"
        reason = Reason.FEES_ABOVE_CAP if is_dear and work.state is WorkState.NEW else Reason.ON_ITS_WAY
        detail = work.reason or (trouble.text if trouble else "")
    return replace(passage, reason=reason, detail=detail, seen=work.state)


def _failed(row: MessageRow, passage: Passage, facts: Facts, why: tuple[Reason, str]) -> Passage:
    """Ends an attempt; the next one is another invocation, later, or when a person asks for it."""
    before = MessageState.SENT if passage.state is MessageState.DELIVERING else _told(facts) or MessageState.SENT
    reverts = passage.reverts + (why[0] in REVERTED)
    ended = replace(passage, state=before, reason=why[0], detail=why[1], work=None, seen="", reverts=reverts)
    return _again(row, ended, facts.now)


def _told(facts: Facts) -> MessageState | None:
    """Returns how the destination says that the message ended, None where it does not."""
    return MessageState(facts.ending.kind.value) if facts.ending else None


def _again(row: MessageRow, passage: Passage, now: int) -> Passage:
    """Returns a passage whose next attempt comes in its time, or when a person asks where time alone does not help.

    An account that goes on refusing would spend the relayer's money for ever.
    """
    is_refused_for_good = passage.reason in REVERTED and passage.reverts >= MAX_REVERTS
    if is_refused_for_good or not MEANINGS[passage.reason].passes:
        return replace(passage, tries=passage.tries + 1, not_before=NEVER)
    return _later(row, passage, now)


def _later(row: MessageRow, passage: Passage, now: int) -> Passage:
    tries = passage.tries + 1
    seconds = max(1, int(_SCALE * delay_seconds(tries, row.message.id)))
    return replace(passage, tries=tries, not_before=now + seconds)


def _waiting(passage: Passage, obstacle: Obstacle) -> Passage:
    if passage.not_before == NEVER:
        return passage  # it waits for a person anyhow, who needs to know why
    # What it waited for before is not looked at while something stands in the way, and need not be afterwards.
    return replace(passage, reason=obstacle.reason, detail=obstacle.detail, not_before=0)


def _reason_of(failure: Failure) -> Reason:
    return _FAILURES.get(failure.code, Reason.CRYPTLET_FAILED)


def _refusal(leg: Leg, text: str) -> Reason:
    """Returns the reason of a ledger's refusal, which begins with its rule; any other is the account's own."""
    if text.startswith(_DEPENDENT):
        return Reason.SETTLEMENT_REFUSED
    rule = rule_of(text)
    if rule not in set(Code):
        return leg.reverted
    return _RULES.get(Code(rule), Reason.REFUSED_BY_RULES)


def _timed(row: MessageRow, facts: Facts, turn: Turn) -> Turn:
    """Adds when the message is looked at next."""
    return replace(turn, passage=replace(turn.passage, due=_due(row, facts, turn)))


def _due(row: MessageRow, facts: Facts, turn: Turn) -> int:
    passage, now = turn.passage, facts.now
    if turn.carry:
        return now
    times = [now + (FLIGHT_SECONDS if passage.work else RECHECK_SECONDS)]
    if passage.not_before > now:
        times.append(passage.not_before)
    if passage.state in BEFORE_END and facts.destination.destination:
        times.append(max(row.message.expiry, now) + 1)
    return min(times)
