"""A channel that others run: a fabric joins it by a file of settings, founds once, and knows it again."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.hyperledger.development import DevelopmentKeys
from adapters.hyperledger.devnet import HyperledgerDevnet, start
from adapters.hyperledger.external import connect
from adapters.hyperledger.processes import Network, Terms, issue
from fabric.core.canonical import JsonObject
from fabric.core.clock import SystemClock
from fabric.core.errors import ConfigError, ForeignLedger
from fabric.ledger.devnet import ChannelClient, EvmAccount, Founded, Founding
from fabric.trust.kind import Status
from fabric.trust.policy import Appraiser
from tests.support.batches import APPRAISER
from tests.support.seeded_keys import SeededKeys

pytestmark = [pytest.mark.hyperledger, pytest.mark.timeout(120)]
CLOCK = SystemClock()
NAME = "cryptlet-fabric"
OTHER = SeededKeys("another appraiser").public


class Signer(DevelopmentKeys):
    """The fabric's client key; a key process ends, this one need not."""

    async def aclose(self) -> None:
        """Nothing to end."""


@dataclass
class Place:
    """A network, what its operators tell a newcomer, and the newcomer's folder and key."""

    network: Network
    folder: Path
    terms: JsonObject
    keys: Signer

    async def found(self, founding: Founding | None = None, **changes: str) -> Founded:
        """Joins as ``up`` does."""
        file = self.folder / "trade.json"
        file.write_text(json.dumps(self.terms | changes))

        async def open_signer(need: EvmAccount | ChannelClient) -> Any:  # noqa: ANN401 - see OpenSigner
            assert need == ChannelClient("trade", NAME)
            return self.keys

        channel = await connect(self.folder / "state", {"settings": str(file)}, CLOCK, open_signer)
        return await channel.found(founding or self.founding)

    @property
    def founding(self) -> Founding:
        appraiser = Appraiser(APPRAISER.public.ed25519, APPRAISER.public.address)
        return Founding("trade", (appraiser,), 1, b"", b"", self.keys.client_key)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    network = await Network.start(tmp_path / "net", Terms("trade", dies_with_parent=True))
    told = HyperledgerDevnet(network, "trade", CLOCK)._terms
    terms = {name: value for name, value in told.items() if name != "development"}
    terms |= {"certificate": str(tmp_path / "client.pem")}
    yield Place(network, tmp_path, terms, Signer(tmp_path / "client.key", "trade", NAME))
    await network.aclose()


async def certify(place: Place) -> None:
    """What the organisation's authority does with the file that the first start names."""
    made = await issue(place.network.folder, "Org1MSP", "fabric", place.folder / "state" / "client.pub.pem")
    (place.folder / "client.pem").write_text(made)


async def test_the_first_start_names_the_key_and_the_next_ones_find_one_deployment(place: Place) -> None:
    with pytest.raises(ConfigError, match=r"client\.pub\.pem, as a client, put it there, and start again"):
        await place.found()
    await certify(place)
    founded = await place.found()
    assert (founded.minimum_status, founded.accept_asserted) == (Status.FINAL, False)
    assert founded.trust["policy"] == {"n": 2, "of": ["Org1MSP.peer", "Org2MSP.peer"]}
    (place.folder / "state" / "deployment.json").unlink()  # killed before it was written down
    assert (await place.found()).destination == founded.destination
    block, salt = (str(founded.settings[name]) for name in ("block", "salt"))
    assert (await place.found(block=block, salt=salt)).destination == founded.destination


async def test_a_deployment_of_other_appraisers_or_another_channel_is_refused(place: Place) -> None:
    with pytest.raises(ConfigError):
        await place.found()
    await certify(place)
    settings = (await place.found()).settings
    block, salt = str(settings["block"]), str(settings["salt"])
    strangers = replace(place.founding, appraisers=(Appraiser(OTHER.ed25519, OTHER.address),))
    with pytest.raises(ForeignLedger, match="other appraisers"):
        await place.found(strangers)
    with pytest.raises(ForeignLedger, match="word of other appraisers"):
        await place.found(strangers, block=block, salt=salt)
    with pytest.raises(ForeignLedger, match="another destination"):
        await place.found(block="ab" * 32, salt=salt)


@pytest.mark.parametrize(
    ("options", "told"),
    [({}, "settings"), ({"setings": "x"}, "did you mean"), ({"settings": "nowhere.json"}, "no JSON file")],
)
async def test_options_that_cannot_be_used_are_named(tmp_path: Path, options: JsonObject, told: str) -> None:
    async def never(need: EvmAccount | ChannelClient) -> Any:  # noqa: ANN401 - see OpenSigner
        raise AssertionError(need)

    with pytest.raises(ConfigError, match=told):
        await connect(tmp_path, options, CLOCK, never)


async def test_a_development_network_is_found_again_after_its_end(tmp_path: Path) -> None:
    appraiser = Appraiser(APPRAISER.public.ed25519, APPRAISER.public.address)
    keys = DevelopmentKeys(tmp_path / "client.key", "consortium", NAME)
    founding = Founding("here", (appraiser,), 1, b"", b"", keys.client_key)
    found = []
    for _ in range(2):
        devnet = await start(tmp_path / "net", {"dies_with_parent": True}, CLOCK)
        found.append(await devnet.found(founding))
        await devnet.aclose()
    assert found[0].destination == found[1].destination
    assert found[0].settings["certificate"] == found[1].settings["certificate"]
    with pytest.raises(ConfigError, match="did you mean 'channel'"):
        await start(tmp_path / "other", {"chanel": "x"}, CLOCK)
