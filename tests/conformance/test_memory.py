"""The ledger in memory keeps the port's promises, with and without finality."""

import pytest

from fabric.core.clock import FrozenClock
from fabric.core.ids import BindingVersion, sha256
from fabric.ledger.conformance.harness import Asked
from fabric.ledger.conformance.suite import LedgerSuite
from fabric.ledger.fakes.memory import MemoryLedger
from fabric.ledger.rules.operations import OpenChannel, Request, Send
from fabric.ledger.rules.state import Genesis
from fabric.trust.message import Channel, Message
from fabric.trust.schemes import ED25519
from tests.support.batches import APPRAISER, NOW, RECIPIENT, destination
from tests.support.harness import Works, next_message


class MemoryHarness(Works):
    """A chain in memory, which outlives its clients."""

    def __init__(self, finality: int) -> None:
        super().__init__(destination(), RECIPIENT, NOW)
        genesis = Genesis(destination(), (APPRAISER.public,), 1, ED25519)
        self.clock = FrozenClock(NOW)
        self.ledger = MemoryLedger(genesis, self.clock, finality=finality, mines_at_once=False)
        self.source = self.mailbox = self.ledger
        self._sent = 0
        self._finality = finality
        self._asked = 0

    async def settle_down(self) -> None:
        self.ledger.mine(1 + self._finality)

    async def ask(self, label: str) -> Asked:
        request = Request(sha256(b"judge"), sha256(label.encode()), BindingVersion(sha256(b"binding")), 7)
        invocation = self.ledger.request(RECIPIENT, request)
        nonce, self._asked = self._asked, self._asked + 1
        return Asked(invocation, RECIPIENT, nonce, request.method, request.input, request.binding, 7)

    async def open(self, channel: Channel) -> None:
        self.ledger.act(RECIPIENT, OpenChannel(channel))

    async def send(self, body: bytes, seconds: int) -> Message:
        expiry = self.clock.unix_seconds() + seconds
        message = next_message(self.channel, self.destination.id, self._sent, body, expiry)
        self._sent += 1
        self.ledger.act(RECIPIENT, Send(message, body))
        return message

    async def wait_until(self, time: int) -> None:
        self.clock.advance(max(0, time - self.clock.unix_seconds()))

    async def reopen(self) -> None:
        await self.ledger.aclose()


@pytest.fixture(params=[0, 3], ids=["final at once", "finality 3"])
def harness(request: pytest.FixtureRequest) -> MemoryHarness:
    return MemoryHarness(request.param)


class TestMemoryLedger(LedgerSuite):
    """The whole suite."""
