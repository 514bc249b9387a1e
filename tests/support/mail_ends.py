"""The two senders of a message campaign: a contract on Ethereum and an account of the native ledger.

Both go on until their ledger holds as many messages as were asked for, whatever dies meanwhile: what a killed chain
forgot was never sent and is sent again, and what may have been taken is asked for before it is repeated.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from eth_abi.abi import encode

from adapters.ethereum import abi, answers
from adapters.ethereum.accounts import DEPLOY_GAS, NodeAccount, created
from adapters.ethereum.contracts import load
from adapters.ethereum.rpc import Rpc
from adapters.native.account import NativeAccount, open_account
from fabric.client import RemoteError
from fabric.core.clock import SystemClock
from fabric.core.errors import LedgerError, NotFound
from fabric.core.ids import Account, ChannelId, DestinationId, sha256
from fabric.ledger.rules.violations import Code
from fabric.trust.destination import Destination
from fabric.trust.message import Channel, Message
from tests.support.house import House
from tests.support.seeded_keys import SeededKeys

if TYPE_CHECKING:
    from fabric.core.canonical import JsonObject

OPEN: Final = abi.Function("open(bytes)")
SEND_MANY: Final = abi.Function("sendMany(bytes32,uint256,uint64)")
NEXT_SEQUENCE: Final = abi.Function("nextSequence(bytes32)", ("uint64",))
SENDER: Final = 2
"""Number of the development node's account that has the contracts send; nobody else uses it."""
PATIENCE_SECONDS: Final = 6.0
"""How long a transaction may take before the contract is asked whether it has sent."""
RETRY_SECONDS: Final = 0.25
_CLOCK: Final = SystemClock()


@dataclass
class Contracts:
    """The bookkeepers on a house's chain, and how many messages they shall have sent by channel."""

    rpc: Rpc
    settlement: Destination
    account: NodeAccount
    wanted: Counter[ChannelId] = field(default_factory=Counter)

    @classmethod
    async def of(cls, house: House) -> "Contracts":
        """Connects to the chain of a running house."""
        ledger = house.endpoint.ledgers["ethereum"]
        rpc = Rpc(str(ledger.settings["url"]))
        return cls(rpc, ledger.destination, await NodeAccount.open(rpc, SENDER))

    async def deploy(self, *, refuses: bool = False) -> Account:
        """Deploys a bookkeeper, one that takes what it is brought or one that refuses it."""
        arguments = encode(["address", "bool"], [self.settlement.settlement[-20:], refuses])
        outcome = await self.account.send(b"", load("test/Bookkeeper").bytecode + arguments, DEPLOY_GAS)
        return Account((await created(self.rpc, outcome)).rjust(32, b"\0"))

    async def open(self, contract: Account, channel: Channel) -> None:
        """Has a bookkeeper open its end."""
        await self.account.send(contract[-20:], OPEN.call(channel.encoded))

    async def send(self, contract: Account, channel: ChannelId, count: int, life: int) -> None:
        """Has a bookkeeper send so many messages more, each of which may be delivered for ``life`` seconds."""
        self.wanted[channel] += count
        await self.catch_up(contract, channel, life)

    async def catch_up(self, contract: Account, channel: ChannelId, life: int) -> None:
        """Has it send what its newest block lacks of what was asked for."""
        while missing := await self._missing(channel):
            expiry = _CLOCK.unix_seconds() + life
            # A killed node forgets a transaction: whoever waits for it waits in vain.
            with suppress(LedgerError, TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self.account.send(contract[-20:], SEND_MANY.call(channel, missing, expiry))

    async def _missing(self, channel: ChannelId) -> int:
        while True:
            try:
                return max(0, self.wanted[channel] - await self.sent(channel))
            except LedgerError:
                await asyncio.sleep(RETRY_SECONDS)

    async def sent(self, channel: ChannelId) -> int:
        """Returns how many messages the newest block holds as sent."""
        call: JsonObject = {
            "to": "0x" + self.settlement.settlement[-20:].hex(),
            "data": "0x" + NEXT_SEQUENCE.call(channel).hex(),
        }
        (answer,) = await self.rpc.ask([("eth_call", [call, "latest"])])
        with answers.reading():
            return int(str(NEXT_SEQUENCE.read(answers.data(answer, "nextSequence"))[0]))

    async def height(self) -> int:
        """Returns the number of the newest block."""
        (answer,) = await self.rpc.ask([("eth_blockNumber", [])])
        with answers.reading():
            return answers.quantity(answer, "head")


@dataclass
class NativeSender:
    """An account of the native ledger, whose calls go through the fabric's door."""

    house: House
    place: DestinationId
    name: str
    sent: Counter[ChannelId] = field(default_factory=Counter)

    @property
    def holder(self) -> NativeAccount:
        return open_account(SeededKeys(self.name)._ed25519)

    async def open(self, channel: Channel) -> None:
        """Opens its end."""
        await self._submit(self.holder.open_channel(self.place, channel))

    async def send(self, channel: Channel, count: int, life: int) -> None:
        """Sends so many messages more, each of which may be delivered for ``life`` seconds."""
        for _ in range(count):
            while not await self._taken(self._next(channel, life)):
                pass  # nobody took it in its time; so it was never sent, and its place is free

    def _next(self, channel: Channel, life: int) -> tuple[Message, bytes]:
        sequence, other = self.sent[channel.id], channel.end_beyond(self.place)
        assert other is not None
        body = b"%s %d" % (channel.id[:4].hex().encode(), sequence)
        ends = (self.place, other.destination, self.holder.account, other.account)
        return Message(channel.id, *ends, sequence, _CLOCK.unix_seconds() + life, sha256(body)), body

    async def _taken(self, letter: tuple[Message, bytes]) -> bool:
        message, body = letter
        try:
            await self._submit(self.holder.send(self.place, message, body))
        except RemoteError as error:
            if str(Code.MESSAGE_EXPIRED) not in str(error):
                raise
            return False
        self.sent[message.channel] += 1
        return True

    async def _submit(self, call: bytes) -> None:
        """Gives the ledger a call, the very same again until the fabric says what became of it."""
        while True:
            try:
                async with self.house.client() as client:
                    await client.submit_call("native", call)
            except RemoteError as error:
                if error.remote_retry == "never":
                    raise
            except NotFound:
                pass  # the fabric is down, or on its way up
            else:
                return
            await asyncio.sleep(RETRY_SECONDS)
