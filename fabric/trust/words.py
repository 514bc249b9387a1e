"""Fixed-width structures: a format tag and then one big-endian 32-byte word a field, decodable by a contract.

Every signed or hashed structure of the project is spelled this way (docs/spec/words.md); its first
word names the format, so that no structure can be taken for another.
"""

import struct
from functools import cache
from typing import Final

from fabric.core.errors import Malformed
from fabric.core.ids import WORD_BYTES

MAX_UINT64: Final = 2**64 - 1
_UPPER_BYTES: Final = bytes(WORD_BYTES - 8)
"""Of a word that holds an integer below 2**64."""


def uint(value: int) -> bytes:
    """Returns an unsigned integer below 2**64 as one word.

    Raises ``ValueError`` outside that range.
    """
    if not 0 <= value <= MAX_UINT64:
        message = f"expected 0..2**64-1, got {value}"
        raise ValueError(message)
    return value.to_bytes(WORD_BYTES, "big")


def read_uint(word: bytes, field: str) -> int:
    """Reads a word that holds an integer below 2**64; raises ``Malformed`` for a larger one."""
    if not word.startswith(_UPPER_BYTES):
        raise Malformed(field, "integer of 2**64 or more")
    return int.from_bytes(word[-8:], "big")


def split(data: bytes, tag: bytes, count: int, name: str) -> list[bytes]:
    """Returns the words after the tag.

    Raises:
        Malformed: the length is not ``count + 1`` words, or the first word is not the tag.
    """
    if len(data) != (count + 1) * WORD_BYTES:
        raise Malformed(name, f"expected {(count + 1) * WORD_BYTES} bytes, got {len(data)}")
    if data[:WORD_BYTES] != tag:
        raise Malformed(name, "another format tag")
    return list(_layout(count).unpack_from(data, WORD_BYTES))


@cache
def _layout(count: int) -> struct.Struct:
    return struct.Struct("32s" * count)
