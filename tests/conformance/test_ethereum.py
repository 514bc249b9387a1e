"""The EVM adapter keeps the port's promises on a real node; the recipient is the shipment contract."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from typing_extensions import override

from adapters.ethereum.client import EthereumLedger
from adapters.ethereum.integrator import EthereumContract
from fabric.core.ids import method_word, sha256
from fabric.ledger.conformance.harness import Asked
from fabric.ledger.conformance.suite import LedgerSuite
from fabric.store.values import Accepted
from fabric.trust.batch import Sealed
from tests.support.batches import BINDING
from tests.support.evm import FINALITY, VERDICT, World, world
from tests.support.harness import Works

pytestmark = [pytest.mark.ethereum, pytest.mark.timeout(180)]

METHOD: Final = method_word("judge")


class EthereumHarness(Works):
    """A deployment on anvil, which makes blocks only when it settles down."""

    def __init__(self, place: World, contract: EthereumContract, now: int) -> None:
        super().__init__(place.destination, contract.account, now)
        self._place = place
        self._contract = contract
        self._asked = 0

    @property
    def ledger(self) -> EthereumLedger:
        return self._place.ledger

    @property
    def source(self) -> EthereumLedger:
        return self._place.ledger

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

    async def reopen(self) -> None:
        await self._place.reopen()


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[EthereumHarness]:
    async with world(tmp_path, is_registered=False) as place:
        yield EthereumHarness(place, await place.shipment(), await place.time())


class TestEthereumLedger(LedgerSuite):
    """The whole suite."""
