"""The Hyperledger adapter keeps the port's promises on the embedded ledger and the chaincode, real processes both.

One network carries every test's deployment: each is a chaincode of its own name. Where the variable HYPERLEDGER names a
JSON file, a network that others run takes the embedded one's place (docs/guide/hyperledger.md): ``settings`` of the
adapter without ``chaincode``, ``key`` (the client's key file) and ``chaincodes``, a list of names under which the
chaincode was committed on the channel and never founded, one for each test.
"""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
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
from adapters.hyperledger.founding import Memory
from adapters.hyperledger.processes import Network, Terms
from fabric.core.canonical import JsonObject
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
FOUNDING: Final = Founding("suite", (Appraiser(APPRAISER.public.ed25519, APPRAISER.public.address),), 1, b"", b"")
REAL: Final = os.environ.get("HYPERLEDGER", "")
_taken = count()


@dataclass(frozen=True)
class Embedded:
    """The embedded network."""

    network: Network

    async def deployment(self, number: int, folder: Path) -> tuple[JsonObject, DevelopmentKeys]:
        """Founds the next deployment; returns its settings, and the client's key."""
        keys = DevelopmentKeys(folder / "client.key", CHANNEL, NAMES[number])
        devnet = HyperledgerDevnet(self.network, CHANNEL, CLOCK, NAMES[number])
        return (await devnet.found(replace(FOUNDING, client=keys.client_key))).settings, keys


@dataclass(frozen=True)
class Real:
    """A network that others run."""

    settings: JsonObject
    key: Path
    chaincodes: list[str]

    async def deployment(self, number: int, folder: Path) -> tuple[JsonObject, DevelopmentKeys]:
        """As above."""
        assert number < len(self.chaincodes), f"commit more chaincodes and name them in {REAL}"
        name = self.chaincodes[number]
        keys = DevelopmentKeys(self.key, str(self.settings["channel"]), name)
        terms = self.settings | {"chaincode": name}
        return terms | await Memory(folder, CLOCK).deployment(FOUNDING, terms, keys), keys


def named() -> Real:
    given = json.loads(Path(REAL).read_text())
    return Real(given["settings"], Path(given["key"]), given["chaincodes"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Embedded | Real]:
    if REAL:
        yield named()
        return
    folder = tmp_path_factory.mktemp("hyperledger")
    started = await Network.start(folder, Terms(CHANNEL, NAMES, dies_with_parent=True))
    yield Embedded(started)
    await started.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def harness(place: Embedded | Real, tmp_path: Path) -> AsyncIterator[HyperledgerHarness]:
    settings, keys = await place.deployment(next(_taken), tmp_path)

    async def opened() -> tuple[HyperledgerLedger, Caller]:
        ledger = await open_ledger(settings, CLOCK, keys)
        parts = connect(parse_settings(settings), CLOCK, keys)
        return ledger, Caller(parts.asking.peers, parts.asking.endorser)

    made = HyperledgerHarness(Session(*await opened()), CLOCK, opened, Hyperledger())
    yield made
    await made.aclose()


class TestHyperledgerLedger(LedgerSuite):
    pass
