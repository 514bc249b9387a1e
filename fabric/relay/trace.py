"""The trace of a message: an entry whenever people would see a difference. Pure."""

from typing import Final

from fabric.core import canonical
from fabric.core.ids import DestinationId
from fabric.relay.model import Facts
from fabric.store.mail import ENDED, MessageRow, MessageState, Passage, Step
from fabric.store.values import Progress

_HAVE_ENDED: Final = (MessageState.DELIVERED, MessageState.EXPIRED)


def step_of(row: MessageRow, passage: Passage, facts: Facts) -> Step | None:
    """Returns the entry of a turn, None where state, reason and attempt are what they were."""
    before = row.passage
    if (passage.state, passage.reason, passage.attempt) == (before.state, before.reason, before.attempt):
        return None
    where = _where(passage, facts)
    return Step(
        time=facts.now,
        state=passage.state,
        reason=passage.reason,
        detail=passage.detail,
        attempt=passage.attempt,
        ledger=_ledger(row, passage),
        locator=where[0],
        ledger_time=where[1],
        invocation=facts.invocation(row, passage),
    )


def _ledger(row: MessageRow, passage: Passage) -> DestinationId:
    """Returns where it happened: an ending on the destination, an attempt where its record or tombstone goes."""
    is_at_source = passage.state in {*ENDED, MessageState.ACKNOWLEDGING}
    is_at_source |= passage.state in _HAVE_ENDED and passage.attempt > 0
    return row.message.source if is_at_source else row.message.destination


def _where(passage: Passage, facts: Facts) -> tuple[str, int]:
    """Returns where on the ledger it happened, and the ledger's time of it."""
    if passage.state in _HAVE_ENDED and not passage.attempt and facts.ending:
        return facts.ending.locator, facts.ending.time
    if facts.work is None or not (passage.work or passage.state in ENDED):
        return "", 0
    return _receipt(facts.work) or (facts.work.locator or "", 0)


def _receipt(work: Progress) -> tuple[str, int] | None:
    if work.receipt is None:
        return None
    fields = canonical.decode_object(work.receipt, max_bytes=len(work.receipt))
    locator, time = fields.get("locator"), fields.get("time")
    return (locator, time) if isinstance(locator, str) and isinstance(time, int) else None
