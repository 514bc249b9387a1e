"""A campaign: messages in both directions between a contract on Ethereum and accounts of the native ledger."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from fabric.cli.demo.bindings import relay_binding
from fabric.client import MessageInfo
from fabric.core.ids import Account, BindingVersion, sha256
from fabric.trust.message import Channel, End, Shown
from fabric.trust.policy import Policy
from fabric.wire.messages import ListMessages
from tests.support.depth import DEPTH
from tests.support.house import House
from tests.support.house_work import POLL_SECONDS
from tests.support.mail_books import Books, Contract, native_books
from tests.support.mail_ends import Contracts, NativeSender
from tests.support.projects import RELAY, built

FINALITY: Final = 4
ENDED: Final = frozenset({"acknowledged", "refunded"})
LONG: Final = 7_200
"""Seconds that a message may take which is to arrive, whatever is killed meanwhile."""
SHORT: Final = (8, 25)
"""Seconds of one that may arrive or expire."""
DEAD: Final = (5, 15)
"""Seconds of one that cannot arrive."""
GOES: Final = 10 * DEPTH
"""In so many goes, and one for a kind that is left over, each sender sends."""
GAP_SECONDS: Final = (0.5, 3.5)
"""Between two goes of one sender, so that something is under way whatever is killed."""
SHARES: Final = {"live": 70, "short": 12, "dead": 9, "refusing": 9}
"""Of a hundred messages; what is no contract cannot refuse, so that from Ethereum those go to nobody too."""


@dataclass(frozen=True)
class Order:
    """So many messages of one kind over one channel."""

    kind: str
    count: int
    life: int


def orders(rng: random.Random, total: int) -> list[Order]:
    """Returns the orders of one sender: together so many messages, each kind among them, in any order."""
    counts = {kind: max(1, total * share // 100) for kind, share in SHARES.items()}
    counts["live"] += total - sum(counts.values())
    burst = max(1, total // GOES)
    found: list[Order] = []
    for kind, count in counts.items():
        found += [Order(kind, min(burst, count - at), _life(rng, kind)) for at in range(0, count, burst)]
    rng.shuffle(found)
    return found


def _life(rng: random.Random, kind: str) -> int:
    return LONG if kind == "live" else rng.randint(*(SHORT if kind == "short" else DEAD))


@dataclass
class Campaign:
    """The ends of the channels of one house, and who sends."""

    house: House
    contracts: Contracts
    bookkeeper: Account
    refusing: Account
    native: NativeSender
    out: dict[str, Channel] = field(default_factory=dict)
    """Channels of what Ethereum sends, by kind."""
    back: dict[str, Channel] = field(default_factory=dict)
    """Channels of what the native ledger sends, by kind."""

    @classmethod
    async def prepare(cls, house: House) -> "Campaign":
        """Puts the bindings in force, deploys the contracts and opens the channels, of some of them one end."""
        contracts = await Contracts.of(house)
        place = house.endpoint.ledgers["native"].destination.id
        made = cls(
            house,
            contracts,
            bookkeeper=await contracts.deploy(),
            refusing=await contracts.deploy(refuses=True),
            native=NativeSender(house, place, "campaign"),
        )
        await made._open(await made._bind())
        return made

    async def _bind(self) -> dict[str, BindingVersion]:
        policy = Policy.parse((self.house.state / "policy.json").read_bytes())
        measurement, versions = built(RELAY).bundle.measurement, {}
        async with self.house.client() as client:
            for here in ("native", "ethereum"):
                binding = relay_binding(measurement, self.house.endpoint, policy, here)
                versions[here] = await client.put_binding(binding.document)
        return versions

    async def _open(self, bindings: dict[str, BindingVersion]) -> None:
        live = self._channel(bindings, "live", self.bookkeeper)
        to_nobody, from_nobody = (self._channel(bindings, name, self.bookkeeper) for name in ("there", "here"))
        refusing = self._channel(bindings, "refusing", self.refusing)
        for contract, channel in ((self.bookkeeper, live), (self.bookkeeper, to_nobody), (self.refusing, refusing)):
            await self.contracts.open(contract, channel)
        for channel in (live, from_nobody, refusing):
            await self.native.open(channel)
        self.out = {"live": live, "short": live, "dead": to_nobody, "refusing": to_nobody}
        self.back = {"live": live, "short": live, "dead": from_nobody, "refusing": refusing}

    def _channel(self, bindings: dict[str, BindingVersion], name: str, contract: Account) -> Channel:
        # A plain development chain proves nothing.
        native = End(self.native.place, self.native.holder.account, bindings["native"], Shown.ASSERTED)
        ethereum = End(self.contracts.settlement.id, contract, bindings["ethereum"], Shown.PROVEN)
        return Channel.between(native, ethereum, sha256(name.encode()))

    async def send(self, rng: random.Random, total: int) -> None:
        """Sends so many messages, half of them from each ledger, over a while."""
        half = total // 2
        await asyncio.gather(
            self._send_out(orders(rng, half), random.Random(rng.random())),  # noqa: S311 - repeatable
            self._send_back(orders(rng, total - half), random.Random(rng.random())),  # noqa: S311 - repeatable
        )

    async def _send_out(self, wanted: list[Order], rng: random.Random) -> None:
        for order in wanted:
            await self.contracts.send(self.bookkeeper, self.out[order.kind].id, order.count, order.life)
            await asyncio.sleep(rng.uniform(*GAP_SECONDS))

    async def _send_back(self, wanted: list[Order], rng: random.Random) -> None:
        for order in wanted:
            await self.native.send(self.back[order.kind], order.count, order.life)
            await asyncio.sleep(rng.uniform(*GAP_SECONDS))

    async def settle(self) -> int:
        """Waits until every message that was asked for is final as sent; returns how many there are.

        Nothing may be killed any more. What a killed chain forgot meanwhile is sent again.
        """
        while True:
            before = [await self.contracts.sent(channel) for channel in self.contracts.wanted]
            for channel in self.contracts.wanted:
                await self.contracts.catch_up(self.bookkeeper, channel, LONG)
            sent = [await self.contracts.sent(channel) for channel in self.contracts.wanted]
            if sent == before:
                await self.deepen()
                return sum(sent) + self.native.sent.total()

    async def deepen(self) -> None:
        """Waits until what is in the chain's newest block now is final."""
        height = await self.contracts.height() + FINALITY
        while await self.contracts.height() < height:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(POLL_SECONDS)

    async def wait_ended(self, count: int, patience: float) -> None:
        """Waits until the fabric says that so many messages have ended; raises with what has not, and why."""
        states: Counter[str] = Counter()
        try:
            async with asyncio.timeout(patience):
                while sum(states[state] for state in ENDED) < count or set(states) - ENDED:
                    await asyncio.sleep(POLL_SECONDS)
                    states = await self._states()
        except TimeoutError:
            left = "\n".join([*map(_told, await self._open_messages())])
            raise AssertionError(f"{dict(states)} of {count} messages in {patience:.0f} s:\n{left}") from None

    async def _states(self) -> Counter[str]:
        async with self.house.client() as client:
            listed = await client.messages()
        states: Counter[str] = Counter()
        for found in listed.counts:
            states[found.state] += found.count
        return states

    async def _open_messages(self) -> list[MessageInfo]:
        states = ("sent", "delivering", "expiring", "delivered", "expired", "acknowledging")
        async with self.house.client() as client:
            return [*(await client.messages(ListMessages(states=states, limit=20))).messages]

    @property
    def chain(self) -> Contract:
        return Contract(self.contracts.rpc, self.contracts.settlement)

    def native_books(self) -> Books:
        return native_books(self.house.state / "ledgers/native/native.db", self.native.place)


def _told(info: MessageInfo) -> str:
    ends = f"{info.source} -> {info.destination}"
    return f"{info.message.id.hex()[:16]} {ends} {info.state} {info.reason} attempt {info.attempt}: {info.detail}"
