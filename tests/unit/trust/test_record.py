"""Records: seventeen words, one spelling."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import Malformed
from fabric.core.ids import DestinationId, sha256
from fabric.trust.record import RECORD_BYTES, TAG, Record
from tests.support.trust_samples import sample_record, word

RECORD = sample_record("a", DestinationId(word("destination")))
WORDS = st.binary(min_size=32, max_size=32)
NUMBERS = st.integers(0, 2**64 - 1)
RECORDS = st.builds(
    Record, **{one.name: NUMBERS if one.type == "int" or one.type is int else WORDS for one in fields(Record)}
)


@given(RECORDS)
def test_round_trip(record: Record) -> None:
    assert Record.decode(record.encoded) == record
    assert len(record.encoded) == RECORD_BYTES
    assert record.digest == sha256(record.encoded)


def test_the_order_of_the_words_is_that_of_the_fields() -> None:
    words = [RECORD.encoded[at : at + 32] for at in range(0, RECORD_BYTES, 32)]
    assert words[0] == TAG == b"cryptlet-fabric/record/v1" + bytes(7)
    values = [getattr(RECORD, one.name) for one in fields(Record)]
    assert words[1:] == [one if isinstance(one, bytes) else one.to_bytes(32, "big") for one in values]


@given(st.binary(max_size=600) | st.binary(min_size=RECORD_BYTES, max_size=RECORD_BYTES))
def test_any_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        Record.decode(data)


@given(st.binary(min_size=RECORD_BYTES - 32, max_size=RECORD_BYTES - 32))
def test_any_words_are_a_value_or_malformed(data: bytes) -> None:
    try:
        record = Record.decode(TAG + data)
    except Malformed:
        return
    assert record.encoded == TAG + data


@pytest.mark.parametrize("data", [RECORD.encoded[:-1], RECORD.encoded + b"\0", RECORD.encoded + bytes(32), b""])
def test_other_lengths_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed, match="expected 544 bytes"):
        Record.decode(data)


def test_another_tag_is_malformed() -> None:
    with pytest.raises(Malformed, match="tag"):
        Record.decode(b"x" + RECORD.encoded[1:])


@pytest.mark.parametrize("at", [14, 15, 16])
def test_integers_of_2_to_the_64_are_malformed(at: int) -> None:
    data = bytearray(RECORD.encoded)
    data[at * 32 + 23] = 1
    with pytest.raises(Malformed, match="2\\*\\*64"):
        Record.decode(bytes(data))


def test_every_field_changes_the_digest() -> None:
    for one in fields(Record):
        value = getattr(RECORD, one.name)
        changes: dict[str, Any] = {one.name: value + 1 if isinstance(value, int) else sha256(value)}
        assert replace(RECORD, **changes).digest != RECORD.digest
