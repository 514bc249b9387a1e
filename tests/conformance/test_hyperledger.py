"""The Hyperledger adapter keeps the port's promises: client, embedded ledger, chaincode and key each a process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.hyperledger.destination import Hyperledger
from fabric.ledger.conformance.suite import LedgerSuite
from tests.support.hl_embedded import make_network
from tests.support.hl_harness import HyperledgerHarness, Session

pytestmark = [pytest.mark.hyperledger, pytest.mark.timeout(180)]


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[HyperledgerHarness]:
    network = await make_network(tmp_path)
    async with network.keys() as keys:
        session = Session(*await network.open(keys))
        made = HyperledgerHarness(session, network.clock, lambda: network.open(keys), Hyperledger())
        yield made
        await made.aclose()
    await network.aclose()


class TestHyperledgerLedger(LedgerSuite):
    """The whole suite."""
