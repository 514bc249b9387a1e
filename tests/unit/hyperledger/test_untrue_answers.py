"""Nothing is signed that is not what was asked for: each check before the signature, with an answer that fails it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hyperledger.client.answers import UntrueAnswer, read_answer
from adapters.hyperledger.proto import common_pb2, kvrwset_pb2, peer_pb2, rwset_pb2
from fabric.core import canonical
from fabric.signers.proposals import Identity, Invocation
from tests.support.hl_authorities import Authority
from tests.support.hl_channel import CHAINCODE, MemoryChannel, endorsement
from tests.unit.hyperledger.conftest import START, World

Spoil = Callable[[Any], None]


def own_set(action: peer_pb2.ChaincodeAction, change: Callable[[kvrwset_pb2.KVRWSet], None]) -> None:
    """Changes reads and writes of the chaincode's namespace."""
    sets = rwset_pb2.TxReadWriteSet.FromString(action.results)
    for space in sets.ns_rwset:
        if space.namespace == CHAINCODE:
            found = kvrwset_pb2.KVRWSet.FromString(space.rwset)
            change(found)
            space.rwset = found.SerializeToString()
    action.results = sets.SerializeToString()


def in_set(change: Callable[[kvrwset_pb2.KVRWSet], None]) -> Spoil:
    return lambda action: own_set(action, change)


def another_time(payload: common_pb2.Payload) -> None:
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    header.timestamp.seconds += 1
    payload.header.channel_header = header.SerializeToString()


def another_creator(payload: common_pb2.Payload) -> None:
    payload.header.signature_header = common_pb2.SignatureHeader(creator=b"other", nonce=b"n").SerializeToString()


def another_action_header(payload: common_pb2.Payload) -> None:
    transaction = peer_pb2.Transaction.FromString(payload.data)
    transaction.actions[0].header = b"other"
    payload.data = transaction.SerializeToString()


def two_actions(payload: common_pb2.Payload) -> None:
    transaction = peer_pb2.Transaction.FromString(payload.data)
    transaction.actions.add()
    payload.data = transaction.SerializeToString()


def another_payload(content: peer_pb2.ChaincodeActionPayload) -> None:
    content.chaincode_proposal_payload += b"\x1a\x01x"


def another_hash(response: peer_pb2.ProposalResponsePayload) -> None:
    response.proposal_hash = bytes(32)


def another_chaincode(action: peer_pb2.ChaincodeAction) -> None:
    action.chaincode_id.name = "other"


def a_failure(action: peer_pb2.ChaincodeAction) -> None:
    action.response.status = 500


def one_more_key(found: kvrwset_pb2.KVRWSet) -> None:
    found.writes.add(key="batch/" + "00" * 32, value=bytes(128))


def another_value(found: kvrwset_pb2.KVRWSet) -> None:
    found.writes[0].value = bytes(32) + found.writes[0].value[32:]


def another_timestamp(found: kvrwset_pb2.KVRWSet) -> None:
    value = found.writes[0].value
    found.writes[0].value = value[:64] + (START - 1).to_bytes(32, "big") + value[96:]


def nothing_written(found: kvrwset_pb2.KVRWSet) -> None:
    found.writes.clear()


def one_key_less(found: kvrwset_pb2.KVRWSet) -> None:
    found.reads.pop()


def a_deletion(found: kvrwset_pb2.KVRWSet) -> None:
    found.writes.add(key="genesis", is_delete=True)


def a_range(found: kvrwset_pb2.KVRWSet) -> None:
    found.range_queries_info.add(start_key="a", end_key="b")


def a_metadata_write(found: kvrwset_pb2.KVRWSet) -> None:
    found.metadata_writes.add(key="genesis")


def written_twice(found: kvrwset_pb2.KVRWSet) -> None:
    found.writes.append(found.writes[0])


def a_foreign_namespace(action: peer_pb2.ChaincodeAction) -> None:
    sets = rwset_pb2.TxReadWriteSet.FromString(action.results)
    sets.ns_rwset.add(namespace="bank", rwset=kvrwset_pb2.KVRWSet().SerializeToString())
    action.results = sets.SerializeToString()


def a_definition_write(action: peer_pb2.ChaincodeAction) -> None:
    sets = rwset_pb2.TxReadWriteSet.FromString(action.results)
    found = kvrwset_pb2.KVRWSet()
    found.writes.add(key="namespaces/fields/settlement/Sequence", value=b"2")
    sets.ns_rwset.add(namespace="_lifecycle", rwset=found.SerializeToString())
    action.results = sets.SerializeToString()


def private_data(action: peer_pb2.ChaincodeAction) -> None:
    sets = rwset_pb2.TxReadWriteSet.FromString(action.results)
    sets.ns_rwset[1].collection_hashed_rwset.add(collection_name="secret")
    action.results = sets.SerializeToString()


def an_event(action: peer_pb2.ChaincodeAction) -> None:
    event = peer_pb2.ChaincodeEvent(chaincode_id=CHAINCODE, tx_id="00", event_name="cryptlet-fabric/v1", payload=b"[]")
    action.events = event.SerializeToString()


def a_longer_answer(action: peer_pb2.ChaincodeAction) -> None:
    action.response.payload = canonical.encode([None, None])


def no_json(action: peer_pb2.ChaincodeAction) -> None:
    action.response.payload = b"null "


UNTRUE: dict[str, tuple[str, Spoil, str]] = {
    "time": ("payload", another_time, "another channel header"),
    "creator": ("payload", another_creator, "another signature header"),
    "action header": ("payload", another_action_header, "another header of the action"),
    "two actions": ("payload", two_actions, "schema"),
    "payload": ("content", another_payload, "another proposal's payload"),
    "hash": ("response", another_hash, "another proposal's hash"),
    "chaincode": ("action", another_chaincode, "executed by chaincode 'other'"),
    "status": ("action", a_failure, "status 500"),
    "one more key": ("action", in_set(one_more_key), "writes what no call asks for: batch/00"),
    "value": ("action", in_set(another_value), "another value than the call asks for"),
    "timestamp": ("action", in_set(another_timestamp), "another value than the call asks for"),
    "nothing written": ("action", in_set(nothing_written), "is not written"),
    "deletion": ("action", in_set(a_deletion), "a deletion"),
    "range": ("action", in_set(a_range), "ranges"),
    "metadata": ("action", in_set(a_metadata_write), "metadata"),
    "twice": ("action", in_set(written_twice), "twice"),
    "namespace": ("action", a_foreign_namespace, "a write set of 'bank'"),
    "definition": ("action", a_definition_write, "a write set of '_lifecycle'"),
    "private": ("action", private_data, "private data"),
    "event": ("action", an_event, "an event of another"),
    "answer": ("action", a_longer_answer, "expected a list of 1"),
    "no JSON": ("action", no_json, "another spelling"),
}


@pytest.fixture
async def registered(world: World) -> World:
    (submission,) = await world.ledger.prepare([world.works.registration()], [])
    await world.ledger.submit([submission])
    world.channel.keys.signed.clear()
    return world


@pytest.mark.parametrize("name", UNTRUE)
async def test_another_answer_than_was_asked_for_is_not_signed(registered: World, name: str) -> None:
    where, spoil, reason = UNTRUE[name]
    registered.channel.spoil[where] = spoil
    with pytest.raises(UntrueAnswer, match=reason):
        await registered.ledger.prepare([registered.works.batch("b", 1).settle], [])
    assert registered.channel.keys.signed == ["proposal"]


def stripped(channel: MemoryChannel, content: peer_pb2.ChaincodeActionPayload) -> None:
    del channel
    del content.action.endorsements[1:]


def all_stripped(channel: MemoryChannel, content: peer_pb2.ChaincodeActionPayload) -> None:
    del channel
    content.action.endorsements.clear()


def one_twice(channel: MemoryChannel, content: peer_pb2.ChaincodeActionPayload) -> None:
    del channel
    content.action.endorsements[1].CopyFrom(content.action.endorsements[0])


def high_s(channel: MemoryChannel, content: peer_pb2.ChaincodeActionPayload) -> None:
    response = content.action.proposal_response_payload
    content.action.endorsements[1].CopyFrom(endorsement(channel.endorsers[1], response, high=True))


def of_something_else(channel: MemoryChannel, content: peer_pb2.ChaincodeActionPayload) -> None:
    content.action.endorsements[1].CopyFrom(endorsement(channel.endorsers[1], b"something else"))


def by(content: peer_pb2.ChaincodeActionPayload, authority: Authority, role: str | None, *, ends: int = 0) -> None:
    member = authority.issue("peer0", role, ends=ends or None)
    response = content.action.proposal_response_payload
    content.action.endorsements[1].CopyFrom(endorsement(member, response))


def rogue(channel: MemoryChannel, content: peer_pb2.ChaincodeActionPayload) -> None:
    by(content, Authority("Org2MSP", channel.clock.unix_seconds()), "peer")


def unknown_organisation(channel: MemoryChannel, content: peer_pb2.ChaincodeActionPayload) -> None:
    by(content, Authority("Org3MSP", channel.clock.unix_seconds()), "peer")


def client_of_it(channel: MemoryChannel, content: peer_pb2.ChaincodeActionPayload) -> None:
    by(content, channel.authorities[1], "client")


def expired(channel: MemoryChannel, content: peer_pb2.ChaincodeActionPayload) -> None:
    by(content, channel.authorities[1], "peer", ends=channel.clock.unix_seconds() - 1)


def no_certificate(channel: MemoryChannel, content: peer_pb2.ChaincodeActionPayload) -> None:
    del channel
    content.action.endorsements[1].endorser = Identity("Org2MSP", "none").encoded


def no_identity(channel: MemoryChannel, content: peer_pb2.ChaincodeActionPayload) -> None:
    del channel
    content.action.endorsements[1].endorser = b"\xff"


NOT_ENDORSED = {
    "stripped": (stripped, "Org1MSP signed, which does not satisfy"),
    "all stripped": (all_stripped, "nobody signed"),
    "one twice": (one_twice, "does not satisfy"),
    "high s": (high_s, "upper half"),
    "other bytes": (of_something_else, "not of the key"),
    "rogue authority of the same name": (rogue, "does not chain to a root of Org2MSP"),
    "unknown organisation": (unknown_organisation, "not among the trusted"),
    "role": (client_of_it, "does not satisfy"),
    "expired": (expired, "was not valid"),
    "no certificate": (no_certificate, "certificate"),
    "no identity": (no_identity, "SerializedIdentity"),
}


@pytest.mark.parametrize("name", NOT_ENDORSED)
async def test_what_the_policy_does_not_endorse_is_neither_signed_nor_believed(registered: World, name: str) -> None:
    spoil, reason = NOT_ENDORSED[name]
    registered.channel.spoil["content"] = lambda content: spoil(registered.channel, content)
    batch = registered.works.batch("b", 1)
    with pytest.raises(UntrueAnswer, match=reason):
        await registered.ledger.prepare([batch.settle], [])
    with pytest.raises(UntrueAnswer, match=reason):
        await registered.ledger.is_settled(batch.settle.header.batch_id)
    assert "transaction" not in registered.channel.keys.signed


READS: dict[str, tuple[Spoil, str]] = {
    "another value": (lambda action: set_answer(action, ["00"]), "a version without a value"),
    "two values": (lambda action: set_answer(action, [None, None]), "expected 1"),
    "a write": (in_set(one_more_key), "or wrote"),
    "another key": (in_set(one_key_less), "other keys"),
    "no answer of read": (no_json, "spelling"),
}


def set_answer(action: peer_pb2.ChaincodeAction, values: list[canonical.JsonValue]) -> None:
    answer = canonical.decode_object(action.response.payload)
    action.response.payload = canonical.encode(answer | {"values": values})


@pytest.mark.parametrize("name", READS)
async def test_a_read_back_of_something_else_is_not_believed(registered: World, name: str) -> None:
    spoil, reason = READS[name]
    registered.channel.spoil["action"] = spoil
    with pytest.raises(UntrueAnswer, match=reason):
        await registered.ledger.is_settled(registered.works.batch("b", 1).settle.header.batch_id)


INVOCATION = Invocation("trade", CHAINCODE, (b"read", b"genesis"), START, bytes(24), Identity("Org1MSP", "pem"))


@given(st.binary(max_size=300))
def test_any_bytes_are_an_untrue_answer(raw: bytes) -> None:
    with pytest.raises(UntrueAnswer):
        read_answer(INVOCATION, common_pb2.Envelope(payload=raw))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_inside_are_an_untrue_answer(content: bytes, action: bytes) -> None:
    transaction = peer_pb2.Transaction()
    transaction.actions.add(header=INVOCATION.signature_header, payload=content)
    header = common_pb2.Header(channel_header=INVOCATION.channel_header, signature_header=INVOCATION.signature_header)
    whole = common_pb2.Payload(header=header, data=transaction.SerializeToString())
    with pytest.raises(UntrueAnswer):
        read_answer(INVOCATION, common_pb2.Envelope(payload=whole.SerializeToString()))
    response = peer_pb2.ProposalResponsePayload(proposal_hash=INVOCATION.digest, extension=action)
    inner = peer_pb2.ChaincodeActionPayload(chaincode_proposal_payload=INVOCATION.payload)
    inner.action.proposal_response_payload = response.SerializeToString()
    transaction.actions[0].payload = inner.SerializeToString()
    whole.data = transaction.SerializeToString()
    with pytest.raises(UntrueAnswer):
        read_answer(INVOCATION, common_pb2.Envelope(payload=whole.SerializeToString()))
