"""What every operation costs, kept in ``snapshots/gas.json``, so that a change of cost is a line in a change.

``CRYPTLET_WRITE_GAS=1`` writes the file instead of comparing. docs/spec/ethereum.md shows the same figures.
"""

import json
import os
from typing import Any, Final

import pytest
from web3.contract.contract import ContractFunction

from fabric.core.ids import Measurement, method_word, sha256
from fabric.trust.attestation import KeyState
from fabric.trust.batch import MAX_RECORDS, header_of
from fabric.trust.letter import Delivery
from fabric.trust.message import DELIVER, MAX_BODY_BYTES, Message, Shown
from fabric.trust.record import Record
from tests.integration.ethereum_contracts.chain import FORKS, ROOT, Sent, anvil
from tests.integration.ethereum_contracts.post import Post, channel_of
from tests.integration.ethereum_contracts.test_shipment import PAYLOAD
from tests.integration.ethereum_contracts.world import YEAR, Cryptlet, World, inclusion

pytestmark = pytest.mark.ethereum

SNAPSHOT: Final = ROOT / "adapters" / "ethereum" / "contracts" / "snapshots" / "gas.json"
DOCUMENT: Final = ROOT / "docs" / "spec" / "ethereum.md"
MAX_PER_ANCHORED: Final = 100
"""DESIGN's bar for one result in a full batch."""
Rows = dict[str, int]


@pytest.fixture(scope="module")
def measured() -> dict[str, Rows]:
    return {fork: _measure(fork) for fork in FORKS}


def test_gas_is_as_recorded(measured: dict[str, Rows]) -> None:
    text = json.dumps(measured, indent=1) + "\n"
    if os.environ.get("CRYPTLET_WRITE_GAS"):
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(text)
    assert measured == json.loads(SNAPSHOT.read_text())


@pytest.mark.parametrize("fork", FORKS)
def test_an_anchored_result_costs_at_most(measured: dict[str, Rows], fork: str) -> None:
    assert measured[fork]["settle 1,024 records"] <= MAX_PER_ANCHORED * MAX_RECORDS


def test_the_document_shows_the_recorded_figures() -> None:
    recorded = json.loads(SNAPSHOT.read_text())
    text = DOCUMENT.read_text()
    rows = [f"| {name} | {' | '.join(f'{recorded[fork][name]:,}' for fork in FORKS)} |" for name in recorded[FORKS[0]]]
    assert [row for row in rows if row not in text] == []


def _measure(fork: str) -> Rows:
    with anvil(fork) as chain:
        world = World.deploy(chain)
        sent = {"deploy Settlement": _deployment(world, world.contract.address)}
        sent |= _registry(world)
        sent |= _settlement(world)
        sent |= _shipment(world)
        sent |= _mailbox(world)
        return {name: one.gas for name, one in sent.items()}


def _deployment(world: World, address: str) -> Sent:
    """Returns the transaction that made a contract; it is the newest of the first account."""
    eth = world.chain.web3.eth
    [made] = eth.get_block("latest")["transactions"]
    receipt = eth.get_transaction_receipt(made)  # type: ignore[arg-type]
    assert receipt["contractAddress"] == address
    return Sent(receipt)


def _registry(world: World) -> dict[str, Sent]:
    chain = world.chain
    first = world.result()
    renewed = world.result(not_after=chain.time + 2 * YEAR)
    other = world.result("enclave-1")
    return {
        "register keys, 2 signatures": chain.send(world.registration(first)),
        "register a renewal": chain.send(world.registration(renewed)),
        "register further keys": chain.send(world.registration(other)),
        "retire keys": chain.send(world.status("enclave-1", KeyState.RETIRED, chain.time)),
        "revoke code": chain.send(world.revocation(Measurement(sha256(b"other code")), chain.time)),
        "revoke code since before": chain.send(world.revocation(Measurement(sha256(b"other code")), 1)),
    }


def _settlement(world: World) -> dict[str, Sent]:
    records = _records(world, world.chain.accounts[0], MAX_RECORDS)
    call = _settle(world, records)
    return {
        "settle 1,024 records": world.chain.send(call),
        "settle the same again": world.chain.send(call),
        "settle 1 record": world.chain.send(_settle(world, records[:1])),
    }


def _shipment(world: World) -> dict[str, Sent]:
    shipment, chain = Cryptlet.deploy(world, "ShipmentContract"), world.chain
    ask = shipment.functions.requestJudgement
    sent = {
        "requestJudgement, the first": chain.send(ask(sha256(b"one"))),
        "requestJudgement, a later one": chain.send(ask(sha256(b"two"))),
    }
    asked = [shipment.answer("a", sent["requestJudgement, the first"], payload=sha256(PAYLOAD))]
    sent["consume the first answer, alone"] = _consume(shipment, asked, 0)
    alone = _records(world, shipment.contract.address, 1, 1)
    sent["consume a later result, alone"] = _consume(shipment, alone, 0)
    for size in (256, MAX_RECORDS):
        version = shipment.functions.stateVersion().call()
        records = _records(world, shipment.contract.address, size, version)
        sent[f"consume a later result, 1 of {size:,}"] = _consume(shipment, records, size // 2)
    return sent


def _mailbox(world: World) -> dict[str, Sent]:
    chain, sender = world.chain, world.chain.accounts[1]
    channel = channel_of(world, sender)
    sent = {"open a channel": chain.send(world.functions.openChannel(channel.encoded), sender=sender)}
    post = Post(world, channel, sender)
    bodies = {"0 B": b"", "1 KB": _body(1_024), "30 KB": _body(MAX_BODY_BYTES)}
    for at, (size, body) in enumerate(bodies.items()):
        sent[f"send {size}"] = chain.send(post.sending(post.outgoing(at, body), body), sender=sender)
    for at, (size, body) in enumerate(bodies.items()):
        sent[f"deliver {size} to an account"] = chain.send(post.delivery(post.incoming(at, body), body))
    sent["deliver 0 B to an account, 1 of 256"] = _deliver_one_of(post, 256)
    sent["acknowledge to an account"] = chain.send(post.acknowledgement(_message_in(sent["send 0 B"])))
    sent["expire"] = chain.send(post.expiring(post.incoming(9, expiry=chain.time)))
    return sent | _mailbox_of_contract(world, bodies["1 KB"])


def _mailbox_of_contract(world: World, body: bytes) -> dict[str, Sent]:
    """Returns what it costs where the end is a contract, which stores two words each time."""
    chain, (post, contract) = world.chain, Post.of_contract(world)
    sent = {
        "deliver 1 KB to a contract": chain.send(post.delivery(post.incoming(0, body), body)),
        "send 1 KB from a contract": chain.send(contract.functions.send(post.channel.id, body, chain.time + YEAR)),
    }
    message = _message_in(sent["send 1 KB from a contract"])
    return sent | {"acknowledge to a contract": chain.send(post.acknowledgement(message))}


def _deliver_one_of(post: Post, size: int) -> Sent:
    message, world = post.incoming(size, b""), post.world
    payload = Delivery(Shown.PROVEN, message, b"").encoded
    records = [post.record(payload, DELIVER), *_records(world, world.contract.address, size - 1)]
    world.anchor(records)
    _, *place = inclusion(records, 0).values()
    return world.chain.send(world.functions.deliver(records[0].encoded, payload, *place))


def _message_in(sent: Sent) -> Message:
    return Message.decode(dict(sent.events)["Sent"]["words"])


def _body(size: int) -> bytes:
    """Returns bytes of which none is zero: those cost most."""
    return b"\xa5" * size


def _records(world: World, recipient: str, count: int, version: int = 0) -> list[Record]:
    fields: dict[str, Any] = {"method": method_word("judge"), "payload": sha256(PAYLOAD)}
    names = [f"{version} {number}" for number in range(count)]
    return [world.record(name, recipient, state_version=version, **fields) for name in names]


def _settle(world: World, records: list[Record]) -> ContractFunction:
    return world.settlement(header_of(records, 1))


def _consume(shipment: Cryptlet, records: list[Record], index: int) -> Sent:
    shipment.world.anchor(records)
    return shipment.world.chain.send(shipment.consumption(records, index, PAYLOAD))
