"""What the port promises of work, as tests."""
# ruff: noqa: S101 - tests: they assert, count, and are named by what they show

import asyncio
import contextlib
from collections.abc import Sequence

from fabric.core.errors import SubmitError
from fabric.core.ids import NOBODY, IntentId
from fabric.ledger.conformance.harness import Batch, Harness
from fabric.ledger.conformance.mailbox import MailboxSuite
from fabric.ledger.conformance.performing import observe, perform, receipt_of
from fabric.ledger.conformance.requests import RequestSuite
from fabric.ledger.conformance.revocations import RevocationSuite
from fabric.ledger.port import Phase, Submission, Work
from fabric.trust.attestation import KeyState


async def registered(harness: Harness, label: str, count: int = 2) -> Batch:
    """Registers the enclave and returns one of its batches."""
    await perform(harness, harness.registration())
    return harness.batch(label, count)


class RegistrationSuite:
    """An enclave's keys become known once their attestation is final."""

    async def test_keys_are_unknown_before_and_active_after(self, harness: Harness) -> None:
        """Nothing is known of keys before their attestation is final, and the receipt says which ledger knows them."""
        assert await harness.ledger.key_state(harness.keys) is None
        work = harness.registration()
        (submission,) = await perform(harness, work)
        assert await harness.ledger.key_state(harness.keys) is KeyState.ACTIVE
        receipt = receipt_of(await observe(harness, work, submission))
        assert receipt.destination == harness.ledger.destination.id

    async def test_a_repeat_is_done_work(self, harness: Harness) -> None:
        """Registering the same result again is no error."""
        await perform(harness, harness.registration())
        (again,) = await perform(harness, harness.registration())
        receipt_of(await observe(harness, harness.registration(), again))

    async def test_registration_and_settlement_go_together_in_their_order(self, harness: Harness) -> None:
        """Work submitted together takes effect in its order."""
        batch = harness.batch("together", 1)
        work: list[Work] = [harness.registration(), batch.settle]
        submissions = await perform(harness, *work)
        for answer in await harness.ledger.observe(list(zip(work, submissions, strict=True))):
            receipt_of(answer)


class SettlementSuite:
    """A batch is anchored once, whoever sends it and however often."""

    async def test_a_settled_batch_is_final_with_a_receipt(self, harness: Harness) -> None:
        """A receipt says where and when, and holds what a verifier needs."""
        batch = await registered(harness, "one")
        assert not await harness.ledger.is_settled(batch.settle.header.batch_id)
        (submission,) = await perform(harness, batch.settle)
        assert await harness.ledger.is_settled(batch.settle.header.batch_id)
        receipt = receipt_of(await observe(harness, batch.settle, submission))
        assert receipt.locator
        assert receipt.time > 0
        assert receipt.material

    async def test_preparing_has_no_effect(self, harness: Harness) -> None:
        """What was prepared and not submitted is absent."""
        batch = await registered(harness, "prepared")
        (submission,) = await harness.ledger.prepare([batch.settle], [])
        await harness.settle_down()
        assert not await harness.ledger.is_settled(batch.settle.header.batch_id)
        assert (await observe(harness, batch.settle, submission)).phase is Phase.ABSENT
        assert (await observe(harness, batch.settle)).phase is Phase.ABSENT

    async def test_the_same_bytes_may_be_sent_again(self, harness: Harness) -> None:
        """After an unknown outcome the stored bytes are sent again; the effect stays where it was."""
        batch = await registered(harness, "again")
        (submission,) = await perform(harness, batch.settle)
        first = receipt_of(await observe(harness, batch.settle, submission))
        await _submit_again(harness, [submission])
        second = receipt_of(await observe(harness, batch.settle, submission))
        assert (second.position, second.time) == (first.position, first.time)

    async def test_work_is_done_by_its_effect_whoever_sent_it(self, harness: Harness) -> None:
        """Two submissions of the same work, and none, show the same effect."""
        batch = await registered(harness, "whoever")
        (mine,) = await perform(harness, batch.settle)
        (other,) = await perform(harness, batch.settle)
        positions = {receipt_of(await observe(harness, batch.settle, one)).position for one in (mine, other, None)}
        assert len(positions) == 1

    async def test_pending_submissions_do_not_collide_with_later_ones(self, harness: Harness) -> None:
        """What is prepared beside stored submissions takes none of their nonces."""
        await perform(harness, harness.registration())
        batches = [harness.batch(f"pending {number}", 1) for number in range(3)]
        pending: list[Submission] = []
        for batch in batches:
            pending += await harness.ledger.prepare([batch.settle], pending)
        await harness.ledger.submit(pending)
        await harness.settle_down()
        asked = [(batch.settle, one) for batch, one in zip(batches, pending, strict=True)]
        for answer in await harness.ledger.observe(asked):
            receipt_of(answer)

    async def test_what_an_unknown_enclave_signed_is_refused_by_rule(self, harness: Harness) -> None:
        """A refusal begins with its rule and holds up no other work."""
        await perform(harness, harness.registration())
        forged = harness.batch("forged", 1, stranger=True)
        good = harness.batch("good", 1)
        submissions = await perform(harness, forged.settle, good.settle)
        answers = await harness.ledger.observe(list(zip([forged.settle, good.settle], submissions, strict=True)))
        assert answers[0].phase is Phase.REFUSED
        assert answers[0].reason.startswith("UnknownKey"), answers[0].reason
        receipt_of(answers[1])
        assert not await harness.ledger.is_settled(forged.settle.header.batch_id)

    async def test_a_submission_outlives_its_process(self, harness: Harness) -> None:
        """Stored bytes are all that a restarted process needs."""
        batch = await registered(harness, "reopened")
        (submission,) = await harness.ledger.prepare([batch.settle], [])
        await harness.reopen()
        assert (await observe(harness, batch.settle, submission)).phase is Phase.ABSENT
        await harness.ledger.submit([submission])
        await harness.settle_down()
        await harness.reopen()
        receipt_of(await observe(harness, batch.settle, submission))

    async def test_questions_may_be_asked_at_the_same_time(self, harness: Harness) -> None:
        """Reads are safe to make concurrently."""
        batch = await registered(harness, "concurrent")
        await perform(harness, batch.settle)
        settled = batch.settle.header.batch_id
        answers = await asyncio.gather(*(harness.ledger.is_settled(settled) for _ in range(8)))
        assert answers == [True] * 8


class ConsumptionSuite:
    """A record is consumed once, by its recipient, from a settled batch."""

    async def test_an_intent_is_spent_once(self, harness: Harness) -> None:
        """Consuming a record spends its intent and no other."""
        batch = await registered(harness, "spent", 3)
        await perform(harness, batch.settle)
        work, other = batch.consumes[:2]
        assert work.record.recipient != NOBODY
        assert not await harness.ledger.is_spent(IntentId(work.work_id))
        (first,) = await perform(harness, work)
        assert await harness.ledger.is_spent(IntentId(work.work_id))
        receipt = receipt_of(await observe(harness, work, first))
        assert receipt_of(await observe(harness, work)).position == receipt.position
        assert not await harness.ledger.is_spent(IntentId(other.work_id))

    async def test_every_record_of_a_batch_can_be_consumed(self, harness: Harness) -> None:
        """Every position of a batch has a path that the ledger accepts."""
        batch = await registered(harness, "all", 5)
        await perform(harness, batch.settle)
        submissions = await perform(harness, *batch.consumes)
        answers = await harness.ledger.observe(list(zip(batch.consumes, submissions, strict=True)))
        for answer in answers:
            receipt_of(answer)

    async def test_spent_is_done_work_also_for_a_second_submission(self, harness: Harness) -> None:
        """The loser of two submissions is reported as done: the effect is there."""
        batch = await registered(harness, "twice", 1)
        await perform(harness, batch.settle)
        (work,) = batch.consumes
        pending = list(await harness.ledger.prepare([work], []))
        pending += await harness.ledger.prepare([work], pending)
        await harness.ledger.submit(pending)
        await harness.settle_down()
        answers = await harness.ledger.observe([(work, one) for one in pending])
        assert len({receipt_of(answer).position for answer in answers}) == 1

    async def test_a_batch_that_is_not_settled_gives_nothing_to_consume(self, harness: Harness) -> None:
        """Consumption before settlement is refused by rule."""
        batch = await registered(harness, "unsettled", 1)
        (work,) = batch.consumes
        (submission,) = await perform(harness, work)
        answer = await observe(harness, work, submission)
        assert answer.phase is Phase.REFUSED
        assert answer.reason.startswith("NotSettled"), answer.reason
        assert not await harness.ledger.is_spent(IntentId(work.work_id))


class LedgerSuite(RegistrationSuite, SettlementSuite, ConsumptionSuite, RevocationSuite, RequestSuite, MailboxSuite):
    """Everything that the port promises."""


async def _submit_again(harness: Harness, submissions: Sequence[Submission]) -> None:
    # A ledger may say that it knows them; a caller then asks, which is what the test does next.
    with contextlib.suppress(SubmitError):
        await harness.ledger.submit(submissions)
    await harness.settle_down()
