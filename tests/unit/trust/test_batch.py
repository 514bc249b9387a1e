"""Headers and batches."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import Malformed
from fabric.core.ids import BatchId, DestinationId, Digest, sha256
from fabric.trust.batch import HEADER_BYTES, MAX_RECORDS, TAG, Header, header_of, tree_of
from fabric.trust.merkle import leaf_hash, root_from_inclusion
from tests.support.trust_samples import sample_record, word

DESTINATION = DestinationId(word("destination"))
RECORDS = [sample_record(str(n), DESTINATION) for n in range(6)]
WORDS = st.binary(min_size=32, max_size=32)
HEADERS = st.builds(
    Header,
    destination=WORDS.map(DestinationId),
    epoch=st.integers(0, 2**64 - 1),
    count=st.integers(1, MAX_RECORDS),
    root=WORDS.map(Digest),
)


@given(HEADERS)
def test_round_trip(header: Header) -> None:
    assert Header.decode(header.encoded) == header
    assert len(header.encoded) == HEADER_BYTES
    assert header.batch_id == BatchId(sha256(header.encoded))


def test_the_words() -> None:
    header = Header(DESTINATION, 3, 5, word("root"))
    words = (b"cryptlet-fabric/header/v1" + bytes(7), DESTINATION, (3).to_bytes(32, "big"), (5).to_bytes(32, "big"))
    assert header.encoded == b"".join(words) + word("root")


@pytest.mark.parametrize("count", [0, 1025, 2**64 - 1])
def test_counts_outside_the_limits_are_malformed(count: int) -> None:
    with pytest.raises(Malformed, match="count"):
        Header.decode(Header(DESTINATION, 1, count, word("root")).encoded)


@given(st.binary(max_size=200) | st.binary(min_size=HEADER_BYTES, max_size=HEADER_BYTES))
def test_any_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        Header.decode(data)


@given(st.binary(min_size=HEADER_BYTES - 32, max_size=HEADER_BYTES - 32))
def test_any_words_are_a_value_or_malformed(data: bytes) -> None:
    try:
        header = Header.decode(TAG + data)
    except Malformed:
        return
    assert header.encoded == TAG + data


@pytest.mark.parametrize("size", range(1, 7))
def test_every_record_is_in_its_batch(size: int) -> None:
    records = RECORDS[:size]
    header, tree = header_of(records, epoch=4), tree_of(records)
    assert (header.destination, header.epoch, header.count) == (DESTINATION, 4, size)
    for index, record in enumerate(records):
        leaf = leaf_hash(record.encoded)
        assert root_from_inclusion(leaf, index, header.count, tree.inclusion(index)) == header.root


def test_what_is_no_batch() -> None:
    elsewhere = sample_record("7", DestinationId(word("elsewhere")))
    changed = replace(RECORDS[0], output=word("other"))
    for records, words in (
        ([], "1 to 1024"),
        ([*RECORDS, elsewhere], "one destination"),
        ([*RECORDS, changed], "an intent at most once"),
        ([RECORDS[0]] * 1025, "1 to 1024"),
    ):
        with pytest.raises(ValueError, match=words):
            header_of(records, epoch=1)
