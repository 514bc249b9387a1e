"""Words and strict fields."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.canonical import JsonValue
from fabric.core.errors import Malformed
from fabric.trust import fields, words

TAG = b"t" * 32


@given(st.integers(0, 2**64 - 1))
def test_integers(value: int) -> None:
    assert words.read_uint(words.uint(value), "x") == value
    assert len(words.uint(value)) == 32


@pytest.mark.parametrize("value", [-1, 2**64])
def test_integers_outside(value: int) -> None:
    with pytest.raises(ValueError, match="2\\*\\*64"):
        words.uint(value)
    with pytest.raises(Malformed):
        words.read_uint((2**64).to_bytes(32, "big"), "x")


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=5))
def test_split(parts: list[bytes]) -> None:
    assert words.split(TAG + b"".join(parts), TAG, len(parts), "x") == parts


@given(st.binary(max_size=130))
def test_any_bytes_are_words_or_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        words.split(data, TAG, 2, "x")


JSON: st.SearchStrategy[JsonValue] = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.integers())
)


@given(JSON)
def test_any_value_is_read_or_malformed(value: JsonValue) -> None:
    readers = (
        lambda: fields.read_object(value, frozenset({"a"}), "x"),
        lambda: fields.read_list(value, lambda one: one, "x", 2),
        lambda: fields.read_text(value, "x"),
        lambda: fields.read_integer(value, "x", 0, 9),
        lambda: fields.read_choice(value, ("a",), "x"),
        lambda: fields.read_hex(value, "x"),
        lambda: fields.read_hex(value, "x", 2),
        lambda: fields.read_base64(value, "x"),
    )
    for read in readers:
        try:
            read()
        except Malformed:
            continue


def test_what_is_read() -> None:
    assert fields.read_object({"a": 1}, frozenset({"a"}), "x") == {"a": 1}
    assert fields.read_list([1, 2], lambda one: one, "x", 2) == (1, 2)
    assert fields.read_integer(9, "x", 0, 9) == 9
    assert fields.read_choice("a", ("a", "b"), "x") == "a"
    assert fields.read_hex("00ff", "x", 2) == b"\0\xff"
    assert fields.read_base64(base64.b64encode(b"abc").decode(), "x") == b"abc"


@pytest.mark.parametrize("value", ["0", "0g", "FF", "00 ff", "0x00", "\u0660\u0660"])
def test_other_spellings_of_bytes_are_malformed(value: str) -> None:
    with pytest.raises(Malformed):
        fields.read_hex(value, "x")


@pytest.mark.parametrize("value", ["YWJ", "YWJj\n", "YWI", "YWJ=", "Y WJj", "YWJj=", "\u00e9"])
def test_other_spellings_of_base64_are_malformed(value: str) -> None:
    with pytest.raises(Malformed):
        fields.read_base64(value, "x")
