"""A Hyperledger channel: transactions a second, one after the other and at once, and results anchored in batches."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adapters.hyperledger.client.caller import Caller
from adapters.hyperledger.client.plugin import connect
from adapters.hyperledger.client.settings import parse_settings
from adapters.hyperledger.development import DevelopmentKeys
from adapters.hyperledger.devnet import HyperledgerDevnet
from adapters.hyperledger.processes import Network, Terms
from benchmarks.figures import Figure
from fabric.core.clock import SystemClock
from fabric.core.ids import BindingVersion, DestinationId, sha256
from fabric.ledger.devnet import Founding
from fabric.ledger.rules.operations import OpenChannel
from fabric.trust.batch import MAX_RECORDS
from fabric.trust.message import Channel, End, Shown
from fabric.trust.policy import Appraiser

SEQUENTIAL: Final = 20
AT_ONCE: Final = 200
BATCHES: Final = 10
CALLS: Final = 64
_CHANNEL: Final = "bench"
_CLOCK: Final = SystemClock()


@dataclass
class Writer:
    """A client that opens channels, each a write of its own that no other conflicts with."""

    caller: Caller
    place: DestinationId
    made: int = 0

    def operations(self, count: int) -> list[OpenChannel]:
        """Returns so many operations, other ones each time."""
        self.made += count
        return [OpenChannel(self._channel(self.made - number)) for number in range(count)]

    def _channel(self, number: int) -> Channel:
        binding, there = BindingVersion(sha256(b"bench")), DestinationId(sha256(b"elsewhere"))
        own = End(self.place, self.caller.account, binding, Shown.PROVEN)
        other = End(there, self.caller.account, binding, Shown.PROVEN)
        return Channel.between(own, other, sha256(number.to_bytes(8, "big")))


async def measure(folder: Path) -> list[Figure]:
    """Returns the figures, sequential and concurrent transactions in one run."""
    async with _writer(folder) as writer:
        sequential = SEQUENTIAL / await _seconds(_one_by_one(writer))
        at_once = AT_ONCE / await _seconds(_together(writer, AT_ONCE, 1))
        anchored = BATCHES * CALLS / await _seconds(_together(writer, BATCHES, CALLS))
    told = f"embedded ledger, two endorsers, blocks of 0.1 s; {AT_ONCE} at once"
    return [
        Figure("Hyperledger: transactions/s at once, vs one by one", at_once, "/s", sequential, "stated", told),
        Figure(f"Hyperledger: calls/s, {CALLS} a transaction, vs one by one", anchored, "/s", sequential, "stated"),
        Figure(
            f"Hyperledger: results anchored/s, {MAX_RECORDS} a batch, vs one each",
            at_once * MAX_RECORDS,
            "/s",
            sequential,
            "stated",
            "calculated from the first line: a batch is one call, however many records it anchors",
        ),
    ]


async def _one_by_one(writer: Writer) -> None:
    for operation in writer.operations(SEQUENTIAL):
        await writer.caller.act([operation])


async def _together(writer: Writer, count: int, calls: int) -> None:
    await asyncio.gather(*(writer.caller.act(writer.operations(calls)) for _ in range(count)))


async def _seconds(work: Coroutine[Any, Any, None]) -> float:
    begun = _CLOCK.monotonic_seconds()
    await work
    return _CLOCK.monotonic_seconds() - begun


@asynccontextmanager
async def _writer(folder: Path) -> AsyncIterator[Writer]:
    network = await Network.start(folder, Terms(_CHANNEL, dies_with_parent=True))
    try:
        devnet = HyperledgerDevnet(network, _CHANNEL, _CLOCK)
        keys = DevelopmentKeys(folder / "client.key", _CHANNEL, "cryptlet-fabric")
        appraiser = Appraiser(bytes(31) + b"\1", bytes(19) + b"\1")
        founded = await devnet.found(Founding("bench", (appraiser,), 1, b"", b"", keys.client_key))
        asking = connect(parse_settings(founded.settings), _CLOCK, keys).asking
        try:
            yield Writer(Caller(asking.peers, asking.endorser), founded.destination.id)
        finally:
            await asking.peers.aclose()
    finally:
        await network.aclose()
