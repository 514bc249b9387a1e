"""What the client calls and reads is what the committed contracts offer."""

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from adapters.ethereum import abi, told
from adapters.ethereum.contracts import load
from adapters.ethereum.reverts import reason

SETTLEMENT = load("Settlement").abi
OFFERED = [*SETTLEMENT, *load("ShipmentContract").abi, *load("InsuredShipment").abi]
FUNCTIONS = {name: value for name, value in vars(abi).items() if isinstance(value, abi.Function)}
CALL_REVERTED = keccak(b"CallReverted(address,bytes)")[:4]
UNKNOWN_MESSAGE = keccak(b"UnknownMessage(bytes32)")[:4] + bytes(32)


def signature(item: dict[str, Any]) -> str:
    return f"{item['name']}({','.join(each['type'] for each in item['inputs'])})"


def returned(item: dict[str, Any]) -> tuple[str, ...]:
    """Returns the types that a function returns; a struct of static members is spelled as its members."""
    outer = item["outputs"]
    inner = [member for each in outer for member in each.get("components", [each])]
    return tuple(each["type"] for each in inner)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_those_of_the_contracts(name: str) -> None:
    function = FUNCTIONS[name]
    found = [item for item in OFFERED if item["type"] == "function" and signature(item) == function.signature]
    assert found
    if function.returns:
        assert returned(found[0]) == function.returns


@pytest.mark.parametrize("event", ["Settled", "Registered", "Consumed", "Requested", "Acknowledged"])
def test_events_are_those_of_the_contract(event: str) -> None:
    found = next(item for item in SETTLEMENT if item["type"] == "event" and item["name"] == event)
    assert keccak(signature(found).encode()) == getattr(abi, event.upper())


def test_topics_and_data_of_events_are_where_they_are_read() -> None:
    events = {item["name"]: item["inputs"] for item in SETTLEMENT if item["type"] == "event"}
    indexed = {name: [each["name"] for each in inputs if each["indexed"]] for name, inputs in events.items()}
    assert indexed["Settled"][0] == "batch"
    assert indexed["Consumed"][0] == "intent"
    assert indexed["Registered"][1] == "result"
    assert indexed["Requested"] == ["index", "invocation", "requester"]
    rest = [each for each in events["Requested"] if not each["indexed"]]
    assert tuple(each["type"] for each in rest) == abi.REQUESTED_DATA
    assert [each["name"] for each in rest] == ["nonce", "method", "input", "binding", "stateVersion"]


@pytest.mark.parametrize("topic", told.NAMES, ids=list(told.NAMES.values()))
def test_mailbox_events_are_those_of_the_contract(topic: bytes) -> None:
    events = {keccak(signature(item).encode()): item for item in SETTLEMENT if item["type"] == "event"}
    inputs = events[topic]["inputs"]
    third = "account" if topic == told.OPENED else "channel"
    second = "channel" if topic == told.OPENED else "message"
    assert [each["name"] for each in inputs if each["indexed"]] == ["index", second, third]
    rest = [(each["name"], each["type"]) for each in inputs if not each["indexed"]]
    content = {told.SENT: "body", told.DELIVERED: "result"}.get(topic)
    assert [name for name, _ in rest] == (["words", content] if content else ["words"])
    assert tuple(kind for _, kind in rest) == told.DATA[topic]


def test_outcomes_and_states_are_where_they_are_read() -> None:
    outputs = {
        item["name"]: item["outputs"][0] for item in SETTLEMENT if item["type"] == "function" and item["outputs"]
    }
    assert outputs["deliveryOf"]["components"][0]["name"] == "outcome"
    assert outputs["messageOf"]["components"][0]["name"] == "state"


def test_the_attestation_result_is_where_it_is_read() -> None:
    key = next(item for item in SETTLEMENT if item.get("name") == "keyOf")["outputs"][0]["components"]
    assert key[abi.KEY_OF_RESULT]["name"] == "result"


def test_refusals_have_the_names_of_the_contracts_errors() -> None:
    for item in OFFERED:
        if item["type"] == "error":
            told_as = reason(keccak(signature(item).encode())[:4] + bytes(64))
            assert told_as.partition(":")[0] == item["name"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "reverted without a reason"),
        (bytes.fromhex("deadbeef"), "unknown error 0xdeadbeef"),
        (b"\1", "unknown error 0x01"),
        (bytes.fromhex("4e487b71") + (17).to_bytes(32, "big"), "Panic: 17"),
        (bytes.fromhex("08c379a0"), "Error: unreadable"),
        (
            bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (2).to_bytes(32, "big") + b"no".ljust(32, b"\0"),
            "Error: no",
        ),
        (
            bytes.fromhex("08c379a0") + encode(["string"], ["\x1b[2Jno\u202e"]),
            "Error: ?[2Jno?",
        ),
        (
            CALL_REVERTED + encode(["address", "bytes"], [bytes(20), UNKNOWN_MESSAGE]),
            "CallReverted: 0x0000000000000000000000000000000000000000: UnknownMessage",
        ),
        (
            CALL_REVERTED + encode(["address", "bytes"], [bytes(20), CALL_REVERTED * 9]),
            "CallReverted: 0x0000000000000000000000000000000000000000: CallReverted",
        ),
        (CALL_REVERTED + b"\xff" * 64, "CallReverted: unreadable"),
    ],
    ids=["nothing", "foreign", "short", "panic", "cut", "message", "control", "called", "nested", "cut call"],
)
def test_other_refusals_are_told(data: bytes, text: str) -> None:
    assert reason(data) == text
