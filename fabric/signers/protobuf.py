"""Writes protobuf messages, field by field in ascending order, as proto3 does; nothing here reads any.

A key process builds what it signs from typed values; a parser of foreign bytes beside a key would be one too many.
"""

from typing import Final

_VARINT: Final = 0
_LENGTH: Final = 2


def number(field: int, value: int) -> bytes:
    """Returns an unsigned integer field; nothing for 0, which proto3 does not write."""
    return _varint(field << 3 | _VARINT) + _varint(value) if value else b""


def data(field: int, value: bytes) -> bytes:
    """Returns a field of bytes, nothing where it is empty."""
    return item(field, value) if value else b""


def text(field: int, value: str) -> bytes:
    """Returns a field of text in UTF-8, nothing where it is empty."""
    return data(field, value.encode())


def item(field: int, value: bytes) -> bytes:
    """Returns one item of a list, or a message within a message: written also where it is empty."""
    return _varint(field << 3 | _LENGTH) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    if value < 0:
        message = f"unsigned integers only, got {value}"
        raise ValueError(message)
    groups = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
