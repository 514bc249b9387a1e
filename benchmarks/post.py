"""Two accounts that write to each other: one on the native ledger, one on Ethereum; and clocks beside both ledgers."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.ethereum import abi, answers
from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.rpc import Call, Rpc
from adapters.native.account import NativeAccount
from fabric.cli.calls import open_client
from fabric.cli.demo.bindings import relay_binding
from fabric.client import Client, MessageTrace
from fabric.core.clock import SystemClock
from fabric.core.ids import Account, BindingVersion, Measurement, sha256
from fabric.gateway.endpoint import Endpoint
from fabric.trust.message import Channel, End, Message, Shown
from fabric.trust.policy import Policy

if TYPE_CHECKING:
    from fabric.core.canonical import JsonValue

CLOCK: Final = SystemClock()
LOOK_SECONDS: Final = 0.01
"""How often the clocks look at the ledgers: what they tell is late by so much at most."""
END_SECONDS: Final = 180
NATIVE: Final = "native"
ETHEREUM: Final = "ethereum"
BODY: Final = b'{"lot":"17","cents":4200}'
_LIFE: Final = 3_600
_OPEN_CHANNEL: Final = abi.Function("openChannel(bytes)")
_SEND: Final = abi.Function("send(bytes,bytes)")
_SEND_GAS: Final = hex(600_000)


@dataclass
class Seen:
    """When each block or entry of a ledger was there first, by its number."""

    newest: Callable[[], Awaitable[int]]
    at: dict[int, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Looks until it is cancelled."""
        known = await self.newest()
        while True:
            newest = await self.newest()
            now = CLOCK.monotonic_seconds()
            self.at |= dict.fromkeys(range(known + 1, newest + 1), now)
            known = newest
            await asyncio.sleep(LOOK_SECONDS)


@dataclass
class Post:
    """A fabric with a relay in force, and the two accounts.

    Attributes:
        client: speaks to the fabric.
        endpoint: the fabric.
        rpc: speaks to the Ethereum node.
        holder: the account on the native ledger.
        account: the one on Ethereum.
        bindings: the relay's binding of each ledger's mailbox.
        before: how many messages of others are in which state; they have ended.
    """

    client: Client
    endpoint: Endpoint
    rpc: Rpc
    holder: NativeAccount
    account: NodeAccount
    bindings: dict[str, BindingVersion]
    before: Counter[str] = field(default_factory=Counter)
    _sent: Counter[tuple[bytes, str]] = field(default_factory=Counter)

    def channel(self, number: int) -> Channel:
        """Returns one of the channels between the two accounts."""
        native, ethereum = (self.endpoint.ledgers[name].destination.id for name in (NATIVE, ETHEREUM))
        return Channel.between(
            End(native, self.holder.account, self.bindings[NATIVE], Shown.ASSERTED),
            End(ethereum, Account(self.account.address.rjust(32, b"\0")), self.bindings[ETHEREUM], Shown.PROVEN),
            number.to_bytes(32, "big"),
        )

    async def open(self, channel: Channel, name: str) -> None:
        """Opens the end on a ledger; returns when it is open there."""
        ledger = self.endpoint.ledgers[name].destination
        if name == NATIVE:
            await self.client.submit_call(NATIVE, self.holder.open_channel(ledger.id, channel))
        else:
            await self.account.send(ledger.settlement[-20:], _OPEN_CHANNEL.call(channel.encoded))

    async def join(self, channel: Channel) -> None:
        """Opens both ends; returns when the fabric has read of both, for before that the first message waits."""
        for name in (NATIVE, ETHEREUM):
            await self.open(channel, name)
        async with asyncio.timeout(END_SECONDS):
            while not await self._is_open(channel):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.05)

    async def _is_open(self, channel: Channel) -> bool:
        known = [one for one in await self.client.channels() if one.channel == channel]
        return bool(known) and all(end.is_open for end in known[0].ends)

    async def send(self, channel: Channel, name: str, count: int = 1) -> list[Message]:
        """Sends messages from a ledger; from Ethereum they are in no block yet when it returns."""
        messages = [self._next(channel, name) for _ in range(count)]
        ledger = self.endpoint.ledgers[name].destination
        if name == NATIVE:
            for message in messages:
                await self.client.submit_call(NATIVE, self.holder.send(ledger.id, message, BODY))
        else:
            # The node takes the calls of a batch in no order, so that each needs its nonce.
            address = "0x" + self.account.address.hex()
            (used,) = await self.rpc.ask([("eth_getTransactionCount", [address, "pending"])])
            first = answers.quantity(used, "transaction count")
            calls = [self._transaction(ledger.settlement[-20:], *item) for item in enumerate(messages, first)]
            await self.rpc.ask(calls)
        return messages

    def _next(self, channel: Channel, name: str) -> Message:
        here = self.endpoint.ledgers[name].destination.id
        own, other = channel.end_at(here), channel.end_beyond(here)
        assert own is not None  # noqa: S101 - our own channel
        assert other is not None  # noqa: S101
        sequence = self._sent[channel.id, name]
        self._sent[channel.id, name] += 1
        ends = (own.destination, other.destination, own.account, other.account)
        return Message(channel.id, *ends, sequence, CLOCK.unix_seconds() + _LIFE, sha256(BODY))

    def _transaction(self, settlement: bytes, nonce: int, message: Message) -> Call:
        fields: JsonValue = {
            "from": "0x" + self.account.address.hex(),
            "to": "0x" + settlement.hex(),
            "data": "0x" + _SEND.call(message.encoded, BODY).hex(),
            "gas": _SEND_GAS,
            "nonce": hex(nonce),
        }
        return "eth_sendTransaction", [fields]

    async def known(self) -> None:
        """Waits until the fabric has read of all that was sent."""
        await self._until(lambda counts: counts.total() >= self._sent.total())

    async def ended(self, messages: Sequence[Message]) -> list[MessageTrace]:
        """Waits until all that was sent is acknowledged; returns messages with their steps."""
        await self._until(lambda counts: counts["acknowledged"] >= self._sent.total())
        return [await self.client.message(message.id.hex()) for message in messages]

    async def _until(self, holds: Callable[[Counter[str]], bool]) -> None:
        async with asyncio.timeout(END_SECONDS):
            while not holds(await self.counts()):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.05)

    async def counts(self) -> Counter[str]:
        """Returns how many messages of these accounts are in which state."""
        counts: Counter[str] = Counter()
        for one in (await self.client.messages()).counts:
            counts[one.state] += one.count
        return counts - self.before

    async def gas(self, locator: str) -> int:
        """Returns the gas of the transaction that a locator names: ``block 7 tx 0x...``."""
        (answer,) = await self.rpc.ask([("eth_getTransactionReceipt", [locator.rsplit(maxsplit=1)[-1]])])
        return answers.outcome(answer).gas

    async def head(self) -> int:
        """Returns the number of the newest block."""
        (answer,) = await self.rpc.ask([("eth_blockNumber", [])])
        return answers.quantity(answer, "head")

    async def last_entry(self) -> int:
        """Returns the number of the newest entry of the native ledger, as its file has it."""
        path = str(self.endpoint.ledgers[NATIVE].settings["path"])
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            newest: int = connection.execute('SELECT MAX("index") FROM entries').fetchone()[0]
        return newest


def place(trace: MessageTrace, state: str) -> int:
    """Returns the block or entry in which a message got into a state."""
    locator = next(step.locator for step in trace.steps if step.state == state and step.locator)
    return int(locator.split()[1])


@asynccontextmanager
async def post(state: Path, relay: Measurement) -> AsyncIterator[Post]:
    """Puts the relay's bindings in force on a running fabric and makes both accounts."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_client(state))
        endpoint, policy = Endpoint.read(state), Policy.parse((state / "policy.json").read_bytes())
        rpc = Rpc(str(endpoint.ledgers[ETHEREUM].settings["url"]))
        stack.push_async_callback(rpc.aclose)
        bindings = {}
        for here in (NATIVE, ETHEREUM):
            rules = relay_binding(relay, endpoint, policy, here)
            bindings[here] = await client.put_binding(rules.document)
        account = await NodeAccount.open(rpc, 2)
        made = Post(client, endpoint, rpc, NativeAccount(Ed25519PrivateKey.generate()), account, bindings)
        made.before = await made.counts()
        yield made
