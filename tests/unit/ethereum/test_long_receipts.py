"""A receipt that fills a block is shown like any other: nobody keeps an event untold by wrapping it in logs."""

import tracemalloc
from typing import Any, Final

import pytest
import rlp
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from adapters.ethereum import answers, rlps
from adapters.ethereum.anchorage import (
    GAS_PER_BYTE,
    MAX_BLOCK_GAS,
    MAX_FOLLOWING,
    MAX_HEADER_BYTES,
    MAX_INNER_BYTES,
    MAX_LEAF_BYTES,
    MAX_NODES,
    Material,
    parse,
)
from adapters.ethereum.destination import Ethereum
from adapters.ethereum.mpt import Trie, index_key
from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import Malformed
from fabric.enclave.main import MAX_REQUEST_BYTES
from fabric.runtime.courier import MAX_FRAME
from fabric.runtime.link import MAX_BODY
from fabric.store import blobs
from fabric.trust import binding, proof
from fabric.trust.kind import Told
from fabric.trust.sources import MAX_SHOWN_BYTES
from fabric.wire.service import MAX_MESSAGE_BYTES
from tests.unit.ethereum.test_event import EXPIRED
from tests.unit.ethereum.test_receipt import DESTINATION, NUMBER, WORD, Log, header

TRANSACTION_GAS, LOG_GAS, TOPIC_GAS = 21_000, 375, 375
CHUNK: Final = 100_000
MANY: Final = 200_000
CHUNK_LOG: Final[Log] = (WORD[:20], [], bytes(CHUNK))
NOISE: Final[Log] = (WORD[:20], [], b"")


def encoded(logs: list[Log]) -> bytes:
    parts: list[rlps.Item] = [b"\1", MAX_BLOCK_GAS.to_bytes(4, "big"), bytes([255]) * 256]
    return b"\2" + rlps.encode([*parts, [[*log] for log in logs]])


def gas_of(logs: list[Log]) -> int:
    """Returns the least that a transaction with these logs costs."""
    return TRANSACTION_GAS + sum(
        LOG_GAS + TOPIC_GAS * len(topics) + GAS_PER_BYTE * len(data) for _, topics, data in logs
    )


def material(receipt: bytes, log: int) -> JsonObject:
    trie = Trie({index_key(0): receipt})
    block = header(trie.root)
    return Material(keccak(block), NUMBER, block, 0, tuple(trie.proof(index_key(0))), log).to_json()


def longest() -> JsonObject:
    """Returns the longest material that is read."""
    nodes = (*[bytes(MAX_INNER_BYTES)] * (MAX_NODES - 1), bytes(MAX_LEAF_BYTES))
    headers = (bytes(MAX_HEADER_BYTES),) * MAX_FOLLOWING
    return Material(WORD, 2**53 - 1, bytes(MAX_HEADER_BYTES), 2**53 - 1, nodes, 2**53 - 1, headers).to_json()


def shown(given: JsonObject) -> bytes:
    """Returns an input as the relay makes it."""
    return canonical.encode({"events": [{"destination": WORD.hex(), "material": given}]})


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 70_000)), max_size=20))
def test_no_receipt_has_more_bytes_than_an_eighth_of_its_gas(shape: list[tuple[int, int]]) -> None:
    logs = [(WORD[:20], [WORD] * topics, b"\xff" * size) for topics, size in shape]
    assert GAS_PER_BYTE * len(encoded(logs)) <= gas_of(logs)


def full_block(filler: Log) -> JsonObject:
    """Returns what shows an event behind as many logs as a block takes."""
    count = (MAX_BLOCK_GAS - gas_of([EXPIRED])) // (gas_of([filler]) - TRANSACTION_GAS)
    return material(encoded([filler] * count + [EXPIRED]), count)


@pytest.mark.parametrize("filler", [CHUNK_LOG, NOISE], ids=["long logs", "many logs"])
def test_an_event_in_a_block_full_of_logs_is_shown(filler: Log) -> None:
    given = full_block(filler)
    assert len(shown(given)) <= MAX_SHOWN_BYTES
    assert Ethereum().check_event(DESTINATION, given, {}).told is Told.EXPIRED


def test_it_takes_a_few_times_its_own_memory() -> None:
    """A pattern of pairs of digits took gigabytes."""
    given = full_block(CHUNK_LOG)
    tracemalloc.start()
    try:
        Ethereum().check_event(DESTINATION, given, {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MAX_LEAF_BYTES


def test_only_the_log_that_is_asked_for_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[int] = []
    real = rlps._at

    def at(data: bytes, start: int, limit: int) -> rlps.Place:
        places.append(start)
        return real(data, start, limit)

    monkeypatch.setattr(rlps, "_at", at)
    Ethereum().check_event(DESTINATION, material(encoded([NOISE, EXPIRED, *[NOISE] * 1_000]), 1), {})
    assert len(places) < 20


def test_the_longest_material_fits_through_every_door() -> None:
    given = longest()
    assert parse(given).to_json() == given
    assert len(shown(given)) <= MAX_SHOWN_BYTES <= blobs.MAX_BYTES
    request = MAX_SHOWN_BYTES + binding.MAX_BYTES + 4_096
    assert max(request, 2 * (1 << 20)) <= min(MAX_REQUEST_BYTES, MAX_FRAME, MAX_BODY)
    # A proof of a delivery holds the event that it rests on, and the receipt of its batch: both may be the longest.
    rest = 2 << 20
    assert len(shown(given)) + len(canonical.encode(given)) + rest <= proof.MAX_BYTES <= canonical.MAX_BYTES
    assert proof.MAX_BYTES + 4_096 <= MAX_MESSAGE_BYTES


def test_more_is_malformed() -> None:
    nodes: Any = longest()["proof"]
    for place in (0, -1):
        longer = [*nodes]
        longer[place] += "00"
        with pytest.raises(Malformed, match="proof: expected 1 to"):
            parse(longest() | {"proof": longer})


ITEMS: Final = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=9), max_leaves=30)


@given(ITEMS)
def test_a_list_is_spelled_as_the_library_spells_it(item: rlps.Item) -> None:
    data = rlps.encode(item)
    assert data == rlp.encode(item)
    assert read(data, rlps.whole(data)) == item


def read(data: bytes, place: rlps.Place) -> rlps.Item:
    if not place.is_list:
        return data[place.payload : place.end]
    return [read(data, each) for each in rlps.within(data, place)]


@given(st.binary(max_size=40))
def test_bytes_are_an_item_or_a_value_error(data: bytes) -> None:
    try:
        item = read(data, rlps.whole(data))
    except ValueError:
        with pytest.raises(rlp.exceptions.DecodingError):
            rlp.decode(data)
    else:
        assert rlps.encode(item) == data


def test_data_of_an_odd_number_of_digits_is_none() -> None:
    assert answers.data("0x" + "ab" * CHUNK, "data") == b"\xab" * CHUNK
    with pytest.raises(Malformed):
        answers.data("0x" + "ab" * CHUNK + "a", "data")
