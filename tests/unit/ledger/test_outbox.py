"""The state machine of work: every answer in every state."""

from dataclasses import replace

import pytest

from fabric.core import canonical
from fabric.core.ids import DestinationId
from fabric.ledger import outbox
from fabric.ledger.outbox import MAX_PASSING_ATTEMPTS
from fabric.ledger.port import Observation, Phase, Receipt, Submission
from fabric.store.values import Progress, WorkState

NEW = Progress()
PREPARED = outbox.prepared(NEW, Submission(b"bytes", "0x1"))
SUBMITTED = outbox.sent(PREPARED)
RECEIPT = Receipt(DestinationId(bytes(32)), "block 1", 1, 7, {"a": 1}, {"gas": 21_000})
INCLUDED = outbox.observed(SUBMITTED, Observation(Phase.INCLUDED, RECEIPT), 0, b"")
SEED = b"seed"
ASKED = pytest.mark.parametrize("before", [PREPARED, SUBMITTED, INCLUDED], ids=lambda one: one.state)


def see(before: Progress, phase: Phase, reason: str = "", now: int = 0) -> Progress:
    receipt = RECEIPT if phase in {Phase.INCLUDED, Phase.FINAL} else None
    return outbox.observed(before, Observation(phase, receipt, reason), now, SEED)


def test_a_submission_is_kept_as_it_was_prepared() -> None:
    assert (PREPARED.state, PREPARED.submission, PREPARED.locator) == (WorkState.PREPARED, b"bytes", "0x1")
    assert outbox.submission_of(PREPARED) == Submission(b"bytes", "0x1")
    assert outbox.submission_of(NEW) is None


@ASKED
def test_absent_work_is_to_be_sent_again_with_the_same_bytes(before: Progress) -> None:
    after = see(before, Phase.ABSENT)
    assert (after.state, after.submission) == (WorkState.PREPARED, b"bytes")
    assert (after.attempts, after.receipt) == (before.attempts + 1, None)


def test_absence_is_counted_once_for_each_sending() -> None:
    waiting = replace(PREPARED, attempts=9, next_attempt=100)
    assert see(waiting, Phase.ABSENT, now=99) == waiting
    assert see(waiting, Phase.ABSENT, now=100).attempts == 10
    assert see(replace(waiting, state=WorkState.SUBMITTED), Phase.ABSENT, now=99).attempts == 10


@ASKED
def test_pending_work_waits(before: Progress) -> None:
    after = see(before, Phase.PENDING)
    assert (after.state, after.submission, after.receipt) == (WorkState.SUBMITTED, b"bytes", None)


@ASKED
@pytest.mark.parametrize("phase", [Phase.INCLUDED, Phase.FINAL])
def test_an_effect_comes_with_its_receipt(before: Progress, phase: Phase) -> None:
    after = see(before, phase)
    assert after.state == phase.value
    assert after.receipt is not None
    assert canonical.decode(after.receipt) == {
        "cost": {"gas": 21_000},
        "locator": "block 1",
        "material": {"a": 1},
        "position": 1,
        "time": 7,
    }


@ASKED
def test_lost_work_is_prepared_anew(before: Progress) -> None:
    after = see(before, Phase.LOST, "nonce 1 was used")
    assert (after.state, after.submission, after.locator) == (WorkState.NEW, None, None)
    assert (after.attempts, after.reason) == (before.attempts + 1, "nonce 1 was used")


@ASKED
def test_refused_work_stays_for_a_person(before: Progress) -> None:
    after = see(before, Phase.REFUSED, "WrongEpoch: 1")
    assert (after.state, after.reason, after.submission) == (WorkState.REFUSED, "WrongEpoch: 1", b"bytes")


@pytest.mark.parametrize("reason", ["NotSettled", "UnknownKey: signing key ff", "NotYetValid(12)"])
def test_a_refusal_that_may_pass_is_tried_again_so_many_times(reason: str) -> None:
    progress = see(SUBMITTED, Phase.REFUSED, reason)
    assert progress.state is WorkState.NEW
    tired = replace(SUBMITTED, attempts=MAX_PASSING_ATTEMPTS)
    assert see(tired, Phase.REFUSED, reason).state is WorkState.REFUSED


def test_each_attempt_waits_longer_and_no_longer_than_the_limit() -> None:
    progress, waits = NEW, []
    for _ in range(20):
        progress = outbox.put_off(progress, "no relayer", 1_000, SEED)
        waits.append(progress.next_attempt - 1_000)
    assert waits[0] == 0
    assert 15 <= max(waits[-5:]) <= 30
    assert progress.reason == "no relayer"


@pytest.mark.parametrize("before", [NEW, see(SUBMITTED, Phase.FINAL), see(SUBMITTED, Phase.REFUSED, "no")])
def test_only_what_was_prepared_is_observed(before: Progress) -> None:
    with pytest.raises(ValueError, match="expected work that is prepared or submitted or included"):
        see(before, Phase.PENDING)


def test_only_new_work_is_prepared_and_only_prepared_work_is_sent() -> None:
    with pytest.raises(ValueError, match="expected work that is new"):
        outbox.prepared(SUBMITTED, Submission(b"", ""))
    with pytest.raises(ValueError, match="expected work that is prepared"):
        outbox.sent(SUBMITTED)
