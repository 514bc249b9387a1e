"""The state machine of one piece of work: pure, time as an argument (docs/spec/outbox.md).

``new -> prepared -> submitted -> included -> final | refused``. What was sent is known by the ledger only: a stored
submission is never replaced unless the ledger says that it is lost, and never sent again before the ledger was asked.
"""

from dataclasses import replace
from typing import Final, assert_never

from fabric.core import canonical
from fabric.core.backoff import delay_seconds
from fabric.core.errors import Malformed
from fabric.core.ids import DestinationId
from fabric.ledger.port import Observation, Phase, Receipt, Submission
from fabric.store.values import Progress, WorkState
from fabric.trust.fields import read_integer, read_object, read_text

PASSING: Final = frozenset({"NotSettled", "UnknownKey", "NotYetValid", "NotYetExpired"})
"""Rules whose refusal may pass, since other work or time brings what they ask for. A reason begins with its rule."""
MAX_PASSING_ATTEMPTS: Final = 32
"""With the backoff between them, about ten minutes."""

ORPHANED: Final = frozenset({"UnknownOrigin"})
"""Rules that refuse an answer whose request the ledger does not have; after a reorg it may have it again."""

_RECEIPT: Final = frozenset({"cost", "locator", "material", "position", "time"})
_ASKED: Final = (WorkState.PREPARED, WorkState.SUBMITTED, WorkState.INCLUDED)


def prepared(progress: Progress, submission: Submission) -> Progress:
    """Returns new work with the submission that shall be stored before it is sent."""
    _expect(progress, WorkState.NEW)
    return replace(
        progress,
        state=WorkState.PREPARED,
        submission=submission.data,
        locator=submission.locator,
        reason="",
    )


def sent(progress: Progress, reason: str = "") -> Progress:
    """Returns work whose submission was sent, or may have been, as ``reason`` says."""
    _expect(progress, WorkState.PREPARED)
    return replace(progress, state=WorkState.SUBMITTED, reason=reason)


def put_off(progress: Progress, reason: str, now: int, seed: bytes) -> Progress:
    """Returns new work that cannot be prepared now; it waits longer each time."""
    _expect(progress, WorkState.NEW)
    return _later(replace(progress, reason=reason), now, seed)


def observed(progress: Progress, observation: Observation, now: int, seed: bytes) -> Progress:
    """Returns work as the ledger's answer leaves it.

    Args:
        progress: prepared, submitted or included work.
        observation: the answer.
        now: Unix seconds.
        seed: makes the backoff of different work different, and the same each time.
    """
    _expect(progress, *_ASKED)
    match observation.phase:
        case Phase.ABSENT:
            return _absent(progress, now, seed)
        case Phase.PENDING:
            return replace(progress, state=WorkState.SUBMITTED, receipt=None, reason=observation.reason)
        case Phase.INCLUDED | Phase.FINAL:
            state = WorkState(observation.phase.value)
            receipt = write_receipt(observation.receipt) if observation.receipt else None
            return replace(progress, state=state, receipt=receipt, reason="")
        case Phase.LOST:
            return _anew(progress, observation.reason, now, seed)
        case Phase.REFUSED:
            if _may_pass(progress, observation.reason):
                return _anew(progress, observation.reason, now, seed)
            return replace(progress, state=WorkState.REFUSED, receipt=None, reason=observation.reason)
        case _:
            assert_never(observation.phase)


def if_asked(before: Progress, after: Progress, now: int, seed: bytes) -> Progress | None:
    """Returns what a refused answer comes to where its request is on the ledger after all, else None.

    The refusal was then executed before the request, which a reorg had taken and brought again: it is tried anew.
    """
    is_orphan = after.state is WorkState.REFUSED and rule_of(after.reason) in ORPHANED
    if not is_orphan or before.attempts >= MAX_PASSING_ATTEMPTS:
        return None
    return _anew(before, after.reason, now, seed)


def reopened(progress: Progress, reason: str) -> Progress:
    """Returns final or refused work of which a reorg may have taken effect or refusal: it is asked about again."""
    _expect(progress, WorkState.FINAL, WorkState.REFUSED)
    state = WorkState.NEW if progress.submission is None else WorkState.SUBMITTED
    return replace(progress, state=state, attempts=0, next_attempt=0, receipt=None, reason=reason)


def spoiled(progress: Progress, reason: str) -> Progress:
    """Returns work whose stored body is not its own: refused if new, else left to what may be on its way."""
    state = WorkState.REFUSED if progress.state is WorkState.NEW else progress.state
    return replace(progress, state=state, reason=reason)


def submission_of(progress: Progress) -> Submission | None:
    """Returns the stored submission."""
    if progress.submission is None:
        return None
    return Submission(progress.submission, progress.locator or "")


def write_receipt(receipt: Receipt) -> bytes:
    """Returns a receipt as canonical JSON; the destination stands in its row."""
    return canonical.encode(
        {
            "cost": dict(receipt.cost),
            "locator": receipt.locator,
            "material": receipt.material,
            "position": receipt.position,
            "time": receipt.time,
        }
    )


def rule_of(reason: str) -> str:
    """Returns the name of the rule with which the reason of a refusal begins."""
    return reason.partition(":")[0].partition("(")[0].strip()


def read_receipt(destination: DestinationId, data: bytes) -> Receipt:
    """Reads what ``write_receipt`` writes; raises ``Malformed``."""
    value = read_object(canonical.decode(data, max_bytes=len(data)), _RECEIPT, "stored receipt")
    material, cost = value["material"], value["cost"]
    if not isinstance(material, dict) or not isinstance(cost, dict):
        raise Malformed("stored receipt", "material and cost must be objects")
    return Receipt(
        destination=destination,
        locator=read_text(value["locator"], "stored receipt.locator"),
        position=read_integer(value["position"], "stored receipt.position", 0, canonical.MAX_INTEGER),
        time=read_integer(value["time"], "stored receipt.time", 0, canonical.MAX_INTEGER),
        material=material,
        cost={name: read_integer(one, "stored receipt.cost", 0, canonical.MAX_INTEGER) for name, one in cost.items()},
    )


def _expect(progress: Progress, *states: WorkState) -> None:
    if progress.state not in states:
        raise ValueError(f"expected work that is {' or '.join(states)}, got {progress.state}")


def _absent(progress: Progress, now: int, seed: bytes) -> Progress:
    if progress.state is WorkState.PREPARED and progress.next_attempt > now:
        return progress  # not sent since the last answer
    return _later(replace(progress, state=WorkState.PREPARED, receipt=None), now, seed)


def _anew(progress: Progress, reason: str, now: int, seed: bytes) -> Progress:
    fresh = replace(progress, state=WorkState.NEW, submission=None, locator=None, receipt=None)
    return _later(replace(fresh, reason=reason), now, seed)


def _later(progress: Progress, now: int, seed: bytes) -> Progress:
    attempts = progress.attempts + 1
    return replace(progress, attempts=attempts, next_attempt=now + int(delay_seconds(attempts, seed)))


def _may_pass(progress: Progress, reason: str) -> bool:
    return rule_of(reason) in PASSING and progress.attempts < MAX_PASSING_ATTEMPTS
