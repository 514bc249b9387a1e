"""The conformance suite on a channel in memory: the client alone, without network. On real processes it runs in
``tests/conformance/test_hyperledger.py``.
"""

from collections.abc import AsyncIterator

import pytest
from typing_extensions import override

from adapters.hyperledger.client.caller import Caller
from adapters.hyperledger.client.ledger import HyperledgerLedger
from adapters.hyperledger.client.plugin import connect
from adapters.hyperledger.destination import Hyperledger
from fabric.core.clock import FrozenClock
from fabric.ledger.conformance.suite import LedgerSuite
from tests.support.hl_channel import MemoryChannel
from tests.support.hl_harness import HyperledgerHarness, Session

START = 1_800_000_000


class MemoryHarness(HyperledgerHarness):
    clock: FrozenClock

    @override
    async def wait_until(self, time: int) -> None:
        self.clock.advance(max(0, time - self.clock.unix_seconds()))


@pytest.fixture
async def harness() -> AsyncIterator[MemoryHarness]:
    clock = FrozenClock(START)
    channel = MemoryChannel(clock)

    async def opened() -> tuple[HyperledgerLedger, Caller]:
        parts = connect(channel.settings, clock, channel.keys, channel)
        return HyperledgerLedger(parts, clock), Caller(parts.asking.peers, parts.asking.endorser)

    made = MemoryHarness(Session(*await opened()), clock, opened, Hyperledger())
    made.clock = clock
    yield made
    await made.aclose()


class TestHyperledgerLedger(LedgerSuite):
    pass
