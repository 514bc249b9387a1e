"""RLP of long lists. Anybody may put hundreds of thousands of logs into the receipt that a proof must show.

The library builds a value of each item and keeps its spelling as well: half a minute for a receipt that fills a block.
Here a list is written in one pass, and read by stepping over what is not asked for. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rlp.codec import consume_length_prefix
from rlp.exceptions import DecodingError

Item = bytes | Sequence["Item"]

_BYTES, _LIST = 0x80, 0xC0
_SHORT: Final = 55
"""Longest payload whose length stands in the first byte."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands in its bytes.

    Attributes:
        is_list: whether it is a list.
        start: its first byte.
        payload: the first byte of what it holds.
        end: one more than its last byte.
    """

    is_list: bool
    start: int
    payload: int
    end: int


def encode(item: Item) -> bytes:
    """Returns the RLP of bytes, or of a list of items."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < _BYTES:
            return item
        return _head(_BYTES, len(item)) + item
    payload = b"".join([encode(each) for each in item])
    return _head(_LIST, len(payload)) + payload


def whole(data: bytes) -> Place:
    """Returns the place of the one item that bytes consist of; raises ``ValueError`` where they are none or more."""
    place = _at(data, 0, len(data))
    if place.end != len(data):
        message = f"{len(data) - place.end} bytes after the item"
        raise ValueError(message)
    return place


def within(data: bytes, parent: Place) -> Iterator[Place]:
    """Yields the places of a list's items, without a look into them; raises ``ValueError`` at the first bad one."""
    if not parent.is_list:
        message = "bytes where a list belongs"
        raise ValueError(message)
    start = parent.payload
    while start < parent.end:
        place = _at(data, start, parent.end)
        yield place
        start = place.end


def _at(data: bytes, start: int, limit: int) -> Place:
    try:
        _, kind, length, payload = consume_length_prefix(data, start)
    except (DecodingError, IndexError) as error:
        message = f"no item at byte {start}"
        raise ValueError(message) from error
    if payload + length > limit:
        message = f"an item at byte {start} goes beyond its list"
        raise ValueError(message)
    return Place(kind is list, start, payload, payload + length)


def _head(base: int, length: int) -> bytes:
    if length <= _SHORT:
        return bytes([base + length])
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([base + _SHORT + len(digits)]) + digits
