"""A strict reader of protobuf messages, small enough to be read: no schema compiler, no reflection. Pure.

Hyperledger's hashes and signatures are over concatenated messages without their lengths. So that no byte can move from
one to the next and still mean something, a known field that occurs twice though it is no list is refused, and so is a
known field of another wire type. Unknown fields are passed over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from fabric.core.errors import Malformed

VARINT: Final = 0
BYTES: Final = 2
_FIXED: Final = {1: 8, 5: 4}
_MAX_FIELD: Final = 2**29 - 1
_MAX_VARINT_BYTES: Final = 10


@dataclass(frozen=True)
class Schema:
    """The fields of a message that somebody looks at, by number.

    Attributes:
        name: of the message, for people.
        numbers: fields that are one varint.
        data: fields of bytes, text or one message.
        lists: lists of those.
    """

    name: str
    numbers: frozenset[int] = frozenset()
    data: frozenset[int] = frozenset()
    lists: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Fields:
    """What a message holds; an absent field reads as its default, as in proto3."""

    schema: Schema
    numbers: dict[int, int] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)
    lists: dict[int, list[bytes]] = field(default_factory=dict)

    def number(self, at: int) -> int:
        """Returns an integer as its varint spells it: 64 bits, unsigned."""
        return self.numbers.get(at, 0)

    def raw(self, at: int) -> bytes:
        """Returns bytes."""
        return self.data.get(at, b"")

    def text(self, at: int) -> str:
        """Returns a text; raises ``Malformed`` where it is no UTF-8."""
        try:
            return self.raw(at).decode()
        except UnicodeDecodeError as error:
            raise Malformed(self.schema.name, f"field {at} is no UTF-8") from error

    def items(self, at: int) -> list[bytes]:
        """Returns the items of a list."""
        return self.lists.get(at, [])

    def has(self, at: int) -> bool:
        """Says whether a field of bytes or a message is there, be it empty."""
        return at in self.data


def read(schema: Schema, data: bytes) -> Fields:
    """Reads a message; raises ``Malformed``."""
    fields = Fields(schema)
    for at, wire, value in _entries(schema.name, data):
        if at in schema.numbers:
            _put(schema, fields.numbers, at, value if wire == VARINT else None)
        elif at in schema.data:
            _put(schema, fields.data, at, value if wire == BYTES else None)
        elif at in schema.lists:
            if not isinstance(value, bytes) or wire != BYTES:
                raise Malformed(schema.name, f"field {at} of another wire type")
            fields.lists.setdefault(at, []).append(value)
    return fields


def _put(schema: Schema, values: "dict[int, int] | dict[int, bytes]", at: int, value: int | bytes | None) -> None:
    if value is None:
        raise Malformed(schema.name, f"field {at} of another wire type")
    if at in values:
        raise Malformed(schema.name, f"field {at} twice")
    # A caller has numbers for the one dictionary and bytes for the other.
    values[at] = value  # type: ignore[assignment]


def _entries(name: str, data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Gives number, wire type and value of each field."""
    at = 0
    while at < len(data):
        key, at = _varint(name, data, at)
        number, wire = key >> 3, key & 7
        if not 1 <= number <= _MAX_FIELD:
            raise Malformed(name, f"field number {number}")
        if wire == VARINT:
            value, at = _varint(name, data, at)
            yield number, wire, value
            continue
        size, at = _varint(name, data, at) if wire == BYTES else (_FIXED.get(wire), at)
        if size is None or size > len(data) - at:
            raise Malformed(name, f"field {number} is cut short or of an unknown wire type")
        yield number, wire, data[at : at + size]
        at += size


def _varint(name: str, data: bytes, at: int) -> tuple[int, int]:
    """Returns an integer below 2**64, and where what follows it begins."""
    value = 0
    for count, byte in enumerate(data[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that another byte follows
            if value >> 64:
                break
            return value, at + count + 1
    raise Malformed(name, "an integer that does not end, or of more than 64 bits")
