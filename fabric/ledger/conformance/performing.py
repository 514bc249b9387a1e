"""What every test of the suite does: put work on the ledger, and look what became of it."""
# ruff: noqa: S101 - tests assert

from fabric.ledger.conformance.harness import Harness
from fabric.ledger.port import Observation, Phase, Receipt, Submission, Work


async def perform(harness: Harness, *work: Work) -> list[Submission]:
    """Prepares and submits work as the dispatcher does, and waits until it is final."""
    submissions = await harness.ledger.prepare(work, [])
    await harness.ledger.submit(submissions)
    await harness.settle_down()
    return list(submissions)


async def observe(harness: Harness, work: Work, submission: Submission | None = None) -> Observation:
    """Observes one piece of work."""
    (answer,) = await harness.ledger.observe([(work, submission)])
    return answer


def receipt_of(answer: Observation) -> Receipt:
    """Returns the receipt of final work."""
    assert answer.phase is Phase.FINAL, answer
    assert answer.receipt is not None
    return answer.receipt
