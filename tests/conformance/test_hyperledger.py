"""The Hyperledger adapter keeps the port's promises on the embedded ledger and the chaincode, real processes both.

One network carries every test's deployment: each is a chaincode of its own name.
"""

from collections.abc import AsyncIterator
from itertools import count
from typing import Final

import pytest
import pytest_asyncio

from adapters.hyperledger.client.caller import Caller
from adapters.hyperledger.client.ledger import HyperledgerLedger
from adapters.hyperledger.client.plugin import connect, open_ledger
from adapters.hyperledger.client.settings import parse_settings
from adapters.hyperledger.destination import Hyperledger
from adapters.hyperledger.development import DevelopmentKeys
from adapters.hyperledger.devnet import HyperledgerDevnet
from adapters.hyperledger.processes import Network, Terms
from fabric.core.clock import SystemClock
from fabric.ledger.conformance.suite import LedgerSuite
from fabric.ledger.devnet import Founding
from fabric.trust.policy import Appraiser
from tests.support.batches import APPRAISER
from tests.support.hl_harness import HyperledgerHarness, Session

pytestmark = [pytest.mark.hyperledger, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

CHANNEL: Final = "conformance"
NAMES: Final = tuple(f"suite-{number}" for number in range(64))
CLOCK: Final = SystemClock()
_taken = count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Network]:
    folder = tmp_path_factory.mktemp("hyperledger")
    started = await Network.start(folder, Terms(CHANNEL, NAMES, dies_with_parent=True))
    yield started
    await started.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def harness(network: Network) -> AsyncIterator[HyperledgerHarness]:
    name = NAMES[next(_taken)]
    keys = DevelopmentKeys(network.folder / f"{name}.key", CHANNEL, name)
    founding = Founding(name, (Appraiser(APPRAISER.public.ed25519, APPRAISER.public.address),), 1, b"", b"")
    devnet = HyperledgerDevnet(network, CHANNEL, CLOCK, name)
    settings = (await devnet.found(Founding(**{**vars(founding), "client": keys.client_key}))).settings

    async def opened() -> tuple[HyperledgerLedger, Caller]:
        ledger = await open_ledger(settings, CLOCK, keys)
        parts = connect(parse_settings(settings), CLOCK, keys)
        return ledger, Caller(parts.asking.peers, parts.asking.endorser)

    made = HyperledgerHarness(Session(*await opened()), CLOCK, opened, Hyperledger())
    yield made
    await made.aclose()


class TestHyperledgerLedger(LedgerSuite):
    pass
