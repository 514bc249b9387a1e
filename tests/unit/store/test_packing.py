"""How a batch lies in its row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import StoreError
from fabric.store.packing import PackedBatch, pack
from fabric.trust.record import RECORD_BYTES
from tests.support.batches import accept, destination, seal, sign


@pytest.mark.parametrize("size", [1, 2, 5])
def test_every_entry_comes_back(size: int) -> None:
    entries = [seal(accept(number), destination().id) for number in range(size)]
    packed = PackedBatch(*pack(entries))
    assert [packed.sealed(position) for position in range(size)] == entries
    header = sign([accept(number) for number in range(size)], destination()).header
    assert packed.tree.root == header.root
    with pytest.raises(IndexError):
        packed.path(size)


@given(count=st.integers(0, 3), details=st.binary(max_size=64))
def test_any_bytes_give_a_batch_or_an_error_of_the_store(count: int, details: bytes) -> None:
    try:
        packed = PackedBatch(bytes(count * RECORD_BYTES), details)
    except StoreError:
        return
    assert len(packed.tree) == count


def test_a_cut_off_row_is_refused() -> None:
    records, details = pack([seal(accept(0), destination().id)])
    with pytest.raises(StoreError, match="cut off"):
        PackedBatch(records, details[:-1])
    with pytest.raises(StoreError, match="2 records"):
        PackedBatch(records * 2, details)
