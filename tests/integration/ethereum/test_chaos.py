"""A node and a line that fail and lie, under the parts of a gateway: healed or refused, never believed.

While a fault is on, nothing counts as included, final or refused that is not so on the real chain, and nothing runs
that was not asked for. When it is over, everything is on the chain once. The seed is in the test's name.
"""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.ethereum.plugin import open_ledger
from fabric.core.clock import FrozenClock
from fabric.core.errors import ForeignLedger, LedgerError
from fabric.store.values import WorkState
from tests.support.chaos import FAULTS, Chaos, chaos
from tests.support.depth import DEPTH, seeds
from tests.support.evm import RELAYER, World, world
from tests.support.parts import Parts, on_chain, parts

pytestmark = [pytest.mark.ethereum, pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(120 + 120 * DEPTH)]

ROUNDS = 6
"""Blocks that are made under each fault."""
SHARE = 0.6
TIMEOUT_SECONDS = 2.0
"""Of a round trip; what is half open costs so long, and a busy machine answers well within it."""
UNSEEN = ("empty logs", "forged logs", "other chain id")
"""Faults that need not meet anything: nobody asks for logs, or the chain's id, at every time."""


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path / "chain") as chain:
        yield chain


async def assert_honest(place: Parts, direct: World, *, reorgs: bool = False) -> None:
    """What the store says of the chain is so, and what ran was asked for; what is included, a reorg may have undone."""
    assert not await place.is_halted()
    final = await direct.head() - 4
    events = (await on_chain(direct)).blocks
    for row in await place.store.outbox.in_flight(direct.destination.id):
        if row.progress.state is WorkState.INCLUDED and not reorgs:
            assert row.work_id in events, row
    for row in await place.store.outbox.closed(direct.destination.id, 0, 1_000):
        assert row.progress.state is WorkState.FINAL, row
        assert events[row.work_id] <= final, row
    assert set(place.ran) <= place.asked
    counts = await place.store.requests.counts()
    assert sum(counts.values()) <= len(place.asked)


async def under(fault: str, proxy: Chaos, place: Parts, direct: World, *, reorgs: bool = False) -> None:
    """Makes blocks and work under a fault."""
    proxy.fault = fault
    for _ in range(ROUNDS):
        if proxy.rng.random() < 0.5:
            await place.settle(1)
        await turn(place, direct, reorgs=reorgs)


async def turn(place: Parts, direct: World, *, reorgs: bool = False) -> None:
    """Makes a block and lets the loops work."""
    await direct.mine()
    await place.rest(0.1)
    await assert_honest(place, direct, reorgs=reorgs)


async def until_hit(proxy: Chaos, place: Parts, direct: World) -> None:
    """Goes on until the fault has hit: there may have been no work, and the watcher may have been pausing."""
    while not proxy.hit[proxy.fault]:
        await place.settle(1)
        await turn(place, direct)


async def heal(proxy: Chaos, place: Parts) -> None:
    """Ends the fault; everything gets on the chain, once."""
    proxy.fault = ""
    await place.until(place.are_answered)
    await place.assert_once(*place.asked)


@pytest.mark.parametrize("seed", seeds())
async def test_each_fault_is_healed_or_refused(real: World, tmp_path: Path, seed: int) -> None:
    async with chaos(real.node.url, seed, real.destination.id.hex()) as proxy, parts(tmp_path, real) as place:
        proxy.share = SHARE
        await place.restart(url=proxy.url, timeout_seconds=TIMEOUT_SECONDS)
        faults = list(FAULTS)
        proxy.rng.shuffle(faults)
        for fault in faults:
            await place.ask()
            await under(fault, proxy, place, real)
            if fault not in UNSEEN:
                await until_hit(proxy, place, real)
            await heal(proxy, place)
        await assert_honest(place, real)


@pytest.mark.parametrize("seed", seeds())
async def test_any_of_them_at_any_time(real: World, tmp_path: Path, seed: int) -> None:
    """The contract asks again when the last answer is there for good: of two requests on one state one is stale."""
    rng = random.Random(seed)  # noqa: S311 - repeatable
    async with chaos(real.node.url, seed, real.destination.id.hex()) as proxy, parts(tmp_path, real) as place:
        await place.restart(url=proxy.url, timeout_seconds=TIMEOUT_SECONDS)
        for _ in range(4):
            await place.ask()
            for _ in range(5):
                proxy.share = rng.random()
                await under(rng.choice(FAULTS), proxy, place, real, reorgs=True)
            if rng.random() < 0.5:
                await real.do("anvil_reorg", rng.choice((1, 2, 3)), [])
            await heal(proxy, place)


@pytest.mark.parametrize("fault", ["other chain id", "other genesis"])
async def test_another_chain_is_refused_by_name_when_it_is_opened(real: World, fault: str) -> None:
    async with chaos(real.node.url, 1, real.destination.id.hex()) as proxy:
        proxy.fault = fault
        with pytest.raises(ForeignLedger, match=fault.removeprefix("other ").split()[0]):
            await open_ledger(real.settings | {"url": proxy.url}, FrozenClock(), RELAYER)


@pytest.mark.parametrize("fault", ["forged effects", "denied effects", "forged logs"])
async def test_an_effect_that_is_not_there_is_never_said_to_be(real: World, fault: str) -> None:
    work = await real.settle(1)
    (stored,) = await real.ledger.prepare([work], [])
    async with chaos(real.node.url, 1, real.destination.id.hex()) as proxy:
        ledger = await open_ledger(real.settings | {"url": proxy.url}, FrozenClock(), RELAYER)
        proxy.fault = fault
        for _ in range(3):
            await real.mine(3)
            try:
                (seen,) = await ledger.observe([(work, stored)])
            except LedgerError:
                continue
            assert seen.receipt is None
            assert seen.phase.value in ("absent", "pending")
        await ledger.aclose()
