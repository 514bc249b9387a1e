"""Reorgs and restarts under the parts of a gateway: within finality all heals; beyond it the route halts, and one call
resumes it. In the end everything is on the chain once: settlements, consumptions, answers to requests.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fabric.ledger.port import Phase
from tests.support.evm import FINALITY, World, world
from tests.support.parts import FILE, Parts, parts

pytestmark = [pytest.mark.ethereum, pytest.mark.fault, pytest.mark.timeout(180)]


@pytest.fixture
async def steady(tmp_path: Path) -> AsyncIterator[Parts]:
    """The parts on a chain of finality 4."""
    async with world(tmp_path / "chain") as chain, parts(tmp_path, chain) as opened:
        yield opened


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[Parts]:
    """The parts on a chain of finality 2."""
    async with world(tmp_path / "chain", finality=2) as chain, parts(tmp_path, chain) as opened:
        yield opened


async def test_a_reorg_by_three_blocks_at_finality_4_heals(steady: Parts) -> None:
    await steady.settle()
    asked = await steady.ask()

    async def is_consumed() -> bool:
        return await steady.chain.ledger.is_spent(await steady.intent(asked))

    await steady.until(is_consumed)
    await steady.chain.do("anvil_reorg", 3, [])
    await steady.settle()
    await steady.until(steady.is_done)
    assert not await steady.is_halted()
    await steady.assert_once(asked)


async def test_a_request_that_a_reorg_takes_before_it_is_final_runs_when_it_comes_again(steady: Parts) -> None:
    await steady.ask()
    await steady.chain.mine(2)
    await steady.chain.do("anvil_reorg", 3, [])
    asked = await steady.ask()
    await steady.until(steady.is_done)
    await steady.assert_once(asked)


@pytest.mark.parametrize("kills", [False, True], ids=["ended", "killed"])
async def test_a_node_that_restarts_with_its_state(steady: Parts, *, kills: bool) -> None:
    await steady.settle()
    asked = await steady.ask()
    await steady.until(lambda: steady.has_answered(asked))
    if kills:
        await steady.chain.saved()
    await steady.chain.restart(kills=kills)
    await steady.settle()
    await steady.until(steady.is_done)
    assert not await steady.is_halted()
    await steady.assert_once(asked)


async def test_a_reorg_by_three_blocks_at_finality_2_halts_and_resumes_once(hasty: Parts) -> None:
    await hasty.settle()
    asked = await hasty.ask()
    await hasty.until(lambda: hasty.has_answered(asked))
    await hasty.settle()
    await hasty.chain.mine(2)
    await hasty.until(hasty.has_seen_what_is_final, mines=False)
    await hasty.chain.do("anvil_reorg", 3, [])
    await hasty.until(hasty.is_halted)
    await hasty.restart()
    await hasty.until(hasty.are_ended)
    before = await hasty.states()
    await hasty.settle()
    await hasty.restart()
    await hasty.until(hasty.are_ended)
    assert await hasty.is_halted(), "a restart ends no halt"
    assert (await hasty.states()) - before == {"new": 1}, "nothing moves while it is halted"
    resumed = await hasty.resume("the validators agreed on the other branch")
    assert "was final" in resumed.entry.halt.reason
    await hasty.until(hasty.is_done)
    await hasty.assert_once(asked)
    (entry,) = await hasty.store.halts.resumptions(hasty.chain.destination.id)
    assert (entry.who, entry.why) == ("local", "the validators agreed on the other branch")


async def test_an_answered_request_that_comes_again_is_answered_again_and_does_not_run_again(hasty: Parts) -> None:
    before = await hasty.chain.head()
    asked = await hasty.ask()
    await hasty.until(hasty.is_done)
    await hasty.chain.do("anvil_reorg", await hasty.chain.head() - before, [])
    await hasty.until(hasty.is_halted)
    await hasty.resume("looked at")
    # The answer is sent, and refused for want of its request.
    await hasty.until(hasty.has_refused)
    assert await hasty.ask() == asked
    await hasty.until(hasty.is_done)
    await hasty.assert_once(asked)


async def test_a_request_that_was_final_and_is_gone_does_not_run(hasty: Parts) -> None:
    hasty.forget_file()
    before = await hasty.chain.head()
    await hasty.ask()
    await hasty.until(hasty.waits_for_input)
    await hasty.chain.do("anvil_reorg", await hasty.chain.head() - before, [])
    await hasty.until(hasty.is_halted)
    await hasty.store.blobs.put(FILE)
    await hasty.restart()
    await hasty.resume("looked at")
    await hasty.settle()
    await hasty.until(hasty.is_done)
    await hasty.assert_once()


async def test_a_node_that_lost_what_was_not_final_has_not_forgotten_what_was(chain: World) -> None:
    work = await chain.settle(1)
    (made,) = await chain.send(work)
    await chain.mine(1 + FINALITY)
    receipt = await chain.receipt(work, made)
    assert (await chain.see(work, made)).phase is Phase.FINAL
    await chain.do("anvil_rollback", 1)
    # Its block is there, and not as deep as it was: for the start of a fabric that is enough, for resuming it is not.
    assert list(await chain.ledger.stands([receipt], deep=False)) == [True]
    assert list(await chain.ledger.stands([receipt])) == [None]
    await chain.do("anvil_rollback", FINALITY)
    assert list(await chain.ledger.stands([receipt], deep=False)) == [None], "behind it, or rolled back"
    await chain.do("evm_increaseTime", 100)
    await chain.mine()
    assert list(await chain.ledger.stands([receipt], deep=False)) == [False], "another block in its place"
