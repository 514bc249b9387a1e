"""Payload codecs: what they make of an output, and what they refuse by name."""

from typing import Final

import pytest
from eth_abi.abi import decode
from hypothesis import given
from hypothesis import strategies as st

from adapters.ethereum.destination import Ethereum
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed

KIND: Final = Ethereum()
VERDICT: Final[JsonObject] = {
    "kind": "abi",
    "fields": [["accepted", "bool"], ["mean_kinetic_millicelsius", "int256"], ["excursions", "uint8"]],
}


def one(kind: str) -> JsonObject:
    return {"kind": "abi", "fields": [["x", kind]]}


def test_json_is_the_canonical_form() -> None:
    KIND.check_codec({"kind": "json"})
    assert KIND.encode_payload({"kind": "json"}, {"b": 1, "a": [None]}) == b'{"a":[null],"b":1}'


def test_abi_takes_fields_by_name_in_the_codec_s_order() -> None:
    KIND.check_codec(VERDICT)
    output: JsonObject = {
        "excursions": 2,
        "accepted": True,
        "mean_kinetic_millicelsius": -5_123,
        "other": "is left out",
    }
    payload = KIND.encode_payload(VERDICT, output)
    assert decode(["bool", "int256", "uint8"], payload) == (True, -5_123, 2)
    assert len(payload) == 3 * 32


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("uint256", str(2**256 - 1), 2**256 - 1),
        ("int256", str(-(2**255)), -(2**255)),
        ("uint64", 0, 0),
        ("int8", -128, -128),
        ("string", "Grüße", "Grüße"),
        ("bytes", "0x00ff", b"\0\xff"),
        ("bytes", "", b""),
        ("bytes32", "ab" * 32, b"\xab" * 32),
        ("bytes4", "0xdeadbeef", b"\xde\xad\xbe\xef"),
        ("address", "0x" + "0a" * 20, "0x" + "0a" * 20),
        ("bool", False, False),
    ],
)
def test_values_arrive(kind: str, value: JsonValue, read: object) -> None:
    KIND.check_codec(one(kind))
    assert decode([kind], KIND.encode_payload(one(kind), {"x": value})) == (read,)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bool", 1),
        ("bool", "true"),
        ("uint8", 256),
        ("uint8", -1),
        ("int8", 128),
        ("uint256", str(2**256)),
        ("uint256", True),
        ("uint256", 1.0),
        ("uint256", "01"),
        ("uint256", "-0"),
        ("uint256", "0x10"),
        ("uint256", None),
        ("string", 1),
        ("string", "\ud800"),
        ("bytes", "0x0"),
        ("bytes", "AB"),
        ("bytes32", "ab" * 31),
        ("address", "0x" + "0a" * 19),
        ("address", 0),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(kind: str, value: JsonValue) -> None:
    with pytest.raises(Malformed, match=r"output\.x"):
        KIND.encode_payload(one(kind), {"x": value})


@pytest.mark.parametrize(
    "codec",
    [
        {},
        {"kind": "xml"},
        {"kind": "json", "fields": []},
        {"kind": "abi"},
        {"kind": "abi", "fields": []},
        {"kind": "abi", "fields": [["x", "bool"], ["x", "bool"]]},
        {"kind": "abi", "fields": [["x", "bool"]] * 33},
        {"kind": "abi", "fields": [["", "bool"]]},
        {"kind": "abi", "fields": [["x"]]},
        {"kind": "abi", "fields": ["x"]},
        {"kind": "abi", "fields": {"x": "bool"}},
        {"kind": "abi", "fields": [["x", 1]]},
        {"kind": "abi", "fields": [["x", "bool"]], "more": 1},
        *(one(kind) for kind in ("uint", "int7", "uint264", "bytes0", "bytes33", "bool8", "tuple", "uint8[]")),
    ],
    ids=str,
)
def test_codecs_that_cannot_be_used_are_refused(codec: JsonObject) -> None:
    with pytest.raises(Malformed, match="codec"):
        KIND.check_codec(codec)
    with pytest.raises(Malformed, match="codec"):
        KIND.encode_payload(codec, {"x": True})


@pytest.mark.parametrize("output", [None, [], {"y": 1}], ids=["null", "list", "other"])
def test_an_output_without_the_field_is_refused(output: JsonValue) -> None:
    with pytest.raises(Malformed, match="output"):
        KIND.encode_payload(one("bool"), output)


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


@given(st.dictionaries(st.sampled_from(["kind", "fields"]), st.sampled_from(["json", "abi"]) | values), values)
def test_any_codec_and_output_give_bytes_or_malformed(codec: JsonObject, output: JsonValue) -> None:
    try:
        assert isinstance(KIND.encode_payload(codec, output), bytes)
    except Malformed:
        return
