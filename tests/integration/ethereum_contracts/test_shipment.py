"""The shipment contract of the demonstration, from the request to the judgement."""

from typing import Final

import pytest
from eth_abi.abi import encode as abi_encode

from adapters.ethereum.codec import encode
from fabric.core.canonical import JsonObject
from fabric.core.ids import method_word, sha256
from tests.integration.ethereum_contracts.chain import Refusal
from tests.integration.ethereum_contracts.world import Cryptlet, World

pytestmark = pytest.mark.ethereum

FILE: Final = sha256(b"a logger file")
CODEC: Final[JsonObject] = {
    "kind": "abi",
    "fields": [
        ["accepted", "bool"],
        ["mean_kinetic_millicelsius", "int256"],
        ["seconds_out_of_range", "uint256"],
        ["excursions", "uint256"],
    ],
}
VERDICT: Final[JsonObject] = {
    "accepted": True,
    "mean_kinetic_millicelsius": -5_123,
    "seconds_out_of_range": 840,
    "excursions": 2,
}
PAYLOAD: Final = encode(CODEC, VERDICT)


@pytest.fixture
def shipment(world: World) -> Cryptlet:
    return Cryptlet.deploy(world, "ShipmentContract")


def test_a_file_is_judged(shipment: Cryptlet) -> None:
    chain = shipment.world.chain
    sent = chain.send(shipment.functions.requestJudgement(FILE))
    assert sent.names == ["Requested", "JudgementRequested"]
    assert shipment.functions.fileDigest().call() == FILE
    assert shipment.functions.judgementOf(FILE).call() == (False, False, 0, 0, 0)
    record = shipment.answer("verdict", sent, payload=sha256(PAYLOAD))
    assert (record.method, record.input) == (method_word("judge"), FILE)
    shipment.world.anchor([record])
    done = chain.send(shipment.consumption([record], 0, PAYLOAD))
    assert done.names == ["Consumed", "Judged", "Applied"]
    assert dict(done.events)["Judged"] == {
        "fileDigest": FILE,
        "accepted": True,
        "meanKineticMilliCelsius": -5_123,
        "secondsOutOfRange": 840,
        "excursions": 2,
    }
    assert shipment.functions.judgementOf(FILE).call() == (True, True, -5_123, 840, 2)
    assert shipment.functions.stateVersion().call() == 1


def test_a_streamed_shipment_is_judged_from_a_batch(shipment: Cryptlet) -> None:
    names = [f"shipment {number}" for number in range(256)]
    records = [shipment.record(name, method=method_word("judge"), payload=sha256(PAYLOAD)) for name in names]
    shipment.world.anchor(records)
    shipment.world.chain.send(shipment.consumption(records, 77, PAYLOAD))
    judged = shipment.functions.judgementOf(records[77].input).call()
    assert judged == (True, True, -5_123, 840, 2)


def test_only_the_deployer_asks(shipment: Cryptlet) -> None:
    stranger = shipment.world.chain.accounts[1]
    call = shipment.functions.requestJudgement(FILE)
    refused = shipment.world.chain.refusal(call, sender=stranger)
    assert refused == Refusal("NotDeployer", (stranger.lower(),))


def test_a_payload_that_is_no_verdict_spends_nothing(shipment: Cryptlet) -> None:
    payload = abi_encode(["bool"], [True])
    fields = {"method": method_word("judge"), "payload": sha256(payload)}
    records = [shipment.record("odd", **fields)]
    shipment.world.anchor(records)
    refused = shipment.world.chain.refusal(shipment.consumption(records, 0, payload))
    assert refused == Refusal("BadPayload", (32,))
    assert not shipment.world.functions.spent(records[0].intent).call()
