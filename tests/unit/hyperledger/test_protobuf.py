"""The strict reader against the official runtime: what both read is the same, and it refuses more, never less."""

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st

from adapters.hyperledger import messages
from adapters.hyperledger.proto import common_pb2, kvrwset_pb2, msp_pb2, peer_pb2, rwset_pb2
from adapters.hyperledger.protobuf import Fields, Schema, read
from fabric.core.errors import Malformed
from tests.support.proposals import encode

PAIRS: list[tuple[Schema, type[Message]]] = [
    (messages.CHANNEL_HEADER, common_pb2.ChannelHeader),
    (messages.HEADER_EXTENSION, peer_pb2.ChaincodeHeaderExtension),
    (messages.CHAINCODE_ID, peer_pb2.ChaincodeID),
    (messages.SIGNATURE_HEADER, common_pb2.SignatureHeader),
    (messages.PROPOSAL_PAYLOAD, peer_pb2.ChaincodeProposalPayload),
    (messages.INVOCATION, peer_pb2.ChaincodeInvocationSpec),
    (messages.CHAINCODE_SPEC, peer_pb2.ChaincodeSpec),
    (messages.CHAINCODE_INPUT, peer_pb2.ChaincodeInput),
    (messages.RESPONSE_PAYLOAD, peer_pb2.ProposalResponsePayload),
    (messages.ACTION, peer_pb2.ChaincodeAction),
    (messages.RESPONSE, peer_pb2.Response),
    (messages.READ_WRITE_SET, rwset_pb2.TxReadWriteSet),
    (messages.NAMESPACE, rwset_pb2.NsReadWriteSet),
    (messages.READS_AND_WRITES, kvrwset_pb2.KVRWSet),
    (messages.READ, kvrwset_pb2.KVRead),
    (messages.VERSION, kvrwset_pb2.Version),
    (messages.IDENTITY, msp_pb2.SerializedIdentity),
]
_VARINTS = {"CPPTYPE_INT32", "CPPTYPE_INT64", "CPPTYPE_UINT32", "CPPTYPE_UINT64", "CPPTYPE_BOOL", "CPPTYPE_ENUM"}
PLAIN = Schema("plain", numbers=frozenset({1}), data=frozenset({2}), lists=frozenset({3}))


@pytest.mark.parametrize(("schema", "official"), PAIRS, ids=[schema.name for schema, _ in PAIRS])
def test_the_numbers_and_kinds_of_fields_are_the_official_ones(schema: Schema, official: type[Message]) -> None:
    assert schema.name == official.DESCRIPTOR.full_name
    fields = official.DESCRIPTOR.fields_by_number
    assert schema.numbers | schema.data | schema.lists == set(fields)
    for number, field in fields.items():
        if field.is_repeated:
            assert number in schema.lists
        else:
            kind = {getattr(field, name): name for name in dir(field) if name.startswith("CPPTYPE_")}[field.cpp_type]
            assert number in (schema.numbers if kind in _VARINTS else schema.data)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_malformed(data: bytes) -> None:
    for schema, _ in PAIRS:
        try:
            read(schema, data)
        except Malformed:
            continue


@given(st.sampled_from(PAIRS), st.data())
def test_what_it_reads_the_official_runtime_reads_too(pair: tuple[Schema, type[Message]], data: st.DataObject) -> None:
    schema, official = pair
    keys = [number << 3 | wire for number in range(1, 9) for wire in (0, 1, 2, 5)]
    entry = st.tuples(st.sampled_from(keys), st.binary(max_size=4)).map(lambda each: bytes([each[0], *each[1]]))
    raw = b"".join(data.draw(st.lists(entry, max_size=4)))
    try:
        fields = read(schema, raw)
    except Malformed:
        return
    try:
        parsed = official.FromString(raw)
    except DecodeError:
        return  # a text that is no UTF-8, or a message within that does not decode: read when somebody looks at it
    for number, field in official.DESCRIPTOR.fields_by_number.items():
        check_field(schema, fields, number, getattr(parsed, field.name))


def check_field(schema: Schema, fields: Fields, number: int, value: object) -> None:
    if isinstance(value, bool):
        assert bool(fields.number(number)) is value
    elif number in schema.numbers:
        assert isinstance(value, int)
        assert fields.number(number) & 0xFFFFFFFF == value & 0xFFFFFFFF
    elif isinstance(value, bytes):
        assert fields.raw(number) == value
    elif isinstance(value, str):
        assert fields.text(number) == value


def test_absent_fields_are_their_defaults() -> None:
    fields = read(PLAIN, b"")
    assert (fields.number(1), fields.raw(2), fields.text(2), fields.items(3), fields.has(2)) == (0, b"", "", [], False)


def test_an_empty_message_within_is_there() -> None:
    assert read(PLAIN, b"\x12\x00").has(2)


def test_unknown_fields_are_passed_over() -> None:
    unknown = b"\x78\x01\x79" + bytes(8) + b"\x7a\x01a\x7d" + bytes(4)
    assert read(PLAIN, unknown + b"\x08\x07").number(1) == 7


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x08\x01\x08\x01", id="an integer twice"),
        pytest.param(b"\x12\x00\x12\x00", id="bytes twice"),
        pytest.param(b"\x0a\x00", id="bytes for an integer"),
        pytest.param(b"\x10\x00", id="an integer for bytes"),
        pytest.param(b"\x18\x00", id="an integer for an item"),
        pytest.param(b"\x1d" + bytes(4), id="four bytes for an item"),
        pytest.param(b"\x08", id="no value"),
        pytest.param(b"\x08" + b"\x80" * 10 + b"\x00", id="an integer of eleven bytes"),
        pytest.param(b"\x08" + b"\xff" * 9 + b"\x02", id="an integer of 65 bits"),
        pytest.param(b"\x12\x01", id="bytes cut short"),
        pytest.param(b"\x79" + bytes(7), id="eight bytes cut short"),
        pytest.param(b"\x00\x00", id="field 0"),
        pytest.param(b"\x80\x80\x80\x80\x10\x00", id="a field number beyond the largest"),
        pytest.param(b"\x7b\x7c", id="a group"),
        pytest.param(b"\x7e", id="wire type 6"),
    ],
)
def test_what_is_not_strict_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed, match="plain"):
        read(PLAIN, data)


def test_a_text_is_utf_8() -> None:
    with pytest.raises(Malformed):
        read(PLAIN, b"\x12\x01\xff").text(2)


def test_the_largest_integer() -> None:
    header = common_pb2.ChannelHeader(epoch=2**64 - 1, type=-1)
    fields = read(messages.CHANNEL_HEADER, encode(header))
    assert (fields.number(6), fields.number(1)) == (2**64 - 1, 2**64 - 1)
