"""Messages in both directions while everything is killed at random: each ends once, as the ledgers themselves say.

The seed is printed, and ``FAULT_SEED`` runs it again: what is sent and what is killed when is drawn from it alone.
"""

import asyncio
import random
from collections.abc import Callable, Iterator

import pytest

from fabric.core.clock import SystemClock
from registry.folder import FolderRegistry
from registry.publish import publish
from tests.support.campaign import FINALITY, Campaign
from tests.support.depth import DEPTH, seed_of_run
from tests.support.house import House
from tests.support.killer import Killer, end_chain
from tests.support.mail_books import assert_native_state, audited, direction
from tests.support.projects import PUBLISHER, RELAY, built
from tests.support.tally import Fact, Tally, table, tally

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.ray,
    pytest.mark.ethereum,
    pytest.mark.fault,
    pytest.mark.slow,
    pytest.mark.timeout(600 + 600 * DEPTH),
]

MESSAGES = 100 if DEPTH == 1 else 200 * DEPTH
PATIENCE_SECONDS = 120 + 60 * DEPTH
"""A bound against hanging, for what is under way when the killing ends."""


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("campaign"))
    publish(built(RELAY).wheel, FolderRegistry(made.registry), PUBLISHER)
    made.config.write_text(made.config.read_text().replace("finality = 2", f"finality = {FINALITY}"))
    try:
        made.start()
        yield made
    finally:
        if made.is_running:  # the test broke off
            made.kill(chain=True)
        made.close()


async def test_every_message_ends_once(house: House, record_property: Callable[[str, object], None]) -> None:
    clock, seed = SystemClock(), seed_of_run()
    rng, begun = random.Random(seed), clock.monotonic_seconds()  # noqa: S311 - repeatable
    print(f"FAULT_SEED={seed} FAULT_DEPTH={DEPTH}")  # noqa: T201 - what repeats it
    campaign = await Campaign.prepare(house)
    killer = Killer(house, random.Random(rng.random()))  # noqa: S311 - repeatable
    sending = asyncio.ensure_future(campaign.send(rng, MESSAGES))
    try:
        await killer.rounds(sending.done)
        await sending
        quiet = clock.monotonic_seconds()
        count = await campaign.settle()
        await campaign.wait_ended(count, PATIENCE_SECONDS)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        print("\n".join(killer.log))  # noqa: T201 - what led there
    healed = clock.monotonic_seconds() - quiet
    await campaign.deepen()
    tallies = await judged(campaign)
    seconds = clock.monotonic_seconds() - begun
    kills = ", ".join(f"{kind} {times}" for kind, times in sorted(killer.kills.items()))
    told = [
        *table(tallies),
        f"kills: {kills}; the chain lost {killer.worst} blocks at most",
        f"seed {seed}, {count} messages, {seconds:.0f} s, the last {healed:.0f} of them without a kill",
    ]
    assert killer.worst < FINALITY, "a kill took what was final; then nothing can be said of the messages"
    record_property("table", "\n".join(told))
    assert all(found.is_sound for found in tallies.values()), told
    assert sum(found.counts[Fact.SENT] for found in tallies.values()) == count >= MESSAGES
    assert all(found.counts[Fact.ACKNOWLEDGED] and found.counts[Fact.REFUNDED] for found in tallies.values()), told


async def judged(campaign: Campaign) -> dict[str, Tally]:
    """Holds each ledger to itself, and returns what both say together; the fabric has ended then."""
    chain, house = campaign.chain, campaign.house
    ethereum = await chain.books()
    ethereum.assert_contiguous()
    await chain.assert_state(ethereum)
    out = [message for fact, message in ethereum.sent if fact is Fact.SENT]
    came = [message for fact, message in ethereum.came if fact is Fact.DELIVERED]
    assert await chain.times(campaign.bookkeeper, [*out, *came]) == {1: len(out) + len(came)}
    counted = await chain.counters(campaign.bookkeeper)
    closed = {fact: sum(one is fact for one, _ in ethereum.sent) for fact in (Fact.ACKNOWLEDGED, Fact.REFUNDED)}
    assert counted == {
        "escrow": 0,
        "paid": closed[Fact.ACKNOWLEDGED],
        "returned": closed[Fact.REFUNDED],
        "received": len(came),
    }
    await campaign.contracts.rpc.aclose()
    await end_chain(house)  # it was not the fabric that started it last, so the fabric leaves it alone
    await asyncio.to_thread(house.stop)
    native = campaign.native_books()
    native.assert_contiguous()
    assert_native_state(audited(house.state / "ledgers/native"), native)
    return {
        "ethereum -> native": tally(direction(ethereum, native)),
        "native -> ethereum": tally(direction(native, ethereum)),
    }
