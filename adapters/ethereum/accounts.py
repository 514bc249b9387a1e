"""An account whose key a development node holds, for those who stand beside the fabric: deployers and integrators.

The fabric's own transactions never go this way; its relayer signs them itself.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from adapters.ethereum import answers, reverts
from adapters.ethereum.answers import Outcome
from adapters.ethereum.rpc import Rpc, RpcError
from fabric.core.canonical import JsonObject
from fabric.core.errors import ConfigError, LedgerUnavailable, Reverted, SubmitError

CALL_GAS: Final = 3_000_000
DEPLOY_GAS: Final = 12_000_000
"""Settlement takes a third of it. A limit costs nothing that is not used."""
MINED_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.1
_ATTEMPTS: Final = 50
_COLLISIONS: Final = ("replacement transaction underpriced", "nonce too low")
"""What geth says of the second of two calls at the same time: both got one nonce, and the second was not taken."""


@dataclass(frozen=True)
class NodeAccount:
    """One of the accounts that a development node signs for, funded from its genesis block on.

    Attributes:
        rpc: the node.
        address: the account, 20 bytes.
    """

    rpc: Rpc
    address: bytes

    @classmethod
    async def open(cls, rpc: Rpc, number: int) -> "NodeAccount":
        """Returns the node's account of a number.

        Raises:
            ConfigError: the node holds no such account.
        """
        (listed,) = await rpc.ask([("eth_accounts", [])])
        with answers.reading():
            accounts = [answers.data(each, "account", 20) for each in answers.items(listed, "accounts")]
        if number >= len(accounts):
            message = f"the node signs for {len(accounts)} accounts, number {number} is needed: no development node"
            raise ConfigError(message)
        return cls(rpc, accounts[number])

    async def send(self, to: bytes, data: bytes, gas: int = CALL_GAS, *, wei: int = 0) -> Outcome:
        """Sends a transaction and waits until it is in a block.

        Args:
            to: 20 bytes; empty creates a contract.
            data: call data, or creation code with its arguments.
            gas: gas limit.
            wei: what is given along.

        Raises:
            Reverted: the contract refused it; the message is the name of its error.
            SubmitError: the node did not take it, or it is in no block after a minute.
            LedgerUnavailable: no answer.
        """
        call = self._fields(to, data, gas) | {"value": hex(wei)}
        outcome = await self._mined(await self._taken(call))
        if not outcome.succeeded:
            raise Reverted(await self._why(call, outcome))
        return outcome

    async def try_call(self, to: bytes, data: bytes, gas: int = CALL_GAS) -> bytes:
        """Executes a call without sending it, and returns its result; raises ``Reverted`` as ``send``."""
        (answer,) = await self.rpc.batch([("eth_call", [self._fields(to, data, gas), "latest"])])
        if isinstance(answer, RpcError):
            raise Reverted(reverts.reason(answer.data))
        with answers.reading():
            return answers.data(answer, "eth_call")

    def _fields(self, to: bytes, data: bytes, gas: int) -> JsonObject:
        fields: JsonObject = {"from": _hex(self.address), "data": _hex(data), "gas": hex(gas)}
        return fields | {"to": _hex(to)} if to else fields

    async def _taken(self, call: JsonObject) -> str:
        """Sends a call, to which the node gives a nonce, and returns the transaction's hash."""
        for _ in range(_ATTEMPTS):
            (answer,) = await self.rpc.batch([("eth_sendTransaction", [call])])
            if not isinstance(answer, RpcError):
                with answers.reading():
                    return "0x" + answers.data(answer, "transaction hash", 32).hex()
            if not any(collision in answer.message for collision in _COLLISIONS):
                message = f"transaction not taken: {answer.message} ({answer.code})"
                raise SubmitError(message)
            await asyncio.sleep(_POLL_SECONDS)
        message = f"transaction not taken in {_ATTEMPTS} attempts: the node gives out nonces that are used"
        raise SubmitError(message)

    async def _mined(self, locator: str) -> Outcome:
        try:
            async with asyncio.timeout(MINED_SECONDS):
                while True:
                    (answer,) = await self.rpc.ask([("eth_getTransactionReceipt", [locator])])
                    if answer is not None:
                        with answers.reading():
                            return answers.outcome(answer)
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            message = f"transaction {locator} is in no block after {MINED_SECONDS} seconds"
            raise SubmitError(message) from error

    async def _why(self, call: JsonObject, outcome: Outcome) -> str:
        (answer,) = await self.rpc.batch([("eth_call", [call, hex(outcome.block - 1)])])
        data = answer.data if isinstance(answer, RpcError) else b""
        return reverts.reason(data)


async def created(rpc: Rpc, outcome: Outcome) -> bytes:
    """Returns the address of the contract that a transaction created; raises ``LedgerUnavailable``."""
    (answer,) = await rpc.ask([("eth_getTransactionReceipt", [_hex(outcome.transaction)])])
    with answers.reading():
        fields = answers.members(answer, "receipt")
        address = answers.data(fields.get("contractAddress"), "receipt.contractAddress", 20)
    (code,) = await rpc.ask([("eth_getCode", [_hex(address), "latest"])])
    if code in ("0x", None):
        message = f"there is no code at {_hex(address)} after its creation"
        raise LedgerUnavailable(message)
    return address


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
