"""How a deployment and its relayer are, for people (``fabric.ledger.health``)."""

from typing import Final

from adapters.ethereum import answers
from adapters.ethereum.answers import Block
from adapters.ethereum.fees import Fees
from adapters.ethereum.rpc import Call, Rpc
from fabric.core.canonical import JsonObject

LOW_TRANSACTIONS: Final = 100
"""A relayer that can pay for fewer transactions than this at the cap should be funded."""
TRANSACTION_GAS: Final = 100_000
"""What a settlement costs, rounded up; see docs/spec/ethereum.md."""


async def health(rpc: Rpc, account: bytes | None, finality: int, fees: Fees) -> JsonObject:
    """Returns the head, what is final, what a gas unit costs, and the relayer's account; one round trip."""
    latest, *relayer = await rpc.ask([("eth_getBlockByNumber", ["latest", False]), *_account_calls(account)])
    with answers.reading():
        head = answers.block(latest)
        facts: JsonObject = {"head": head.number, "final": max(head.number - finality, 0), "head_time": head.time}
        facts |= _fee_facts(head, fees)
        if account is not None:
            balance, used, pooled = (answers.quantity(each, "relayer") for each in relayer)
            facts |= {"relayer": "0x" + account.hex(), "balance_wei": str(balance)}
            facts |= {"nonce": used, "waiting_transactions": max(pooled - used, 0)}
    return facts


def low_balance(fees: Fees) -> int:
    """Returns the wei below which a relayer should be funded."""
    return LOW_TRANSACTIONS * TRANSACTION_GAS * fees.cap


def _account_calls(account: bytes | None) -> list[Call]:
    if account is None:
        return []
    address = "0x" + account.hex()
    return [
        ("eth_getBalance", [address, "latest"]),
        ("eth_getTransactionCount", [address, "latest"]),
        ("eth_getTransactionCount", [address, "pending"]),
    ]


def _fee_facts(head: Block, fees: Fees) -> JsonObject:
    price = head.base_fee + fees.tip
    return {"fee_wei": str(price), "fee_cap_wei": str(fees.cap), "fee_is_above_cap": price > fees.cap}
