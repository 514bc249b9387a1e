"""An open ledger on a channel in memory."""

from dataclasses import dataclass

import pytest

from adapters.hyperledger.client.caller import Caller
from adapters.hyperledger.client.ledger import HyperledgerLedger
from adapters.hyperledger.client.plugin import connect
from fabric.core.clock import FrozenClock
from tests.support.harness import Works
from tests.support.hl_channel import MemoryChannel

START = 1_800_000_000


@dataclass
class World:
    """A channel, the ledger of its client, work for it, and the client's account."""

    clock: FrozenClock
    channel: MemoryChannel
    ledger: HyperledgerLedger
    caller: Caller
    works: Works


@pytest.fixture
def world() -> World:
    clock = FrozenClock(START)
    channel = MemoryChannel(clock)
    parts = connect(channel.settings, clock, channel.keys, channel)
    caller = Caller(parts.asking.peers, parts.asking.endorser)
    ledger = HyperledgerLedger(parts, clock)
    return World(clock, channel, ledger, caller, Works(ledger.destination, caller.account, START))
