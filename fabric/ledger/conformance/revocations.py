"""What the port promises of the revocation of code, as tests."""
# ruff: noqa: S101 - tests: they assert, and are named by what they show

from fabric.core.ids import IntentId
from fabric.ledger.conformance.harness import Batch, Harness
from fabric.ledger.conformance.performing import observe, perform, receipt_of
from fabric.ledger.port import Phase

_LATER = 1_000
"""Seconds between two times of revocation."""


async def anchored(harness: Harness, label: str) -> tuple[Batch, int]:
    """Returns a settled batch of the enclave, and the ledger's time of its settlement."""
    await perform(harness, harness.registration())
    batch = harness.batch(label, 2)
    (submission,) = await perform(harness, batch.settle)
    return batch, receipt_of(await observe(harness, batch.settle, submission)).time


class RevocationSuite:
    """A ledger lets nobody act on results of code that was revoked when they were settled."""

    async def test_results_of_revoked_code_count_for_nothing(self, harness: Harness) -> None:
        """What was settled at the time of the revocation or later is refused by rule, and settling goes on."""
        batch, time = await anchored(harness, "revoked")
        revoke = harness.revocation(time)
        (submission,) = await perform(harness, revoke)
        receipt_of(await observe(harness, revoke, submission))
        work = batch.consumes[0]
        (refused,) = await perform(harness, work)
        answer = await observe(harness, work, refused)
        assert answer.phase is Phase.REFUSED
        assert answer.reason.startswith("CodeRevoked"), answer.reason
        assert not await harness.ledger.is_spent(IntentId(work.work_id))
        after = harness.batch("after the revocation", 1)
        await perform(harness, after.settle)
        assert await harness.ledger.is_settled(after.settle.header.batch_id)

    async def test_what_was_settled_before_stays_good(self, harness: Harness) -> None:
        """A revocation takes nothing back that was settled before its time."""
        batch, time = await anchored(harness, "before")
        await perform(harness, harness.revocation(time + 1))
        work = batch.consumes[0]
        (submission,) = await perform(harness, work)
        receipt_of(await observe(harness, work, submission))

    async def test_a_repeated_revocation_is_done_work(self, harness: Harness) -> None:
        """The same one again, and one of a later time, are done by the first, whoever sends them."""
        await perform(harness, harness.registration())
        first, later = harness.revocation(_LATER), harness.revocation(2 * _LATER)
        assert (await observe(harness, first)).phase is Phase.ABSENT
        (one,) = await perform(harness, first)
        position = receipt_of(await observe(harness, first, one)).position
        (again,) = await perform(harness, first)
        (other,) = await perform(harness, later)
        for work, submission in ((first, again), (first, None), (later, other), (later, None)):
            assert receipt_of(await observe(harness, work, submission)).position == position

    async def test_an_earlier_time_is_work_of_its_own(self, harness: Harness) -> None:
        """A revocation is not done by one of a later time; then it does for both."""
        await perform(harness, harness.registration())
        late, early = harness.revocation(2 * _LATER), harness.revocation(_LATER)
        (first,) = await perform(harness, late)
        receipt_of(await observe(harness, late, first))
        assert (await observe(harness, early)).phase is Phase.ABSENT
        (second,) = await perform(harness, early)
        receipt_of(await observe(harness, early, second))
        receipt_of(await observe(harness, late, first))
