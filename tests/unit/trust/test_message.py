"""Channels, messages and letters: bytes, round trips, and any bytes give a value or Malformed."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.trust import letter, words
from fabric.trust.letter import (
    Acknowledgement,
    Delivery,
    effect_of,
    message_object,
    parse_message,
    read_letter,
    write_letter,
)
from fabric.trust.message import MAX_RESULT_BYTES, Channel, Ending, Message, Shown
from tests.support.trust_samples import AS_OF, sample_channel, sample_message

VECTOR = json.loads((Path(__file__).parents[2] / "vectors" / "trust.json").read_text())["message"]
CHANNEL, MESSAGE = sample_channel(), sample_message(b"a body")
DELIVERY = Delivery(Shown.ASSERTED, MESSAGE, b"a body")
ACKNOWLEDGEMENT = Acknowledgement(Shown.PROVEN, Ending.DELIVERED, AS_OF, MESSAGE, b"a result")
OUTPUTS: dict[str, JsonObject] = {
    "delivery": {
        "delivery": {
            "message": message_object(MESSAGE),
            "body": base64.b64encode(b"a body").decode(),
            "source": "asserted",
        }
    },
    "acknowledgement": {
        "acknowledgement": {
            "message": message_object(MESSAGE),
            "outcome": "delivered",
            "time": AS_OF,
            "result": base64.b64encode(b"a result").decode(),
            "source": "proven",
        }
    },
}


def test_the_bytes_are_those_of_the_vectors() -> None:
    assert (CHANNEL.id.hex(), CHANNEL.encoded.hex()) == (VECTOR["channel"]["id"], VECTOR["channel"]["bytes"])
    assert (MESSAGE.id.hex(), MESSAGE.encoded.hex()) == (VECTOR["message"]["id"], VECTOR["message"]["bytes"])
    assert (DELIVERY.encoded.hex(), ACKNOWLEDGEMENT.encoded.hex()) == (VECTOR["delivery"], VECTOR["acknowledgement"])
    assert message_object(MESSAGE) == VECTOR["message"]["fields"]


@pytest.mark.parametrize("value", [DELIVERY, ACKNOWLEDGEMENT], ids=["delivery", "acknowledgement"])
def test_round_trip(value: letter.Letter) -> None:
    assert read_letter(value.encoded) == value
    assert Channel.decode(CHANNEL.encoded) == CHANNEL
    assert Message.decode(MESSAGE.encoded) == MESSAGE
    assert parse_message(message_object(MESSAGE), "message") == MESSAGE


def test_a_channel_has_one_spelling() -> None:
    swapped = Channel(CHANNEL.second, CHANNEL.first, CHANNEL.salt)
    assert Channel.between(CHANNEL.second, CHANNEL.first, CHANNEL.salt) == CHANNEL
    with pytest.raises(Malformed, match="below"):
        Channel.decode(swapped.encoded)
    with pytest.raises(Malformed, match="below"):
        Channel.between(CHANNEL.first, CHANNEL.first, CHANNEL.salt)


@pytest.mark.parametrize("accepts", [0, 3, 2**63])
def test_what_an_end_accepts_is_a_closed_list(accepts: int) -> None:
    data = bytearray(CHANNEL.encoded)
    data[128:160] = words.uint(accepts)
    with pytest.raises(Malformed, match="expected one of 1, 2"):
        Channel.decode(bytes(data))


@pytest.mark.parametrize("word", [6, 7])
def test_its_numbers_are_ones_that_json_can_say(word: int) -> None:
    data = bytearray(MESSAGE.encoded)
    data[32 * word : 32 * word + 32] = words.uint(2**53 - 1)
    assert Message.decode(bytes(data)).encoded == bytes(data)
    data[32 * word : 32 * word + 32] = words.uint(2**53)
    with pytest.raises(Malformed, match="at most 9007199254740991"):
        Message.decode(bytes(data))


def test_ends_are_found_by_their_ledger() -> None:
    first, second = CHANNEL.first, CHANNEL.second
    assert CHANNEL.end_at(first.destination) == CHANNEL.end_beyond(second.destination) == first
    assert CHANNEL.end_at(second.destination) == CHANNEL.end_beyond(first.destination) == second
    assert CHANNEL.end_at(CHANNEL.salt) is CHANNEL.end_beyond(CHANNEL.salt) is None  # type: ignore[arg-type]


@given(st.binary(max_size=500))
def test_any_bytes_are_a_letter_or_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_letter(data)
    assert effect_of(data) is None


@given(st.sampled_from([DELIVERY, ACKNOWLEDGEMENT]), st.data())
def test_one_other_byte_is_malformed_or_another_letter(value: letter.Letter, data: st.DataObject) -> None:
    encoded = bytearray(value.encoded)
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        other = read_letter(bytes(encoded))
    except Malformed:
        return
    assert other != value
    assert other.encoded == bytes(encoded)


def test_a_result_is_bounded_and_an_expired_message_has_none() -> None:
    longest = replace(ACKNOWLEDGEMENT, result=bytes(MAX_RESULT_BYTES))
    assert Acknowledgement.decode(longest.encoded) == longest
    for wrong in (
        replace(ACKNOWLEDGEMENT, result=bytes(MAX_RESULT_BYTES + 1)),
        replace(ACKNOWLEDGEMENT, ending=Ending.EXPIRED),
    ):
        with pytest.raises(Malformed, match="result"):
            Acknowledgement.decode(wrong.encoded)


def test_effects_are_of_the_message_and_not_of_the_record() -> None:
    effects = VECTOR["effects"]
    assert effect_of(DELIVERY.encoded) == bytes.fromhex(effects["delivered"])
    assert effect_of(replace(DELIVERY, shown=Shown.PROVEN, body=b"").encoded) == bytes.fromhex(effects["delivered"])
    assert effect_of(ACKNOWLEDGEMENT.encoded) == bytes.fromhex(effects["acknowledged"])
    refund = replace(ACKNOWLEDGEMENT, ending=Ending.EXPIRED, result=b"")
    assert effect_of(refund.encoded) == bytes.fromhex(effects["refunded"])


def test_the_codec_writes_letters() -> None:
    assert write_letter(OUTPUTS["delivery"]) == DELIVERY.encoded
    assert write_letter(OUTPUTS["acknowledgement"]) == ACKNOWLEDGEMENT.encoded


@pytest.mark.parametrize("value", [None, [], {}, {"delivery": {}}, {"other": {}}, OUTPUTS["delivery"] | {"more": 1}])
def test_what_is_no_letter(value: JsonValue) -> None:
    with pytest.raises(Malformed):
        write_letter(value)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("delivery", {"source": "believed"}),
        ("delivery", {"body": "a body"}),
        ("delivery", {"body": base64.b64encode(bytes(30_721)).decode()}),
        ("delivery", {"message": message_object(MESSAGE) | {"sequence": -1}}),
        ("delivery", {"message": message_object(MESSAGE) | {"sender": "00"}}),
        ("acknowledgement", {"outcome": "sent"}),
        ("acknowledgement", {"outcome": "expired"}),
        ("acknowledgement", {"time": True}),
        ("acknowledgement", {"result": base64.b64encode(bytes(1_025)).decode()}),
    ],
)
def test_a_field_that_does_not_fit_is_named(name: str, changes: JsonObject) -> None:
    fields = OUTPUTS[name][name]
    assert isinstance(fields, dict)
    with pytest.raises(Malformed, match="output"):
        write_letter({name: fields | changes})
