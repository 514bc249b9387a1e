"""The two bindings of the demo."""

from fabric.core.canonical import JsonObject
from fabric.core.ids import NOBODY, Account, Measurement
from fabric.gateway.endpoint import LOCAL_CALLER, Endpoint
from fabric.trust.binding import Binding, write_binding

CODEC: JsonObject = {
    "kind": "abi",
    "fields": [
        ["accepted", "bool"],
        ["mean_kinetic_millicelsius", "int256"],
        ["seconds_out_of_range", "uint256"],
        ["excursions", "uint256"],
    ],
}


def shipment_binding(
    name: str, measurement: Measurement, endpoint: Endpoint, contract: Account, *, asks: bool
) -> Binding:
    """Returns a binding that anchors natively and on Ethereum, there with a contract as recipient.

    Args:
        name: name of the binding.
        measurement: the bundle.
        endpoint: the fabric with its ledgers.
        contract: the recipient on Ethereum.
        asks: the contract asks for its judgements and gets them delivered; else the local caller invokes, and whoever
            wants a record consumed does it.
    """
    native, ethereum = endpoint.ledgers["native"].destination, endpoint.ledgers["ethereum"].destination
    return write_binding(
        {
            "callers": [] if asks else [LOCAL_CALLER],
            "cryptlet": "cold-chain@1.0.0",
            "destinations": [
                {"codec": {"kind": "json"}, "consume": False, "id": native.id.hex(), "recipient": NOBODY.hex()},
                {"codec": CODEC, "consume": asks, "id": ethereum.id.hex(), "recipient": contract.hex()},
            ],
            "measurement": measurement.hex(),
            "methods": ["judge"],
            "name": name,
            "requesters": [contract.hex()] if asks else [],
            "valid_seconds": 7 * 86_400,
        }
    )
