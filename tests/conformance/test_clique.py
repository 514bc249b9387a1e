"""The EVM adapter keeps the port's promises on a genuine proof-of-authority network, sealed by three geth nodes.

Blocks come by the clock there, one a second, so the suite's tests run at the same time, each on a deployment of its
own.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest
import pytest_asyncio
from typing_extensions import override

from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.client import EthereumLedger
from adapters.ethereum.clique import Clique, Options
from adapters.ethereum.destination import Ethereum
from adapters.ethereum.integrator import EthereumContract
from fabric.core.canonical import JsonObject
from fabric.core.ids import method_word, sha256
from fabric.ledger.conformance.harness import Asked
from fabric.ledger.conformance.suite import LedgerSuite
from fabric.store.values import Accepted
from fabric.trust.batch import Sealed
from fabric.trust.destination import Destination
from fabric.trust.kind import Source, SourceEvent, Status
from fabric.trust.message import Channel, Message
from tests.support.batches import BINDING
from tests.support.evm import VERDICT
from tests.support.evm_mail import Correspondent
from tests.support.harness import Works
from tests.support.poa import MARKS, Chain, Deployed

pytestmark = [*MARKS, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

METHOD: Final = method_word("judge")
SUITE: Final = sorted(name for name in dir(LedgerSuite) if name.startswith("test_"))
Running = dict[str, "asyncio.Task[None]"]


class Pinned(Ethereum):
    """Checks events under the network's signers, as a binding's source would pin them."""

    def __init__(self, trust: JsonObject) -> None:
        self._trust = trust

    @override
    def check_event(self, destination: Destination, material: JsonObject, trust: JsonObject) -> SourceEvent:
        shown = super().check_event(destination, material, self._trust)
        assert (shown.anchorage.status, shown.anchorage.source) == (Status.FINAL, Source.PROVEN)
        return shown


class CliqueHarness(Works):
    """A deployment whose recipient is a shipment contract."""

    def __init__(self, place: Deployed, contract: EthereumContract, correspondent: Correspondent, now: int) -> None:
        super().__init__(place.destination, contract.account, now, Pinned(place.chain.trust))
        self._place = place
        self._contract = contract
        self._correspondent = correspondent
        self._asked = 0

    @property
    def ledger(self) -> EthereumLedger:
        return self._place.ledger

    @property
    def source(self) -> EthereumLedger:
        return self._place.ledger

    @property
    def mailbox(self) -> EthereumLedger:
        return self._place.ledger

    @property
    @override
    def channel(self) -> Channel:
        return self._correspondent.channel

    @override
    def entry(self, item: Accepted, index: int) -> Sealed:
        sealed = super().entry(item, index)
        # The contract's state version grows by one with each record, from 0.
        record = replace(sealed.record, payload=sha256(VERDICT), state_version=index)
        return Sealed(record, sealed.statement, VERDICT)

    async def settle_down(self) -> None:
        await self._place.settle_down()

    async def ask(self, label: str) -> Asked:
        digest, nonce = sha256(label.encode()), self._asked
        self._asked += 1
        invocation = await self._contract.request(digest)
        return Asked(invocation, self._contract.account, nonce, METHOD, digest, BINDING, 0)

    async def open(self, channel: Channel) -> None:
        await self._correspondent.open(channel)

    async def send(self, body: bytes, seconds: int) -> Message:
        return await self._correspondent.write(body, (await self._place.chain.head()).time + seconds)

    async def wait_until(self, time: int) -> None:
        while (head := await self._place.chain.head()).time < time:
            await self._place.chain.reach(head.number + 1)

    async def reopen(self) -> None:
        await self._place.reopen()


async def run(chain: Chain, name: str) -> None:
    """Runs one test of the suite."""
    place = await chain.deploy(name)
    try:
        contract = await place.shipment()
        correspondent = Correspondent(await NodeAccount.open(chain.rpc, 2), place.destination)
        await getattr(LedgerSuite(), name)(CliqueHarness(place, contract, correspondent, (await chain.head()).time))
    finally:
        await place.ledger.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    folder = tmp_path_factory.mktemp("clique")
    async with await Clique.start(folder, Options(dies_with_parent=True)) as network:
        chain = Chain(network)
        tasks = {name: asyncio.create_task(run(chain, name)) for name in SUITE}
        yield tasks
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        await chain.rpc.aclose()


@pytest.mark.parametrize("name", SUITE)
async def test_the_suite(running: Running, name: str) -> None:
    await running[name]
