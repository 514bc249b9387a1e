"""Accounts of a development node: what is sent again, and what is not."""

from collections.abc import Sequence

import pytest
from typing_extensions import override

from adapters.ethereum import accounts
from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.rpc import Call, Rpc, RpcError
from fabric.core.canonical import JsonValue
from fabric.core.errors import SubmitError

HASH = "0x" + "ab" * 32
COLLISION = RpcError(-32000, "replacement transaction underpriced")
RECEIPT: JsonValue = {
    "status": "0x1",
    "transactionHash": HASH,
    "transactionIndex": "0x0",
    "blockNumber": "0x7",
    "blockHash": HASH,
    "gasUsed": "0x5208",
    "cumulativeGasUsed": "0x5208",
    "logsBloom": "0x" + "00" * 256,
    "logs": [],
}


class Node(Rpc):
    """A node that answers ``eth_sendTransaction`` as told, one answer a call."""

    def __init__(self, *answers: JsonValue | RpcError) -> None:
        super().__init__("http://127.0.0.1:1")
        self._answers = list(answers)

    @override
    async def batch(self, calls: Sequence[Call]) -> list[JsonValue | RpcError]:
        (method, _), *_ = calls
        return [self._answers.pop(0) if method == "eth_sendTransaction" else RECEIPT]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_POLL_SECONDS", 0)


async def send(node: Node) -> int:
    return (await NodeAccount(node, bytes(20)).send(bytes(20), b"")).block


async def test_a_nonce_that_another_call_took_is_chosen_anew() -> None:
    assert await send(Node(COLLISION, RpcError(-32000, "nonce too low: next nonce 5, tx nonce 4"), HASH)) == 7


async def test_another_refusal_is_told_at_once() -> None:
    with pytest.raises(SubmitError, match=r"not taken: insufficient funds .*-32000"):
        await send(Node(RpcError(-32000, "insufficient funds for gas * price + value"), HASH))


async def test_it_is_not_sent_for_ever() -> None:
    with pytest.raises(SubmitError, match="50 attempts"):
        await send(Node(*[COLLISION] * 50))
