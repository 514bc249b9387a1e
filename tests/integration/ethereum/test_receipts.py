"""Receipts of full and mixed blocks, read from a real node and proven offline; and nodes that do not tell the truth."""

import pytest

from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.destination import Ethereum
from adapters.ethereum.rpc import Call, RpcError
from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerUnavailable
from fabric.trust.kind import Status
from tests.support.evm import World

pytestmark = pytest.mark.ethereum

CROWD = 140
"""More than 128, where the keys of the receipt trie get another byte."""


async def crowd(chain: World, count: int) -> None:
    """Sends transactions of the types 0, 1 and 2, a part of which will fail."""
    account = await NodeAccount.open(chain.rpc, 5)
    to = "0x" + chain.destination.settlement[-20:].hex()
    # The node would give nonces to the calls of one batch at the same time.
    first = int(str(await chain.do("eth_getTransactionCount", "0x" + account.address.hex(), "pending")), 16)
    plain: dict[str, JsonValue] = {"from": "0x" + account.address.hex(), "to": to, "gas": hex(40_000)}
    fees: list[dict[str, JsonValue]] = [
        {"gasPrice": hex(10**10)},
        {"gasPrice": hex(10**10), "accessList": []},
        {"maxFeePerGas": hex(10**10), "maxPriorityFeePerGas": hex(10**9)},
    ]
    ok: dict[str, JsonValue] = {"to": "0x" + account.address.hex()}
    calls = [plain | fees[at % 3] | (ok if at % 2 else {}) | {"nonce": hex(first + at)} for at in range(count)]
    await chain.rpc.ask([("eth_sendTransaction", [call]) for call in calls])


async def test_every_place_in_a_mixed_block_is_proven(chain: World) -> None:
    await crowd(chain, CROWD)
    works = [await chain.settle(number) for number in range(12)]
    made = await chain.send(*works)
    await crowd(chain, CROWD)
    await chain.mine()
    seen = await chain.ledger.observe(list(zip(works, made, strict=True)))
    blocks = {observation.receipt.position for observation in seen if observation.receipt}
    assert len(blocks) == 1
    kinds = await chain.do("eth_getBlockReceipts", hex(blocks.pop()))
    assert isinstance(kinds, list)
    assert {each["type"] for each in kinds if isinstance(each, dict)} == {"0x0", "0x1", "0x2"}
    assert {each["status"] for each in kinds if isinstance(each, dict)} == {"0x0", "0x1"}
    assert len(kinds) > 2 * CROWD
    for work, observation in zip(works, seen, strict=True):
        assert observation.receipt
        material = observation.receipt.material
        shown = Ethereum().check_receipt(chain.destination, work.header, material, {})
        assert shown.status is Status.INCLUDED


@pytest.mark.parametrize(
    ("method", "field", "value", "reason"),
    [
        ("eth_getBlockByNumber", "receiptsRoot", "0x" + "00" * 32, "hash"),
        ("eth_getBlockByNumber", "timestamp", "0x1", "hash"),
        ("eth_getBlockByNumber", "hash", "0x" + "00" * 32, "replaced"),
        ("eth_getBlockByNumber", "hash", None, "cannot be read"),
        ("eth_getBlockReceipts", "gasUsed", "gas", "cannot be read"),
        ("eth_getBlockReceipts", "cumulativeGasUsed", "0x1", "root"),
        ("eth_getBlockReceipts", "logs", [], "root"),
    ],
    ids=["root", "time", "other", "no-hash", "garbage", "receipt", "logs"],
)
async def test_a_block_that_does_not_hold_together_is_no_answer(
    chain: World, monkeypatch: pytest.MonkeyPatch, method: str, field: str, value: JsonValue, reason: str
) -> None:
    work = await chain.settle(1)
    (submission,) = await chain.send(work)
    await chain.mine()
    batch = chain.ledger.rpc.batch

    def change(answer: JsonValue | RpcError) -> JsonValue:
        if isinstance(answer, list):
            return [change(each) for each in answer]
        assert isinstance(answer, dict)
        return answer | {field: value}

    async def changed(calls: list[Call]) -> list[JsonValue | RpcError]:
        given = await batch(calls)
        if not calls or calls[-1][0] != "eth_getBlockReceipts":
            return given
        return [change(each) if called == method else each for (called, _), each in zip(calls, given, strict=True)]

    monkeypatch.setattr(chain.ledger.rpc, "batch", changed)
    with pytest.raises(LedgerUnavailable, match=reason):
        await chain.see(work, submission)
