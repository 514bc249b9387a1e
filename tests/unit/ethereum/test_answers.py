"""A node's answers: any JSON gives a value or an error of the port, and nothing is believed by its form alone."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ethereum import answers, rpc
from adapters.ethereum.indexed import Cursor
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import LedgerUnavailable, Malformed

WORD: Final = "0x" + "ab" * 32
LOG: Final[JsonObject] = {
    "address": "0x" + "0a" * 20,
    "topics": [WORD],
    "data": "0x",
    "blockNumber": "0x10",
    "blockHash": WORD,
    "transactionHash": WORD,
    "transactionIndex": "0x0",
}

scalars = st.none() | st.booleans() | st.integers() | st.sampled_from(["", "0x", "0x0", "0x10", WORD, "0xzz"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*LOG, "number", "hash"]), inner),
)


@pytest.mark.parametrize("read", [answers.block, answers.outcome, answers.event_log], ids=["block", "outcome", "log"])
@given(value=values)
def test_any_json_is_a_value_or_malformed(read: object, value: JsonValue) -> None:
    try:
        read(value)  # type: ignore[operator]
    except Malformed:
        return


@given(values)
def test_any_number_and_bytes(value: JsonValue) -> None:
    for read in (answers.quantity, answers.data):
        try:
            read(value, "field")
        except Malformed:
            continue


def test_a_log_is_read() -> None:
    log = answers.event_log(LOG)
    assert (log.block, log.transaction_index, log.data, len(log.topics)) == (16, 0, b"", 1)


@pytest.mark.parametrize("field", LOG)
def test_a_log_lacks_nothing(field: str) -> None:
    with pytest.raises(Malformed, match=field):
        answers.event_log({name: value for name, value in LOG.items() if name != field})


def test_what_cannot_be_read_is_no_answer() -> None:
    with pytest.raises(LedgerUnavailable, match="cannot be read"), answers.reading():
        answers.quantity("10", "head")


@pytest.mark.parametrize(
    "response",
    [
        {"error": {"code": -32600, "message": "batch too large"}},
        [],
        [{"id": 1, "result": "0x1"}],
        [{"id": 1, "result": "0x1"}, {"result": "0x1"}],
        [{"id": 1, "result": "0x1"}, {"id": 1, "result": "0x1"}],
        [{"id": 1, "result": "0x1"}, {"id": 3, "result": "0x1"}],
        [{"id": 1, "result": "0x1"}, "0x1"],
        None,
    ],
    ids=["refused", "none", "few", "no-id", "twice", "other", "bare", "null"],
)
def test_a_batch_that_answers_something_else_is_no_answer(response: object) -> None:
    with pytest.raises(LedgerUnavailable):
        rpc._read(response, 2)


@pytest.mark.parametrize(
    ("error", "read"),
    [
        (
            {"code": 3, "message": "execution reverted", "data": "0x0102"},
            rpc.RpcError(3, "execution reverted", b"\1\2"),
        ),
        ({"code": 3, "message": "m", "data": {"data": "0x01"}}, rpc.RpcError(3, "m", b"\1")),
        ({"code": 3, "message": "m", "data": "reverted"}, rpc.RpcError(3, "m")),
        ({"code": 3, "message": "m", "data": "0x0"}, rpc.RpcError(3, "m")),
        ({"code": "3"}, rpc.RpcError(0, "None")),
        ("no", rpc.RpcError(0, "no")),
    ],
    ids=["plain", "nested", "text", "half", "bare", "no-object"],
)
def test_a_refusal_of_one_call_is_an_answer(error: JsonValue, read: rpc.RpcError) -> None:
    assert rpc._read([{"id": 7, "result": "0x1"}, {"id": 8, "error": error}], 2) == ["0x1", read]


@given(st.lists(st.integers(1, 3 << 20), max_size=6), st.integers(0, 1200))
def test_calls_are_split_without_loss(sizes: list[int], small: int) -> None:
    large: list[rpc.Call] = [("eth_sendRawTransaction", ["0" * size]) for size in sizes]
    calls: list[rpc.Call] = [*large, *[("eth_chainId", [])] * small]
    windows = list(rpc._windows(calls))
    assert [call for window in windows for call in window] == calls
    for window in windows:
        assert 1 <= len(window) <= rpc.MAX_CALLS
        weight = sum(len(str(item)) for _, parameters in window for item in parameters)
        assert len(window) == 1 or weight <= rpc.MAX_BYTES


def test_a_cursor_is_read_back() -> None:
    cursor = Cursor(12, bytes(range(32)), 3)
    assert Cursor.parse(cursor.encode()) == cursor


@given(st.binary(max_size=80))
def test_any_bytes_are_a_cursor_or_malformed(data: bytes) -> None:
    try:
        assert Cursor.parse(data).encode() == data
    except Malformed:
        return
