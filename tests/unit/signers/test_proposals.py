"""A Hyperledger client's key: it signs what its own schemas read back, low s alone, and nothing outside its grant."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from adapters.hyperledger.proto import common_pb2, gateway_pb2, msp_pb2, orderer_pb2, peer_pb2
from fabric.core.canonical import JsonValue
from fabric.core.errors import ConfigError, Malformed, Refused
from fabric.signers.child import KeyHolder
from fabric.signers.client import P256_ORDER, ClientSigner
from fabric.signers.create import P256, KeyFile, public_keys
from fabric.signers.files import p256_key
from fabric.signers.process import KeyProcess
from fabric.signers.proposals import (
    ClientGrant,
    Endorsed,
    Endorsement,
    Identity,
    Invocation,
    parse_endorsed,
    parse_invocation,
)
from fabric.signers.protobuf import number
from fabric.signers.protocol import ClientKey, SetUp, parse_set_up
from fabric.signers.queries import Blocks, ChaincodeEvents, CommitStatus, Query, parse_query

GRANT = ClientGrant("trade", frozenset({"settlement"}))
IDENTITY = Identity("Org1MSP", "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
ASKED = Invocation("trade", "settlement", (b"apply", b"", b"{}"), 1_800_000_000, bytes(range(24)), IDENTITY)
ENDORSED = Endorsed(b"response", (Endorsement(b"peer 1", b"signature 1"), Endorsement(b"peer 2", b"")))
QUERIES: list[Query] = [
    CommitStatus("trade", "ab" * 32, IDENTITY),
    ChaincodeEvents("trade", "settlement", 0, IDENTITY),
    ChaincodeEvents("trade", "settlement", 300, IDENTITY),
    Blocks("trade", 0, 7, 1_800_000_000, b"", IDENTITY),
    Blocks("trade", None, None, 1_800_000_000, hashlib.sha256(b"tls").digest(), IDENTITY),
]
texts = st.text(min_size=1, max_size=20)
invocations = st.builds(
    Invocation,
    channel=texts,
    chaincode=texts,
    args=st.lists(st.binary(max_size=300), min_size=1, max_size=5).map(tuple),
    seconds=st.integers(0, 2**53 - 1),
    nonce=st.binary(min_size=24, max_size=24),
    identity=st.builds(Identity, texts, texts),
)
json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[KeyProcess]:
    started = await KeyProcess.start(client=ClientKey(tmp_path / "client.key", GRANT))
    yield started
    await started.aclose()


def check(process: KeyProcess, signature: bytes, message: bytes) -> None:
    key = load_der_public_key(process.client_key)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    assert decode_dss_signature(signature)[1] <= P256_ORDER // 2


@given(invocations)
def test_a_proposal_is_what_the_schemas_write(asked: Invocation) -> None:
    creator = msp_pb2.SerializedIdentity(mspid=asked.identity.msp, id_bytes=asked.identity.certificate.encode())
    name = peer_pb2.ChaincodeID(name=asked.chaincode)
    header = common_pb2.ChannelHeader(
        type=common_pb2.ENDORSER_TRANSACTION,
        channel_id=asked.channel,
        tx_id=hashlib.sha256(asked.nonce + creator.SerializeToString()).hexdigest(),
        extension=peer_pb2.ChaincodeHeaderExtension(chaincode_id=name).SerializeToString(),
    )
    header.timestamp.seconds = asked.seconds
    signer = common_pb2.SignatureHeader(creator=creator.SerializeToString(), nonce=asked.nonce)
    call = peer_pb2.ChaincodeInput(args=asked.args)
    spec = peer_pb2.ChaincodeSpec(type=peer_pb2.ChaincodeSpec.NODE, chaincode_id=name, input=call)
    payload = peer_pb2.ChaincodeProposalPayload(
        input=peer_pb2.ChaincodeInvocationSpec(chaincode_spec=spec).SerializeToString()
    )
    assert asked.channel_header == header.SerializeToString(deterministic=True)
    assert asked.signature_header == signer.SerializeToString(deterministic=True)
    assert asked.payload == payload.SerializeToString(deterministic=True)
    whole = peer_pb2.Proposal.FromString(asked.proposal)
    assert common_pb2.Header.FromString(whole.header).channel_header == asked.channel_header
    assert whole.payload == asked.payload


@given(invocations)
def test_an_invocation_survives_the_socket(asked: Invocation) -> None:
    assert parse_invocation(asked.to_json()) == asked
    assert parse_endorsed(ENDORSED.to_json()) == ENDORSED


async def test_a_proposal_is_signed_with_a_low_s(process: KeyProcess) -> None:
    for _ in range(8):
        signed = await process.sign_proposal(ASKED)
        assert signed.data == ASKED.proposal
        check(process, signed.signature, signed.data)


async def test_a_transaction_holds_what_was_asked_for_and_what_endorsers_said(process: KeyProcess) -> None:
    envelope = common_pb2.Envelope.FromString(await process.sign_endorsed(ASKED, ENDORSED))
    check(process, envelope.signature, envelope.payload)
    payload = common_pb2.Payload.FromString(envelope.payload)
    assert payload.header.channel_header == ASKED.channel_header
    assert payload.header.signature_header == ASKED.signature_header
    (action,) = peer_pb2.Transaction.FromString(payload.data).actions
    assert action.header == ASKED.signature_header
    content = peer_pb2.ChaincodeActionPayload.FromString(action.payload)
    assert content.chaincode_proposal_payload == ASKED.payload
    assert content.action.proposal_response_payload == ENDORSED.response
    said = [(each.endorser, each.signature) for each in content.action.endorsements]
    assert said == [(each.endorser, each.signature) for each in ENDORSED.endorsements]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
async def test_a_question_is_signed(process: KeyProcess, query: Query) -> None:
    assert parse_query(query.to_json()) == query
    signed = await process.sign_query(query)
    assert signed.data == query.signed
    check(process, signed.signature, signed.data)


def test_questions_are_what_the_schemas_read() -> None:
    status = gateway_pb2.CommitStatusRequest.FromString(QUERIES[0].signed)
    assert (status.transaction_id, status.channel_id) == ("ab" * 32, "trade")
    assert status.identity == IDENTITY.encoded
    events = [gateway_pb2.ChaincodeEventsRequest.FromString(QUERIES[at].signed) for at in (1, 2)]
    assert [each.start_position.specified.number for each in events] == [0, 300]
    assert {each.start_position.WhichOneof("Type") for each in events} == {"specified"}
    first, newest = (common_pb2.Payload.FromString(QUERIES[at].signed) for at in (3, 4))
    seek = orderer_pb2.SeekInfo.FromString(first.data)
    assert (seek.start.specified.number, seek.stop.specified.number) == (0, 7)
    assert seek.behavior == orderer_pb2.SeekInfo.FAIL_IF_NOT_READY
    assert orderer_pb2.SeekInfo.FromString(newest.data).start.WhichOneof("Type") == "newest"
    header = common_pb2.ChannelHeader.FromString(newest.header.channel_header)
    assert (header.type, header.channel_id) == (common_pb2.DELIVER_SEEK_INFO, "trade")
    assert header.tls_cert_hash == hashlib.sha256(b"tls").digest()


@pytest.mark.parametrize(("channel", "chaincode"), [("other", "settlement"), ("trade", "_lifecycle"), ("trade", "")])
async def test_nothing_outside_the_grant_is_signed(process: KeyProcess, channel: str, chaincode: str) -> None:
    foreign = Invocation(channel, chaincode or "x", ASKED.args, ASKED.seconds, ASKED.nonce, IDENTITY)
    with pytest.raises(Refused):
        await process.sign_proposal(foreign)
    with pytest.raises(Refused):
        await process.sign_endorsed(foreign, ENDORSED)
    with pytest.raises(Refused):
        await process.sign_query(ChaincodeEvents(channel, chaincode or "x", 0, IDENTITY))


async def test_no_question_of_another_channel_is_signed(process: KeyProcess) -> None:
    for query in (CommitStatus("other", "ab" * 32, IDENTITY), Blocks("other", 0, 0, 0, b"", IDENTITY)):
        with pytest.raises(Refused):
            await process.sign_query(query)


def test_a_process_without_the_key_refuses() -> None:
    holder = KeyHolder(SetUp())
    assert holder.describe()["client"] is None
    answer = holder.answer(b'{"op":"sign_query","query":null}')
    assert answer["error"] == {"code": "refused", "message": "this key process holds no client's key"}


def test_the_set_up_survives_the_socket(tmp_path: Path) -> None:
    set_up = SetUp(client=ClientKey(tmp_path / "client.key", GRANT))
    assert parse_set_up(set_up.to_json()) == set_up


@given(json_values)
def test_any_value_is_refused_or_malformed(value: JsonValue) -> None:
    signer = ClientSigner(ec.derive_private_key(7, ec.SECP256R1()), GRANT)
    for sign in (signer.sign_proposal, signer.sign_query, lambda each: signer.sign_transaction(each, each)):
        with pytest.raises((Malformed, Refused)):
            sign(value)


@pytest.mark.parametrize(("value", "written"), [(0, b""), (1, b"\x08\x01"), (127, b"\x08\x7f"), (300, b"\x08\xac\x02")])
def test_integers_are_written_in_groups_of_seven_bits(value: int, written: bytes) -> None:
    assert number(1, value) == written


async def test_a_key_file_is_made_or_taken_from_an_authority(tmp_path: Path) -> None:
    made = p256_key(tmp_path / "made.key")
    (public,) = await public_keys([KeyFile(P256, tmp_path / "made.key")])
    assert load_der_public_key(public) == made.public_key()
    given_key = tmp_path / "given.pem"
    given_key.touch(mode=0o600)
    given_key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert p256_key(given_key).public_key() == made.public_key()


def test_a_key_of_another_curve_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "given.pem"
    path.touch(mode=0o600)
    key = ec.generate_private_key(ec.SECP384R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ConfigError, match="P-256"):
        p256_key(path)
    path.write_bytes(b"-----BEGIN nothing of use\n")
    with pytest.raises(ConfigError, match="PKCS #8"):
        p256_key(path)
    path.write_bytes(b"f" * 64 + b"\n")
    with pytest.raises(ConfigError, match="P-256"):
        p256_key(path)
