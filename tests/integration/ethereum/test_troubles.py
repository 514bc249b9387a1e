"""What befalls the relayer's account and its fees while the parts of a gateway work: all heals, everything once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.ethereum import answers
from adapters.ethereum.transactions import Eip1559, transaction_hash
from fabric.ledger.port import Submission
from fabric.store.values import WorkState
from tests.support.evm import RELAYER, World, world
from tests.support.parts import Parts, parts

pytestmark = [pytest.mark.ethereum, pytest.mark.fault, pytest.mark.timeout(180)]

CAP = 500 * 10**9


@pytest.fixture
async def at_work(tmp_path: Path) -> AsyncIterator[Parts]:
    async with world(tmp_path / "chain") as chain, parts(tmp_path, chain) as opened:
        yield opened


async def nonce(chain: World, tag: str) -> int:
    found = await chain.do("eth_getTransactionCount", "0x" + RELAYER.address.hex(), tag)
    return answers.quantity(found, "nonce")


async def spend(chain: World) -> None:
    """Uses the relayer's next nonce outside the fabric, for nothing."""
    fees = (10**9, 10**11, 21_000)
    taken = await nonce(chain, "pending")
    raw = await RELAYER.sign(Eip1559(chain.destination.chain_number, taken, *fees, RELAYER.address, 0, b""))
    await chain.do("eth_sendRawTransaction", "0x" + Submission(raw, transaction_hash(raw)).data.hex())


async def pooled(chain: World) -> list[str]:
    """Returns the hashes of the transactions that wait."""
    pool = answers.members(await chain.do("txpool_content"), "pool")
    by_sender = answers.members(pool["pending"], "pending").values()
    found = [
        answers.members(one, "transaction") for each in by_sender for one in answers.members(each, "sent").values()
    ]
    return [str(one["hash"]) for one in found]


async def test_nonces_that_somebody_else_uses(at_work: Parts) -> None:
    asked = await at_work.ask()
    for _ in range(4):
        await spend(at_work.chain)
        await at_work.settle()
        await at_work.chain.mine()
    await at_work.until(at_work.is_done)
    await at_work.assert_once(asked)


async def test_transactions_that_the_node_drops(at_work: Parts) -> None:
    asked = await at_work.ask()
    dropped = 0
    for _ in range(3):
        await at_work.settle()
        await at_work.until(lambda: _waits(at_work.chain), mines=False)
        for locator in await pooled(at_work.chain):
            await at_work.chain.do("anvil_dropTransaction", locator)
            dropped += 1
        assert not await pooled(at_work.chain), "the call answers null; its effect is what counts"
        await at_work.chain.mine()  # what waits is asked about again under a new head
    await at_work.until(at_work.is_done)
    assert dropped >= 3
    await at_work.assert_once(asked)


async def test_a_base_fee_a_thousand_times_as_high_is_waited_out(at_work: Parts) -> None:
    chain = at_work.chain
    await at_work.settle()
    asked = await at_work.ask()
    normal = (await chain.block("latest")).base_fee
    sent_before = await nonce(chain, "pending")
    high = 1_000 * max(normal, 10**9)
    for _ in range(5):
        await chain.do("anvil_setNextBlockBaseFeePerGas", hex(high))
        await chain.mine()
        await at_work.settle()
        await at_work.until(at_work.has_waited, mines=False)
    assert await nonce(chain, "latest") <= sent_before, "nothing is paid above the cap"
    assert WorkState.NEW in await at_work.states()
    await chain.do("anvil_setNextBlockBaseFeePerGas", hex(normal))
    await chain.mine()
    await at_work.until(at_work.is_done)
    await at_work.assert_once(asked)
    assert 0 < max(await _prices(chain)) <= CAP


async def _waits(chain: World) -> bool:
    return bool(await pooled(chain))


async def _prices(chain: World) -> list[int]:
    """Returns what the relayer paid for a unit of gas, of every transaction on the chain."""
    prices = []
    for number in range(await chain.head() + 1):
        receipts = answers.items(await chain.do("eth_getBlockReceipts", hex(number)), "receipts")
        fields = [answers.members(one, "receipt") for one in receipts]
        prices += [
            answers.quantity(one["effectiveGasPrice"], "price")
            for one in fields
            if one["from"] == "0x" + RELAYER.address.hex()
        ]
    return prices
