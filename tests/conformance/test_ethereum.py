"""The EVM adapter keeps the port's promises on a real node; the recipient is the shipment contract."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from typing_extensions import override

from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.client import EthereumLedger
from adapters.ethereum.destination import Ethereum
from adapters.ethereum.integrator import EthereumContract
from fabric.core.ids import method_word, sha256
from fabric.ledger.conformance.harness import Asked
from fabric.ledger.conformance.suite import LedgerSuite
from fabric.store.values import Accepted
from fabric.trust.batch import Sealed
from fabric.trust.message import Channel, Message
from tests.support.batches import BINDING
from tests.support.evm import FINALITY, VERDICT, World, world
from tests.support.evm_mail import Correspondent
from tests.support.harness import Works

pytestmark = [pytest.mark.ethereum, pytest.mark.timeout(180)]

METHOD: Final = method_word("judge")


class EthereumHarness(Works):
    """A deployment on anvil, which makes blocks only when it settles down."""

    def __init__(self, place: World, contract: EthereumContract, correspondent: Correspondent, now: int) -> None:
        super().__init__(place.destination, contract.account, now, Ethereum())
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
        await self._place.mine(FINALITY + 2)

    async def ask(self, label: str) -> Asked:
        digest, nonce = sha256(label.encode()), self._asked
        self._asked += 1
        await self._place.automine(on=True)
        invocation = await self._contract.request(digest)
        await self._place.automine(on=False)
        return Asked(invocation, self._contract.account, nonce, METHOD, digest, BINDING, 0)

    async def open(self, channel: Channel) -> None:
        await self._place.automine(on=True)
        await self._correspondent.open(channel)
        await self._place.automine(on=False)

    async def send(self, body: bytes, seconds: int) -> Message:
        await self._place.automine(on=True)
        message = await self._correspondent.write(body, await self._place.time() + seconds)
        await self._place.automine(on=False)
        return message

    async def wait_until(self, time: int) -> None:
        await self._place.do("evm_setNextBlockTimestamp", max(time, await self._place.time() + 1))
        await self._place.mine()

    async def reopen(self) -> None:
        await self._place.reopen()


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[EthereumHarness]:
    async with world(tmp_path, is_registered=False) as place:
        correspondent = Correspondent(await NodeAccount.open(place.rpc, 2), place.destination)
        yield EthereumHarness(place, await place.shipment(), correspondent, await place.time())


class TestEthereumLedger(LedgerSuite):
    """The whole suite."""
