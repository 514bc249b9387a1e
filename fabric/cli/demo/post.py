"""The post: a correspondent on each ledger writes to one on each other ledger, so that every direction is travelled."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations, permutations
from typing import Final, cast

from fabric.cli.demo.ground import Ground, Told, proofs_of
from fabric.client import Client, MessageTrace
from fabric.core import plugins
from fabric.core.clock import SystemClock
from fabric.core.errors import PlatformError
from fabric.core.ids import Account, BindingVersion, DestinationId, sha256
from fabric.gateway.endpoint import OpenLedger
from fabric.ledger.accounts import AccountHolder
from fabric.ledger.devnet import Correspondent
from fabric.signers.personal import open_personal_key
from fabric.trust.message import Channel, End, Message

LIFE_SECONDS: Final = 900
WAIT_SECONDS: Final = 180
_POLL_SECONDS: Final = 0.25
_SALT: Final = sha256(b"the post of the demo")


class KeyHolder:
    """An account of a ledger that takes signed calls, as a correspondent (``fabric.ledger.devnet.Correspondent``)."""

    def __init__(self, holder: AccountHolder, client: Client, ledger: str, place: DestinationId) -> None:
        """Takes who signs, and the door and the ledger to which the calls go."""
        self._holder = holder
        self._client = client
        self._ledger = ledger
        self._place = place

    @property
    def account(self) -> Account:
        """The account."""
        return self._holder.account

    async def open(self, channel: Channel) -> None:
        """Opens its end of a channel."""
        await self._client.submit_call(self._ledger, self._holder.open_channel(self._place, channel))

    async def send(self, message: Message, body: bytes) -> None:
        """Sends a message of its account."""
        await self._client.submit_call(self._ledger, self._holder.send(self._place, message, body))

    async def aclose(self) -> None:
        """Nothing of its own to close."""


@dataclass
class Post:
    """One telling of the act.

    Attributes:
        ground: what it stands on.
        bindings: the relay's binding for each ledger's mailbox.
        writers: the correspondents by ledger.
        sent: each message by its direction.
    """

    ground: Ground
    bindings: Mapping[str, BindingVersion]
    writers: dict[str, Correspondent] = field(default_factory=dict)
    sent: dict[tuple[str, str], Message] = field(default_factory=dict)

    async def begin(self) -> None:
        """Opens a channel between every two ledgers, and has each end write to the other."""
        ledgers = self.ground.endpoint.ledgers
        step = self.ground.progress.step("write from each ledger to each other", len(ledgers) * (len(ledgers) - 1))
        for name, ledger in ledgers.items():
            self.writers[name] = await self._writer(name, ledger)
        channels = {frozenset(pair): self._channel(*pair) for pair in combinations(ledgers, 2)}
        # One account's transactions follow one another; the ledgers go side by side.
        await asyncio.gather(*(self._open(name, channels) for name in ledgers))
        for here, there in permutations(ledgers, 2):
            self.sent[here, there] = await self._write(channels[frozenset((here, there))], here, there)
            step.done()

    async def end(self) -> list[Told]:
        """Waits until each message is acknowledged; returns them with their proofs.

        Raises:
            PlatformError: one was not, in time; the message says where it is and why.
        """
        step = self.ground.progress.step("the post: delivered, acknowledged", len(self.sent))
        deadline = SystemClock().monotonic_seconds() + WAIT_SECONDS
        told = []
        for (here, there), message in self.sent.items():
            trace = await self._acknowledged(message, deadline)
            told.append(Told(f"{here} to {there}", trace, await proofs_of(self.ground, trace)))
            step.done()
        return told

    async def aclose(self) -> None:
        """Closes the correspondents' connections."""
        for writer in self.writers.values():
            await writer.aclose()

    async def _writer(self, name: str, ledger: OpenLedger) -> Correspondent:
        kind, folder = ledger.destination.kind, self.ground.folder / "correspondents" / name
        folder.mkdir(parents=True)
        if kind in plugins.names(plugins.ACCOUNTS):
            holders = cast("Callable[..., AccountHolder]", plugins.load(plugins.ACCOUNTS, kind))
            holder = holders(open_personal_key(folder / "account.key", "account").key)
            return KeyHolder(holder, self.ground.client, name, ledger.destination.id)
        opener = cast("Callable[..., Awaitable[Correspondent]]", plugins.load(plugins.CORRESPONDENTS, kind))
        return await opener(ledger.settings, folder)

    def _channel(self, one: str, other: str) -> Channel:
        return Channel.between(self._end(one, other), self._end(other, one), _SALT)

    def _end(self, here: str, there: str) -> End:
        place = self.ground.endpoint.ledgers[here].destination.id
        return End(place, self.writers[here].account, self.bindings[here], self.ground.accepts(there))

    async def _open(self, name: str, channels: Mapping[frozenset[str], Channel]) -> None:
        for pair, channel in channels.items():
            if name in pair:
                await self.writers[name].open(channel)

    async def _write(self, channel: Channel, here: str, there: str) -> Message:
        source, destination = (self.ground.endpoint.ledgers[name].destination.id for name in (here, there))
        body = f"greetings from {here} to {there}".encode()
        ends = (source, destination, self.writers[here].account, self.writers[there].account)
        expiry = SystemClock().unix_seconds() + LIFE_SECONDS
        message = Message(channel.id, *ends, 0, expiry, sha256(body))
        await self.writers[here].send(message, body)
        return message

    async def _acknowledged(self, message: Message, deadline: float) -> MessageTrace:
        last = "no ledger has told of it"
        while SystemClock().monotonic_seconds() < deadline:
            found = [one for one in (await self.ground.client.messages()).messages if one.message.id == message.id]
            if found and found[0].state == "acknowledged":
                return await self.ground.client.message(message.id.hex())
            last = f"{found[0].meaning}; {found[0].detail}" if found else last
            await asyncio.sleep(_POLL_SECONDS)
        raise PlatformError(f"message {message.id.hex()[:16]} was not acknowledged in {WAIT_SECONDS} s: {last}")
