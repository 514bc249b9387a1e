"""Calls: round trips, and any bytes give an operation or Malformed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.ledger.rules.calls import call_object, decode_call, encode_call, parse_call
from fabric.ledger.rules.operations import Operation, Settle
from fabric.trust.schemes import ED25519, EIP712
from tests.support.rules_builder import build, load_scenarios
from tests.vectors.gen_rules import REFERENCE

OPERATIONS: list[Operation] = [
    step.operation
    for scheme in (ED25519, EIP712)
    for scenario in load_scenarios()
    for step in build(scenario, REFERENCE, scheme).steps
    if step.call
]
ONE_OF_EACH = list({type(one): one for one in OPERATIONS}.values())
NAMES = [
    "op",
    "result",
    "destinations",
    "signatures",
    "status",
    "revocation",
    "header",
    "signature",
    "record",
    "batch",
    "index",
]
VALUES: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**53),
    st.floats(allow_nan=False),
    st.sampled_from(
        ["register", "settle", "consume", "request", "set_key_status", "revoke_code", "00" * 32, "00" * 160, "0"]
    ),
    st.lists(st.sampled_from(["00" * 32, "xx"]), max_size=3),
)


def test_every_kind_of_operation_is_tried() -> None:
    assert len(ONE_OF_EACH) == len(Operation.__args__)


def test_round_trip() -> None:
    assert [decode_call(encode_call(one)) for one in OPERATIONS] == OPERATIONS


def test_a_bad_count_is_for_the_rules_to_refuse() -> None:
    settle = next(one for one in OPERATIONS if isinstance(one, Settle) and one.header.count == 0)
    assert decode_call(encode_call(settle)) == settle


@given(st.binary(max_size=300))
def test_any_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_call(data)


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), VALUES, max_size=5))
def test_any_object_is_malformed(value: JsonObject) -> None:
    with pytest.raises(Malformed):
        parse_call(value)


@given(st.sampled_from(ONE_OF_EACH), st.data())
def test_one_other_field_is_malformed_or_another_operation(operation: Operation, data: st.DataObject) -> None:
    call = call_object(operation)
    name = data.draw(st.sampled_from(sorted(call)))
    value = data.draw(VALUES)
    try:
        parsed = parse_call(call | {name: value})
    except Malformed:
        return
    assert call_object(parsed) == call | {name: value}


@given(st.sampled_from(ONE_OF_EACH), st.data())
def test_one_other_byte_is_malformed_or_another_operation(operation: Operation, data: st.DataObject) -> None:
    call = bytearray(encode_call(operation))
    at = data.draw(st.integers(0, len(call) - 1))
    call[at] ^= data.draw(st.integers(1, 255))
    try:
        parsed = decode_call(bytes(call))
    except Malformed:
        return
    assert parsed != operation
    assert encode_call(parsed) == bytes(call)


@pytest.mark.parametrize("operation", ONE_OF_EACH, ids=lambda one: type(one).__name__)
def test_names_are_exact(operation: Operation) -> None:
    call = call_object(operation)
    for name in call:
        with pytest.raises(Malformed):
            parse_call({key: value for key, value in call.items() if key != name})
    with pytest.raises(Malformed):
        parse_call(call | {"more": 1})


def test_another_spelling_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode_call(b" " + encode_call(OPERATIONS[0]))


@pytest.mark.parametrize("value", [None, [], "register", 1, {}, {"op": "expire"}, {"op": 1}])
def test_what_is_no_call(value: JsonValue) -> None:
    with pytest.raises(Malformed):
        decode_call(canonical.encode(value))
