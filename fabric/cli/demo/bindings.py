"""The bindings of the demo."""

from fabric.core.canonical import JsonObject
from fabric.core.ids import NOBODY, Account, Measurement
from fabric.gateway.endpoint import LOCAL_CALLER, Endpoint
from fabric.relay.model import RELAY_CALLER
from fabric.trust.binding import Binding, write_binding
from fabric.trust.destination import Destination
from fabric.trust.policy import Policy

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
    """Returns a binding that anchors on every ledger, on Ethereum with a contract as recipient.

    Args:
        name: name of the binding.
        measurement: the bundle.
        endpoint: the fabric with its ledgers.
        contract: the recipient on Ethereum.
        asks: the contract asks for its judgements and gets them delivered; else the local caller invokes, and whoever
            wants a record consumed does it.
    """
    ethereum = endpoint.ledgers["ethereum"].destination
    return write_binding(
        {
            "callers": [] if asks else [LOCAL_CALLER],
            "cryptlet": "cold-chain@1.0.0",
            "destinations": [
                *[_log(ledger.destination) for name_, ledger in endpoint.ledgers.items() if name_ != "ethereum"],
                {"codec": CODEC, "consume": asks, "id": ethereum.id.hex(), "recipient": contract.hex()},
            ],
            "measurement": measurement.hex(),
            "methods": ["judge"],
            "name": name,
            "requesters": [contract.hex()] if asks else [],
            "valid_seconds": 7 * 86_400,
        }
    )


def relay_binding(measurement: Measurement, endpoint: Endpoint, policy: Policy, here: str) -> Binding:
    """Returns the binding of the channels' ends on a ledger, whose other ends are on any other one.

    Args:
        measurement: the relay's bundle.
        endpoint: the fabric with its ledgers.
        policy: the roots of trust under which the other ledgers' events count.
        here: name of the ledger whose mailbox the records are for.
    """
    own = endpoint.ledgers[here].destination
    others = [ledger.destination for name, ledger in endpoint.ledgers.items() if name != here]
    return write_binding(
        {
            "callers": [RELAY_CALLER],
            "cryptlet": "relay@1.0.0",
            "destinations": [
                {"codec": {"kind": "message"}, "consume": True, "id": own.id.hex(), "recipient": own.settlement.hex()}
            ],
            "measurement": measurement.hex(),
            "methods": ["acknowledge", "deliver"],
            "name": f"relay-to-{here}",
            "requesters": [],
            "sources": [_source(other, policy) for other in others],
            "valid_seconds": 86_400,
        }
    )


def _log(ledger: Destination) -> JsonObject:
    """Returns the route to a ledger that only keeps the record."""
    return {"codec": {"kind": "json"}, "consume": False, "id": ledger.id.hex(), "recipient": NOBODY.hex()}


def _source(ledger: Destination, policy: Policy) -> JsonObject:
    roots = policy.destinations[ledger.id]
    return {
        "accept_asserted": roots.accept_asserted,
        "destination": ledger.to_json(),
        "minimum_status": str(roots.minimum_status),
        "trust": roots.trust,
    }
