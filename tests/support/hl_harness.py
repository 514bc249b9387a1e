"""The conformance harness of a Hyperledger deployment; the fabric's account there is the relayer's own."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from adapters.hyperledger.client.caller import Caller
from adapters.hyperledger.client.ledger import HyperledgerLedger
from fabric.core.clock import Clock
from fabric.core.ids import request_id, sha256
from fabric.ledger.conformance.harness import Asked
from fabric.ledger.rules.operations import OpenChannel, Request, Send
from fabric.trust.kind import DestinationKind
from fabric.trust.message import Channel, Message
from tests.support.batches import BINDING
from tests.support.harness import Works, next_message

Open = Callable[[], Awaitable[tuple[HyperledgerLedger, Caller]]]


@dataclass
class Session:
    """An open ledger, and the relayer's account beside it."""

    ledger: HyperledgerLedger
    caller: Caller
    sent: int = 0
    asked: int = field(default=0)


class HyperledgerHarness(Works):
    """Work for one deployment, and its relayer's calls."""

    def __init__(self, session: Session, clock: Clock, open_again: Open, kind: DestinationKind | None) -> None:
        super().__init__(session.ledger.destination, session.caller.account, clock.unix_seconds(), kind)
        self._session = session
        self._clock = clock
        self._open = open_again

    @property
    def ledger(self) -> HyperledgerLedger:
        return self._session.ledger

    @property
    def source(self) -> HyperledgerLedger:
        return self._session.ledger

    @property
    def mailbox(self) -> HyperledgerLedger:
        return self._session.ledger

    async def open(self, channel: Channel) -> None:
        await self._session.caller.act([OpenChannel(channel)])

    async def send(self, body: bytes, seconds: int) -> Message:
        expiry = self._clock.unix_seconds() + seconds
        message = next_message(self.channel, self.destination.id, self._session.sent, body, expiry)
        self._session.sent += 1
        await self._session.caller.act([Send(message, body)])
        return message

    async def ask(self, label: str) -> Asked:
        request, nonce = Request(sha256(b"judge"), sha256(label.encode()), BINDING, 0), self._session.asked
        self._session.asked += 1
        await self._session.caller.act([request])
        words = (request.method, request.input, request.binding)
        invocation = request_id(self.destination.id, self._session.caller.account, nonce, *words)
        return Asked(invocation, self._session.caller.account, nonce, *words, request.state_version)

    async def wait_until(self, time: int) -> None:
        """Waits on the machine's clock, which peers hold a transaction's time against."""
        await asyncio.sleep(max(0, time - self._clock.unix_seconds()))

    async def settle_down(self) -> None:
        """What was sent before is in a block when a later transaction is."""
        await self._session.caller.wait()

    async def reopen(self) -> None:
        await self._session.ledger.aclose()
        self._session.ledger, self._session.caller = await self._open()

    async def aclose(self) -> None:
        await self._session.ledger.aclose()
