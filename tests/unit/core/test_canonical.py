"""Canonical JSON: RFC 8785's own examples, round trips, and any bytes."""

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.canonical import MAX_DEPTH, MAX_INTEGER, JsonValue
from fabric.core.errors import Malformed
from tests.vectors.published import RFC8785, RFC8785_NUMBERS

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)


def nested(depth: int) -> JsonValue:
    value: JsonValue = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize("vector", RFC8785, ids=lambda one: one["name"])
def test_rfc_8785_examples(vector: dict[str, str]) -> None:
    value = canonical.parse(vector["input"].encode())
    assert canonical.encode(value).decode() == vector["canonical"]
    assert canonical.decode(vector["canonical"].encode()) == value


@pytest.mark.parametrize(("bits", "spelling"), RFC8785_NUMBERS.items())
def test_rfc_8785_numbers(bits: str, spelling: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical.encode(number).decode() == spelling
    assert canonical.decode(spelling.encode()) == number


@given(VALUES)
def test_what_is_encoded_is_decoded(value: JsonValue) -> None:
    data = canonical.encode(value)
    assert canonical.decode(data) == value
    assert canonical.encode(canonical.decode(data)) == data


@given(VALUES)
def test_any_spelling_of_a_value_has_one_canonical_form(value: JsonValue) -> None:
    spelled = json.dumps(value, indent=2, ensure_ascii=True).encode()
    try:
        parsed = canonical.parse(spelled)
    except Malformed:
        # Python spells doubles from 2**53 to 10**16 with a point and larger ones with an exponent, so none is lost.
        pytest.fail("a JSON text of a canonical value was refused")
    assert canonical.encode(parsed) == canonical.encode(value)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_value_or_malformed(data: bytes) -> None:
    try:
        value = canonical.parse(data)
    except Malformed:
        return
    again = canonical.encode(value)  # whatever parses has a canonical form
    try:
        assert canonical.decode(data) == value
    except Malformed:
        assert again != data


@given(st.text(alphabet='[]{}",:0123456789eE+-.\\u tnlrfas', max_size=30))
def test_any_json_like_text_is_a_value_or_malformed(text: str) -> None:
    test_any_bytes_are_a_value_or_malformed.hypothesis.inner_test(text.encode())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nul",
        "{} {}",
        '{"a":1,"a":2}',
        '{"a":{"b":1,"b":1}}',
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "9007199254740993",
        "-9007199254740993",
        "100000000000000000001",
        "1" * 5000,
        "[1,]",
        "01",
        "'a'",
        '"\n"',
        '"\\ud800"',
        '{"\\udc00":1}',
        "\ufeff{}",
        "[" * 100_000,
        "/* */1",
    ],
    ids=range(24),
)
def test_what_has_no_canonical_form_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        canonical.parse(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        " 1",
        "1 ",
        "1.0",
        "1e0",
        "-0",
        '{"b":1,"a":2}',
        '{"a": 1}',
        '"\\u0041"',
        '"\\/"',
        "100e18",
        "[1, 2]",
        '"\\u001F"',
    ],
)
def test_another_spelling_is_parsed_and_not_decoded(text: str) -> None:
    canonical.parse(text.encode())
    with pytest.raises(Malformed, match="another spelling"):
        canonical.decode(text.encode())


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, MAX_INTEGER + 1, -MAX_INTEGER - 1, "\ud800", {"\ud800": 1}, {1: 2}, b"bytes", object()],
    ids=range(9),
)
def test_foreign_values_have_no_form(value: JsonValue) -> None:
    with pytest.raises(Malformed):
        canonical.encode(value)
    with pytest.raises(Malformed):
        canonical.encode([0.5, value])


def test_depth_is_bounded_both_ways() -> None:
    assert canonical.decode(canonical.encode(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    spelled = json.dumps(nested(MAX_DEPTH + 1), separators=(",", ":")).encode()
    with pytest.raises(Malformed, match="nested deeper"):
        canonical.parse(spelled)
    with pytest.raises(Malformed, match="nested deeper"):
        canonical.encode(nested(MAX_DEPTH + 1))


def test_many_brackets_are_not_depth() -> None:
    value: JsonValue = ["[" * 100, [[] for _ in range(100)], {"{" * 50: 1}]
    assert canonical.decode(canonical.encode(value)) == value


def test_an_unclosed_string_with_brackets_is_looked_through_once() -> None:
    # Looking for its end from every escaped quote again takes hours for this text; one look takes milliseconds.
    with pytest.raises(Malformed, match="Unterminated string"):
        canonical.parse(b'"' + b'\\"' * 500_000 + b"[" * (MAX_DEPTH + 1))


@pytest.mark.parametrize("start", [b'"', b'"a', b'"\\\\', b'"\\"', b'{"a":"b", "', b"\\", b'\\"'])
def test_what_stands_before_deep_nesting_does_not_hide_it(start: bytes) -> None:
    with pytest.raises(Malformed):
        canonical.parse(start + b"[" * 500_000)


def test_size_is_bounded() -> None:
    assert canonical.parse(b"[1]", max_bytes=3) == [1]
    with pytest.raises(Malformed, match="at most 2 bytes"):
        canonical.parse(b"[1]", max_bytes=2)


def test_an_object_is_asked_for() -> None:
    assert canonical.decode_object(b'{"a":1}') == {"a": 1}
    with pytest.raises(Malformed, match="expected an object"):
        canonical.decode_object(b"[]")


def test_names_are_sorted_by_utf_16() -> None:
    """UTF-8 order would put the emoji last; RFC 8785 section 3.2.3 counts UTF-16 units."""
    assert canonical.encode({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()
