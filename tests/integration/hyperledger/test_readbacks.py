"""Receipts and mailbox events of a real deployment, checked offline; and delivery against expiry on a real ledger.

The embedded ledger and the chaincode are processes of their own; the client, the chaincode and the check of read-backs
share no code of the ledger's.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from adapters.hyperledger.client.caller import Caller
from adapters.hyperledger.client.ledger import HyperledgerLedger
from adapters.hyperledger.client.plugin import connect
from adapters.hyperledger.client.settings import parse_settings
from adapters.hyperledger.destination import Hyperledger
from adapters.hyperledger.names import APPLY
from fabric.core.canonical import JsonObject
from fabric.core.clock import SystemClock
from fabric.core.errors import Reverted, VerificationError
from fabric.ledger.conformance.harness import Batch
from fabric.ledger.port import Phase
from fabric.ledger.rules import operations
from fabric.ledger.rules.calls import encode_call
from fabric.ledger.rules.operations import Expire, OpenChannel, Send
from fabric.trust.kind import Source, Status, Told
from fabric.trust.letter import Delivery
from fabric.trust.message import Message, Shown
from tests.support.harness import Works, next_message
from tests.support.hl_embedded import CHAINCODE, CHANNEL, ORGANISATIONS, POLICY, Network, make_network

pytestmark = [pytest.mark.hyperledger, pytest.mark.asyncio(loop_scope="module")]
CLOCK = SystemClock()


@dataclass
class Deployment:
    """A deployment that is open, the account beside it, work for it, and what a policy trusts of it."""

    network: Network
    ledger: HyperledgerLedger
    caller: Caller
    works: Works
    trust: JsonObject

    async def settle(self, batch: Batch) -> JsonObject:
        """Settles a batch and returns the receipt's material."""
        (submission,) = await self.ledger.prepare([batch.settle], [])
        await self.ledger.submit([submission])
        for _ in range(100):
            (seen,) = await self.ledger.observe([(batch.settle, submission)])
            if seen.phase is Phase.FINAL:
                assert seen.receipt
                return seen.receipt.material
        raise AssertionError


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    network = await make_network(tmp_path_factory.mktemp("network"))
    async with network.keys() as keys:
        ledger, caller = await network.open(keys)
        works = Works(ledger.destination, caller.account, CLOCK.unix_seconds(), Hyperledger())
        roots = {name: (network.folder / "crypto" / name / "ca.pem").read_text() for name in ORGANISATIONS}
        trust: JsonObject = {
            "channel": CHANNEL,
            "chaincode": CHAINCODE,
            "msps": {name: {"roots": [pem], "intermediates": []} for name, pem in roots.items()},
            "policy": POLICY,
        }
        await caller.act([_registration(works), OpenChannel(works.channel)])
        yield Deployment(network, ledger, caller, works, trust)
        await ledger.aclose()
    await network.aclose()


def _registration(works: Works) -> operations.Register:
    work = works.registration()
    signatures = tuple(each for each in work.signatures if each.scheme == "ed25519")
    return operations.Register(work.result, work.destinations, signatures)


async def test_a_receipt_of_a_real_settlement_is_final_and_proven(deployment: Deployment) -> None:
    batch = deployment.works.batch("first", 2)
    material = await deployment.settle(batch)
    shown = Hyperledger().check_receipt(deployment.ledger.destination, batch.settle.header, material, deployment.trust)
    assert (shown.status, shown.source) == (Status.FINAL, Source.PROVEN)
    other = deployment.works.batch("second", 1).settle.header
    with pytest.raises(VerificationError, match="holds nothing"):
        Hyperledger().check_receipt(deployment.ledger.destination, other, material, deployment.trust)


async def test_a_receipt_under_another_policy_is_refused(deployment: Deployment) -> None:
    batch = deployment.works.batch("third", 1)
    material = await deployment.settle(batch)
    trust = deployment.trust | {"policy": f"{ORGANISATIONS[0]}.client"}
    with pytest.raises(VerificationError, match="step 8 endorsers: the endorsers do not satisfy"):
        Hyperledger().check_receipt(deployment.ledger.destination, batch.settle.header, material, trust)


def incoming(works: Works, sequence: int, expiry: int, body: bytes) -> Message:
    """Returns a message from the other end of the channel."""
    own, other = works.channel.end_at(works.destination.id), works.channel.end_beyond(works.destination.id)
    assert own
    assert other
    here, there = works.destination.id, other.destination
    outgoing = next_message(works.channel, here, sequence, body, expiry)
    ends = (there, here, outgoing.recipient, outgoing.sender)
    return Message(works.channel.id, *ends, sequence, expiry, outgoing.body)


async def test_a_message_that_was_sent_is_proven(deployment: Deployment) -> None:
    works = deployment.works
    message = next_message(works.channel, works.destination.id, 0, b"hello", CLOCK.unix_seconds() + 600)
    await deployment.caller.act([Send(message, b"hello")])
    page = await deployment.ledger.mailbox_events(b"", 100)
    sent = [each for each in page.events if each.kind == "sent"]
    (material,) = await deployment.ledger.event_material(sent)
    shown = Hyperledger().check_event(works.destination, material, deployment.trust)
    assert (shown.told, shown.message, shown.data) == (Told.SENT, message, b"hello")
    assert (shown.anchorage.status, shown.anchorage.source) == (Status.FINAL, Source.PROVEN)


@pytest.mark.parametrize("first", ["expire", "deliver"])
async def test_of_delivery_and_tombstone_endorsed_on_one_state_the_second_is_a_conflict(
    deployment: Deployment, first: str
) -> None:
    works, body = deployment.works, f"body {first}".encode()
    message = incoming(works, int(first == "expire"), CLOCK.unix_seconds() + 10, body)
    letter = Delivery(Shown.PROVEN, message, body)
    batch = works.letters([letter])
    await deployment.settle(batch)
    (consume,) = batch.consumes
    deliver = operations.Deliver(consume.record, letter, batch.settle.header.batch_id, consume.index, consume.path)
    async with deployment.network.keys() as keys:
        parts = connect(parse_settings(deployment.network.config), CLOCK, keys)
        endorser = parts.asking.endorser
        delivery = await endorser.endorse((APPLY, encode_call(deliver)), 15)
        await _until(message.expiry + 1)
        tombstone = await endorser.endorse((APPLY, encode_call(Expire(message))), 15)
        assert (delivery.payload, tombstone.payload) == (b"[null]", b"[null]")
        caller = Caller(parts.asking.peers, endorser)
        one, other = (tombstone, delivery) if first == "expire" else (delivery, tombstone)
        await caller._commit(one)
        with pytest.raises(Reverted, match="MVCC_READ_CONFLICT"):
            await caller._commit(other)
        await parts.asking.peers.aclose()


async def _until(time: int) -> None:
    await asyncio.sleep(max(0, time - CLOCK.unix_seconds()))
