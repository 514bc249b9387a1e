"""Typed values to protobuf bytes and back, for callers and for enclaves; any bytes are a value or ``Malformed``."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import Malformed
from fabric.core.ids import Account, BindingVersion, DestinationId, InvocationId, Measurement, sha256
from fabric.core.model import Failure, Invocation, Outcome
from fabric.trust.batch import Sealed, SignedBatch
from fabric.wire import codec
from fabric.wire.codec import Describe, Description, Evidence, Load, Loaded, MakeEvidence, Run, RunResult
from fabric.wire.messages import (
    CallTaken,
    ChannelEnd,
    ChannelInfo,
    ChannelList,
    ListChannels,
    ListMessages,
    MessageCount,
    MessageList,
    MessageName,
    MessageStep,
    MessageTrace,
    RetryMessage,
    SubmitCall,
)
from fabric.wire.operators import (
    CodeRevoked,
    Halted,
    LedgerInfo,
    LedgerList,
    LedgerResumed,
    ListLedgers,
    ResumeLedger,
    RevocationState,
    RevokeCode,
)
from fabric.wire.service import (
    DESCRIPTOR,
    MAX_CALLS,
    METHODS,
    SERVICE,
    Anchor,
    Answer,
    Blob,
    BlobName,
    Call,
    GetProof,
    GetResult,
    InvokeReply,
    InvokeRequest,
    Result,
)
from fabric.wire.status import GetStatus
from tests.support.doors import CHANNEL, INFO, STATUS
from tests.support.proofs import ENCLAVE, Recipe
from tests.support.trust_samples import word

ID = InvocationId(word("invocation"))
PLACE = DestinationId(word("destination"))
DONE = Answer(ID, b'{"a":1}')
FAILED = Answer(b"", None, Failure("refused", "no"), "never")
ANCHOR = Anchor(PLACE, "native", "final", "entry 7", word("batch"), "refused: x", "tx 1", {"gas": 2**40})

HALTED = Halted("", 2**40)

REQUESTS = [
    ("Invoke", InvokeRequest("shipments", (Call("judge", b"\0\xff", "key ö", 5), Call("", b"", "")))),
    ("InvokeStream", InvokeRequest("b", (Call("m", b"", "k"),) * MAX_CALLS)),
    ("GetResult", GetResult(ID)),
    ("GetProof", GetProof(ID, PLACE)),
    ("PutBlob", Blob(b"\0")),
    ("PutBinding", Blob(b"")),
    ("GetStatus", GetStatus()),
    ("ListLedgers", ListLedgers()),
    ("ListLedgers", ListLedgers("ethereum", status=True)),
    ("ResumeLedger", ResumeLedger("ethereum", "the node was restored")),
    ("RevokeCode", RevokeCode(Measurement(ID), 1, "a leaked key")),
    ("RevokeCode", RevokeCode(Measurement(ID), 2**53 - 1, "x" * 500)),
    ("ListMessages", ListMessages()),
    ("ListMessages", ListMessages(("sent", "expired"), CHANNEL.id, 1_000, 2**40)),
    ("GetMessage", MessageName("4c1d22f0")),
    ("RetryMessage", RetryMessage("4c1d22f0", "the recipient was put right")),
    ("ListChannels", ListChannels()),
    ("ListChannels", ListChannels(CHANNEL.id)),
    ("SubmitCall", SubmitCall("native", b"\0\xff")),
]
STEP = MessageStep(2**40, "sent", "", "nobody", "", 1, "native", "entry 7", 0, ID)
ENDS = (ChannelEnd("native", PLACE, True, "entry 3", 2), ChannelEnd("", PLACE, False, "", 0))  # noqa: FBT003
REPLIES = [
    ("ListMessages", MessageList((INFO,), 7, (MessageCount("a", "b", "sent", "", "nobody", 3, 2**40),))),
    ("ListMessages", MessageList((), 0, ())),
    ("GetMessage", MessageTrace(INFO, (STEP,))),
    ("RetryMessage", INFO),
    ("ListChannels", ChannelList((ChannelInfo(CHANNEL, ENDS),))),
    ("SubmitCall", CallTaken("entry 9", 9, 2**40)),
    ("Invoke", InvokeReply((DONE, FAILED))),
    ("InvokeStream", InvokeReply(())),
    ("GetResult", Result(DONE, "c@1", (ANCHOR, ANCHOR))),
    ("GetResult", Result(FAILED, "", ())),
    ("GetProof", Blob(b"proof")),
    ("PutBlob", BlobName(sha256(b""))),
    ("PutBinding", BlobName(sha256(b"b"))),
    ("GetStatus", STATUS),
    ("ListLedgers", LedgerList(())),
    ("ListLedgers", LedgerList((LedgerInfo("a", "native", PLACE, None), LedgerInfo("b", "x", PLACE, HALTED, b"{}")))),
    ("ResumeLedger", LedgerResumed(HALTED, 7)),
    ("RevokeCode", CodeRevoked(1, ())),
    ("RevokeCode", CodeRevoked(2**40, (RevocationState("a", "final", ""), RevocationState("b", "refused", "why")))),
]


@pytest.mark.parametrize(("name", "value"), REQUESTS, ids=[f"{at}-{name}" for at, (name, _) in enumerate(REQUESTS)])
def test_requests_are_read_back(name: str, value: object) -> None:
    method = METHODS[name]
    assert method.decode_request(method.encode_request(value)) == value


@pytest.mark.parametrize(("name", "value"), REPLIES, ids=[f"{at}-{name}" for at, (name, _) in enumerate(REPLIES)])
def test_replies_are_read_back(name: str, value: object) -> None:
    method = METHODS[name]
    assert method.decode_reply(method.encode_reply(value)) == value


def test_the_table_is_the_service_of_the_schema() -> None:
    methods = DESCRIPTOR.services_by_name["Fabric"].methods
    assert DESCRIPTOR.services_by_name["Fabric"].full_name == SERVICE
    assert {one.name: one.client_streaming for one in methods} == {name: one.streaming for name, one in METHODS.items()}
    assert all(one.client_streaming == one.server_streaming for one in methods)


@pytest.mark.parametrize("count", [0, MAX_CALLS + 1])
def test_a_request_has_one_to_1024_calls(count: int) -> None:
    method = METHODS["Invoke"]
    with pytest.raises(Malformed, match="expected 1 to 1024 calls"):
        method.decode_request(method.encode_request(InvokeRequest("b", (Call("m", b"", "k"),) * count)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GetResult", GetResult(InvocationId(b"short"))),
        ("GetProof", GetProof(ID, DestinationId(b""))),
        ("GetProof", GetProof(InvocationId(ID + b"\0"), PLACE)),
    ],
    ids=["result", "no-destination", "long"],
)
def test_an_id_is_one_word(name: str, value: object) -> None:
    method = METHODS[name]
    with pytest.raises(Malformed, match="expected 32 bytes"):
        method.decode_request(method.encode_request(value))


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501], ids=["none", "blank", "long"])
def test_a_ledger_is_resumed_for_a_reason(reason: str) -> None:
    method = METHODS["ResumeLedger"]
    with pytest.raises(Malformed, match="that say why"):
        method.decode_request(method.encode_request(ResumeLedger("ethereum", reason)))


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (RevokeCode(Measurement(ID), 0, "why"), "Unix seconds from 1"),
        (RevokeCode(Measurement(ID), 2**53, "why"), "Unix seconds from 1"),
        (RevokeCode(Measurement(ID), 1, " "), "that say why"),
        (RevokeCode(Measurement(ID), 1, "x" * 501), "that say why"),
        (RevokeCode(Measurement(ID[:31]), 1, "why"), "expected 32 bytes"),
    ],
    ids=["no-time", "too-late", "no-reason", "long-reason", "short"],
)
def test_code_is_revoked_from_a_time_on_for_a_reason(value: RevokeCode, error: str) -> None:
    method = METHODS["RevokeCode"]
    with pytest.raises(Malformed, match=error):
        method.decode_request(method.encode_request(value))


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 401], ids=["none", "blank", "long"])
def test_a_message_is_tried_again_for_a_reason(reason: str) -> None:
    method = METHODS["RetryMessage"]
    with pytest.raises(Malformed, match="that say why"):
        method.decode_request(method.encode_request(RetryMessage("4c1d22f0", reason)))


@given(st.sampled_from(sorted(METHODS)), st.binary(max_size=80))
def test_any_bytes_of_a_caller(name: str, data: bytes) -> None:
    for read in (METHODS[name].decode_request, METHODS[name].decode_reply):
        _value_or_malformed(read, data)


def _value_or_malformed(read: Callable[[bytes], Any], data: bytes) -> None:
    try:
        assert read(data) is not None
    except Malformed as error:
        assert error.reason  # noqa: PT017 - either end is right


BINDING = b"a binding's document"
INVOCATION = Invocation(
    ID, Account(word("caller")), BindingVersion(sha256(BINDING)), "judge", b"\0", 2**63, 2**63, 10_000
)


def _batch() -> SignedBatch:
    proof = Recipe(neighbours=0).make()
    return SignedBatch(proof.header, proof.signatures, (Sealed(proof.record, b"statement", b"payload"),))


@pytest.mark.parametrize(
    "value",
    [
        Describe(),
        MakeEvidence(word("nonce")),
        Load(b"wheel", b"publication"),
        Load(b"wheel", b"publication", (b"one", b"two")),
        Run(BINDING, (INVOCATION,)),
        Run(b"", ()),
    ],
    ids=lambda one: type(one).__name__ + str(len(repr(one))),
)
def test_what_an_enclave_is_asked_is_read_back(value: codec.EnclaveRequest) -> None:
    assert codec.decode_request(codec.encode_request(value)) == value


def test_an_invocation_gets_the_version_of_the_document_it_came_with() -> None:
    """An enclave computes it: the host cannot name another binding than the one it shows."""
    lied = Run(BINDING, (Invocation(ID, Account(word("caller")), BindingVersion(word("lie")), "judge", b"", 1),))
    read = codec.decode_request(codec.encode_request(lied))
    assert isinstance(read, Run)
    assert bytes(read.invocations[0].binding) == sha256(BINDING)


@pytest.mark.parametrize(
    "value",
    [
        Failure("refused", "no"),
        Description(ENCLAVE.public, Measurement(word("code")), "zygote", 7, 42),
        Evidence(b"{}"),
        Loaded(Measurement(word("bundle"))),
        RunResult((Outcome(ID, b"{}"), Outcome(ID, None, Failure("cryptlet-raised", ""))), (_batch(),)),
        RunResult((), ()),
    ],
    ids=lambda one: type(one).__name__ + str(len(repr(one))),
)
def test_what_an_enclave_answers_is_read_back(value: codec.EnclaveReply) -> None:
    assert codec.decode_reply(codec.encode_reply(value)) == value


@pytest.mark.parametrize("read", [codec.decode_request, codec.decode_reply])
@pytest.mark.parametrize("data", [b"", b"\xff", b"\n"], ids=["empty", "garbage", "cut"])
def test_what_is_no_message_is_malformed(read: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


@given(st.binary(max_size=120))
def test_any_bytes_of_an_enclave(data: bytes) -> None:
    _value_or_malformed(codec.decode_request, data)
    _value_or_malformed(codec.decode_reply, data)


@given(st.data())
def test_a_changed_reply_is_a_value_or_malformed(data: st.DataObject) -> None:
    whole = bytearray(codec.encode_reply(RunResult((Outcome(ID, b"{}"),), (_batch(),))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    _value_or_malformed(codec.decode_reply, bytes(whole))
