"""Faults on real processes: kills at every durable step, strange certificates, stripped and forged transactions."""

import asyncio
import dataclasses
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from adapters.hyperledger.client.caller import Caller
from adapters.hyperledger.client.ledger import HyperledgerLedger
from adapters.hyperledger.client.peers import PeerError
from adapters.hyperledger.client.stored import Sent, read_stored
from adapters.hyperledger.proto import common_pb2, peer_pb2
from fabric.core.errors import LedgerUnavailable, SubmitError
from fabric.ledger.conformance.harness import Batch
from fabric.ledger.port import Phase, Submission
from fabric.signers.client import P256_ORDER
from fabric.signers.process import KeyProcess
from tests.support.harness import Works
from tests.support.hl_authorities import Authority, LocalKeys, new_key
from tests.support.hl_embedded import CHAINCODE, CHANNEL, PACKAGE, Network, make_network, start

pytestmark = [pytest.mark.hyperledger, pytest.mark.fault, pytest.mark.timeout(180)]

_ATTEMPTS = 60


@dataclass
class World:
    network: Network
    keys: KeyProcess
    ledger: HyperledgerLedger
    caller: Caller
    works: Works

    async def batch(self, label: str) -> Batch:
        """Registers the enclave and returns a batch of it."""
        batch = self.works.batch(label, 1)
        await self.send(*await self.ledger.prepare([self.works.registration()], []))
        await self.caller.wait()
        return batch

    async def send(self, *submissions: Submission) -> None:
        await self.ledger.submit(submissions)

    async def reopen(self) -> None:
        await self.ledger.aclose()
        self.ledger, self.caller = await self.network.open(self.keys)

    async def prepared_at_last(self, batch: Batch) -> Submission:
        """Prepares a settlement once the peers dial the chaincode again; they pause between their attempts."""
        for _ in range(_ATTEMPTS):
            try:
                return (await self.ledger.prepare([batch.settle], []))[0]
            except LedgerUnavailable:
                await asyncio.sleep(1)
        raise AssertionError

    async def phase(self, batch: Batch, submission: Submission) -> tuple[Phase, str]:
        (answer,) = await self.ledger.observe([(batch.settle, submission)])
        return answer.phase, answer.reason


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    network = await make_network(tmp_path)
    async with network.keys() as keys:
        ledger, caller = await network.open(keys)
        works = Works(ledger.destination, caller.account, network.clock.unix_seconds())
        made = World(network, keys, ledger, caller, works)
        yield made
        await made.ledger.aclose()
    await network.aclose()


async def test_a_ledger_that_is_killed_keeps_what_it_committed(world: World) -> None:
    batch = await world.batch("killed")
    (submission,) = await world.ledger.prepare([batch.settle], [])
    await world.send(submission)
    await world.caller.wait()
    await world.network.restart_ledger(signal.SIGKILL)
    await world.reopen()
    assert (await world.phase(batch, submission))[0] is Phase.FINAL


async def test_what_a_killed_ledger_forgot_is_sent_again(world: World) -> None:
    batch = await world.batch("forgotten")
    (submission,) = await world.ledger.prepare([batch.settle], [])
    await world.network.restart_ledger(signal.SIGKILL)
    await world.reopen()
    assert (await world.phase(batch, submission))[0] is Phase.ABSENT
    await world.send(submission)
    await world.caller.wait()
    assert (await world.phase(batch, submission))[0] is Phase.FINAL


async def test_a_ledger_that_is_killed_right_after_it_took_an_envelope_loses_no_effect(world: World) -> None:
    batch = await world.batch("at once")
    (submission,) = await world.ledger.prepare([batch.settle], [])
    await world.send(submission)
    await world.network.restart_ledger(signal.SIGKILL)
    await world.reopen()
    if (await world.phase(batch, submission))[0] is Phase.ABSENT:
        await world.send(submission)
        await world.caller.wait()
    (answer,) = await world.ledger.observe([(batch.settle, submission)])
    (other,) = await world.ledger.observe([(batch.settle, None)])
    assert answer.phase is other.phase is Phase.FINAL
    assert answer.receipt is not None
    assert other.receipt is not None
    assert answer.receipt.position == other.receipt.position


async def test_a_killed_chaincode_is_waited_for(world: World) -> None:
    batch = await world.batch("chaincode")
    await world.network.chaincode.end(signal.SIGKILL)
    with pytest.raises(LedgerUnavailable):
        await world.ledger.prepare([batch.settle], [])
    listen = f"127.0.0.1:{world.network.chaincode.port}"
    log = world.network.folder.with_suffix(".chaincode")
    arguments = ("--listen", listen, "--package", PACKAGE)
    world.network.chaincode = await start(log, "adapters.hyperledger.chaincode", *arguments)
    submission = await world.prepared_at_last(batch)
    await world.send(submission)
    await world.caller.wait()
    assert (await world.phase(batch, submission))[0] is Phase.FINAL


async def test_a_killed_key_process_is_an_error_and_nothing_is_lost(world: World) -> None:
    batch = await world.batch("keys")
    (submission,) = await world.ledger.prepare([batch.settle], [])
    await world.keys.aclose()
    with pytest.raises(LedgerUnavailable, match="signer is not available"):
        await world.ledger.prepare([batch.settle], [])
    await world.send(submission)  # a stored envelope needs no key
    async with world.network.keys() as keys:
        world.keys = keys
        await world.reopen()
        await world.caller.wait()
        assert (await world.phase(batch, submission))[0] is Phase.FINAL


def changed(submission: Submission, *, stripped: bool = False, high: bool = False, payload: bytes = b"") -> Submission:
    """Returns a stored submission whose envelope lost an endorsement, or bears a signature of the other form."""
    stored = read_stored(submission)
    assert isinstance(stored, Sent)
    envelope = common_pb2.Envelope.FromString(stored.envelope)
    if high:
        r, s = decode_dss_signature(envelope.signature)
        envelope.signature = encode_dss_signature(r, P256_ORDER - s)
    if stripped or payload:
        whole = common_pb2.Payload.FromString(envelope.payload)
        transaction = peer_pb2.Transaction.FromString(whole.data)
        content = peer_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
        if stripped:
            del content.action.endorsements[1:]
        content.chaincode_proposal_payload += payload
        transaction.actions[0].payload = content.SerializeToString()
        whole.data = transaction.SerializeToString()
        envelope.payload = whole.SerializeToString()
    return dataclasses.replace(stored, envelope=envelope.SerializeToString()).submission


@pytest.mark.parametrize("how", [{"high": True}, {"stripped": True}, {"payload": b"\x1a\x01x"}], ids=str)
async def test_a_changed_envelope_is_not_taken_by_the_orderer(world: World, how: dict[str, bool]) -> None:
    batch = await world.batch("changed")
    (submission,) = await world.ledger.prepare([batch.settle], [])
    with pytest.raises(SubmitError, match="not taken"):
        await world.send(changed(submission, **how))  # type: ignore[arg-type]
    assert (await world.phase(batch, submission))[0] is Phase.ABSENT
    await world.send(submission)
    await world.caller.wait()
    assert (await world.phase(batch, submission))[0] is Phase.FINAL


async def test_a_rogue_authority_of_the_same_name_opens_nothing(world: World) -> None:
    now, key = world.network.clock.unix_seconds(), new_key()
    rogue = Authority("Org1MSP", now).issue("relayer", "client", key=key)
    config = world.network.config | {"certificate": rogue.pem}
    network = dataclasses.replace(world.network, config=config)
    with pytest.raises(PeerError):
        await network.open(LocalKeys(key, CHANNEL, CHAINCODE))  # type: ignore[arg-type]


async def test_endorsers_of_another_authority_are_not_believed(world: World) -> None:
    now = world.network.clock.unix_seconds()
    other = Authority("Org2MSP", now).trusted
    msps = world.network.config["msps"]
    assert isinstance(msps, dict)
    network = dataclasses.replace(world.network, config=world.network.config | {"msps": msps | {"Org2MSP": other}})
    with pytest.raises(LedgerUnavailable, match="does not chain to a root of Org2MSP"):
        await network.open(world.keys)


async def test_a_wrong_root_of_tls_opens_nothing(world: World) -> None:
    wrong = Authority("TLS", world.network.clock.unix_seconds()).pem
    network = dataclasses.replace(world.network, config=world.network.config | {"tls": {"roots": wrong}})
    with pytest.raises(LedgerUnavailable, match="UNAVAILABLE"):
        await network.open(world.keys)
