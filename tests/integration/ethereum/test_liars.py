"""One lie at a time, on every answer: what the adapter makes of it. A lie costs time, never a wrong word."""

from collections.abc import AsyncIterator

import pytest

from adapters.ethereum import indexed
from adapters.ethereum.client import EthereumLedger
from adapters.ethereum.indexed import PATIENCE
from adapters.ethereum.plugin import open_ledger
from fabric.core.clock import FrozenClock
from fabric.core.errors import LedgerUnavailable
from fabric.ledger.port import Phase, RequestPage
from tests.integration.ethereum.test_requests import ask, versions
from tests.support.chaos import LIES, Batch, Chaos, chaos
from tests.support.evm import FINALITY, RELAYER, World

pytestmark = pytest.mark.ethereum


@pytest.fixture
async def proxy(chain: World) -> AsyncIterator[Chaos]:
    async with chaos(chain.node.url, 1, chain.destination.id.hex()) as started:
        yield started


@pytest.fixture
async def lied_to(chain: World, proxy: Chaos) -> AsyncIterator[EthereumLedger]:
    ledger = await open_ledger(chain.settings | {"url": proxy.url}, FrozenClock(), RELAYER)
    yield ledger
    await ledger.aclose()


async def test_a_forged_head_makes_nothing_final(chain: World, proxy: Chaos, lied_to: EthereumLedger) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.send(work)
    await chain.mine()
    proxy.fault = "forged head"
    with pytest.raises(LedgerUnavailable, match="does not have the hash"):
        await lied_to.observe([(work, stored)])
    proxy.fault = ""
    (seen,) = await lied_to.observe([(work, stored)])
    assert seen.phase is Phase.INCLUDED


async def test_a_spoiled_hash_is_no_reorg(
    chain: World, proxy: Chaos, lied_to: EthereumLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.send(work)
    await chain.mine(FINALITY + 2)
    assert (await lied_to.observe([(work, stored)]))[0].phase is Phase.FINAL
    monkeypatch.setitem(LIES, "spoiled", _spoiled)
    proxy.fault = "spoiled"
    for question in (lied_to.observe([(work, stored)]), lied_to.requests(b"", 10)):
        with pytest.raises(LedgerUnavailable):
            await question
    proxy.fault = ""
    assert (await lied_to.observe([(work, stored)]))[0].phase is Phase.FINAL


async def test_a_forged_refusal_is_not_believed(chain: World, proxy: Chaos, lied_to: EthereumLedger) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.send(work)
    await chain.mine(FINALITY + 2)
    proxy.fault = "denied effects"
    with pytest.raises(LedgerUnavailable, match="does not hold the receipt"):
        await lied_to.observe([(work, stored)])


async def test_effects_that_nothing_shows_stay_pending(chain: World, proxy: Chaos, lied_to: EthereumLedger) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.ledger.prepare([work], [])
    proxy.fault = "forged effects"
    await chain.mine(FINALITY + 2)
    (seen,) = await lied_to.observe([(work, stored)])
    assert (seen.phase, seen.receipt) == (Phase.PENDING, None)


@pytest.mark.parametrize("fault", ["empty logs", "forged logs", "null receipts", "stale", "forged effects"])
async def test_requests_of_long_ago_are_all_told_and_no_others(
    chain: World, proxy: Chaos, lied_to: EthereumLedger, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """While a reader catches up, page by page, it must not step over what a node hides, nor take what it makes up."""
    monkeypatch.setattr(indexed, "SPAN", 4)
    for number in range(3):
        await ask(chain, number)
        await chain.mine(4)
    await chain.mine(FINALITY)
    proxy.share = 0.5
    seen: list[int] = []
    cursor, page = b"", RequestPage((), b"")
    for _ in range(60):
        proxy.fault = fault
        try:
            page = await lied_to.requests(cursor, 100)
        except LedgerUnavailable:
            proxy.fault = ""
            page = await lied_to.requests(cursor, 100)
        cursor, seen = page.cursor, [*seen, *versions(page)]
    assert seen == [0, 1, 2]
    assert proxy.hit[fault]


async def test_a_node_without_old_state_that_hid_an_event_is_read_again(
    chain: World, proxy: Chaos, lied_to: EthereumLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexed, "SPAN", 4)
    monkeypatch.setitem(LIES, "pruned", _pruned)
    monkeypatch.setitem(LIES, "pruned and empty", _pruned_and_empty)
    await ask(chain, 0)
    await chain.mine(8)
    await ask(chain, 1)
    await chain.mine(8 + FINALITY)
    proxy.fault = "pruned and empty"
    hidden = await lied_to.requests(b"", 100)
    assert hidden.requests == ()
    proxy.fault = "pruned"
    cursor, seen, failures = hidden.cursor, list[int](), 0
    for _ in range(20):
        try:
            page = await lied_to.requests(cursor, 100)
        except LedgerUnavailable:
            failures += 1
            continue
        cursor, seen = page.cursor, [*seen, *versions(page)]
    assert seen == [0, 1]
    assert failures == PATIENCE - 1


async def _spoiled(proxy: Chaos, batch: Batch) -> Batch:
    """Changes a digit of the hash of every block that is asked for by its number."""
    answers = await proxy._forward(batch)
    for call, answer in zip(batch, answers, strict=True):
        result = answer.get("result")
        if call["method"] == "eth_getBlockByNumber" and result and call["params"][0] != "latest":
            digest = str(result["hash"])
            answer["result"] = result | {"hash": digest[:-1] + ("0" if digest[-1] != "0" else "1")}
    return answers


async def _pruned(proxy: Chaos, batch: Batch) -> Batch:
    """Refuses calls on the state of older blocks, as a node does that keeps only the newest."""
    answers = await proxy._forward(batch)
    head = int(await proxy.ask("eth_blockNumber"), 16)
    for call, answer in zip(batch, answers, strict=True):
        if (
            call["method"] == "eth_call"
            and call["params"][1] != "latest"
            and int(call["params"][1], 16) < head - FINALITY
        ):
            del answer["result"]
            answer["error"] = {"code": -32000, "message": "missing trie node"}
    return answers


async def _pruned_and_empty(proxy: Chaos, batch: Batch) -> Batch:
    answers = await _pruned(proxy, batch)
    for call, answer in zip(batch, answers, strict=True):
        if call["method"] == "eth_getLogs":
            answer["result"] = []
    return answers
