"""Payload codecs of Ethereum destinations: how a binding says what a contract reads of a result. Pure.

* ``{"kind": "json"}``: the canonical JSON of the output.
* ``{"kind": "abi", "fields": [["accepted", "bool"], ["mean_kinetic_millicelsius", "int256"]]}``: named members of the
  output object, as Solidity's ``abi.encode`` writes them in this order, so that ``abi.decode`` reads them back.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from eth_abi.abi import encode as abi_encode

from fabric.core import canonical
from fabric.core.canonical import JsonValue
from fabric.core.errors import Malformed
from fabric.trust.schemes import ADDRESS_BYTES

MAX_FIELDS: Final = 32
_TYPE: Final = re.compile(r"(bool|address|string|bytes|u?int)([0-9]{0,3})")
_DECIMAL: Final = re.compile(r"0|-?[1-9][0-9]{0,77}")
_HEX: Final = re.compile(r"(0x)?((?:[0-9a-f]{2})*)")


def fields_of(codec: Mapping[str, JsonValue]) -> list[tuple[str, str]] | None:
    """Reads a codec.

    Returns:
        Names and ABI types in order; None for the codec ``json``.

    Raises:
        Malformed: not one of the two codecs, a name twice, or a type that is not supported.
    """
    if codec == {"kind": "json"}:
        return None
    if set(codec) != {"kind", "fields"} or codec["kind"] != "abi":
        raise Malformed("codec", 'expected {"kind":"json"} or {"fields":[...],"kind":"abi"}')
    fields = codec["fields"]
    if not isinstance(fields, list) or not 0 < len(fields) <= MAX_FIELDS:
        raise Malformed("codec.fields", f"expected a list of 1 to {MAX_FIELDS} pairs")
    pairs = [_pair(item) for item in fields]
    if len({name for name, _ in pairs}) != len(pairs):
        raise Malformed("codec.fields", "a name twice")
    return pairs


def encode(codec: Mapping[str, JsonValue], output: JsonValue) -> bytes:
    """Returns the payload bytes that a codec makes of an output.

    Raises:
        Malformed: the codec cannot be used, the output lacks a field, or a value does not fit its type.
    """
    fields = fields_of(codec)
    if fields is None:
        return canonical.encode(output)
    if not isinstance(output, dict):
        raise Malformed("output", "the codec abi needs an object")
    missing = [name for name, _ in fields if name not in output]
    if missing:
        raise Malformed("output", f"lacks {', '.join(missing)}, which the codec names")
    values = [_value(kind, output[name], f"output.{name}") for name, kind in fields]
    return abi_encode([kind for _, kind in fields], values)


def _pair(item: JsonValue) -> tuple[str, str]:
    if not isinstance(item, list) or len(item) != 2:  # noqa: PLR2004 - name and type
        raise Malformed("codec.fields", "expected pairs of name and type")
    name, kind = item
    if not isinstance(name, str) or not name or not isinstance(kind, str):
        raise Malformed("codec.fields", "expected pairs of name and type")
    match = _TYPE.fullmatch(kind)
    if match is None or not _is_size(match[1], match[2]):
        raise Malformed(f"codec.fields.{name}", f"type {kind!r} is not supported")
    return name, kind


def _is_size(base: str, digits: str) -> bool:
    """Says whether a type may have this size; integers must spell theirs, as a signature does."""
    if base in ("int", "uint"):
        return digits in {str(bits) for bits in range(8, 257, 8)}
    return not digits or (base == "bytes" and digits in {str(size) for size in range(1, 33)})


def _value(kind: str, value: JsonValue, field: str) -> object:
    base, digits = re.sub(r"\d", "", kind), re.sub(r"\D", "", kind)
    return _READERS[base](value, int(digits or 0), field)


def _boolean(value: JsonValue, _size: int, field: str) -> bool:
    if not isinstance(value, bool):
        raise Malformed(field, "expected true or false")
    return value


def _integer(value: JsonValue, field: str) -> int:
    """Reads an integer; a decimal string spells those that JSON cannot."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    raise Malformed(field, "expected an integer, or its decimal digits as text")


def _signed(value: JsonValue, bits: int, field: str) -> int:
    number = _integer(value, field)
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise Malformed(field, f"{number} does not fit int{bits}")
    return number


def _unsigned(value: JsonValue, bits: int, field: str) -> int:
    number = _integer(value, field)
    if not 0 <= number < 1 << bits:
        raise Malformed(field, f"{number} does not fit uint{bits}")
    return number


def _bytes(value: JsonValue, size: int, field: str) -> bytes:
    match = _HEX.fullmatch(value) if isinstance(value, str) else None
    if match is None or (size and len(match[2]) != 2 * size):
        raise Malformed(field, f"expected {size or 'any number of'} bytes in lower-case hexadecimal")
    return bytes.fromhex(match[2])


def _address(value: JsonValue, _size: int, field: str) -> str:
    return "0x" + _bytes(value, ADDRESS_BYTES, field).hex()


def _text(value: JsonValue, _size: int, field: str) -> str:
    if not isinstance(value, str):
        raise Malformed(field, "expected text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Malformed(field, "text with a lone surrogate") from error
    return value


_READERS: Final[Mapping[str, Callable[[JsonValue, int, str], object]]] = {
    "bool": _boolean,
    "int": _signed,
    "uint": _unsigned,
    "bytes": _bytes,
    "address": _address,
    "string": _text,
}
