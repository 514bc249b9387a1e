"""Strict reading of JSON objects: exact names, then one reader a field; anything else is ``Malformed``."""

import base64
import binascii
from collections.abc import Callable
from typing import TypeVar

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed

T = TypeVar("T")


def read_object(value: JsonValue, names: frozenset[str], field: str) -> JsonObject:
    """Returns the object if it has exactly these names; raises ``Malformed``."""
    if not isinstance(value, dict):
        raise Malformed(field, f"expected an object, got {type(value).__name__}")
    if set(value) != names:
        missing, foreign = sorted(names - set(value)), sorted(set(value) - names)
        raise Malformed(field, f"missing names {missing}, unknown names {foreign}")
    return value


def read_list(value: JsonValue, read: Callable[[JsonValue], T], field: str, limit: int) -> tuple[T, ...]:
    """Returns the items, each read by ``read``; raises ``Malformed`` for no list or too many items."""
    if not isinstance(value, list) or len(value) > limit:
        raise Malformed(field, f"expected a list of at most {limit}")
    return tuple(read(item) for item in value)


def read_text(value: JsonValue, field: str, limit: int = 200) -> str:
    """Returns a text of 1 to ``limit`` characters; raises ``Malformed``."""
    if not isinstance(value, str) or not 1 <= len(value) <= limit:
        raise Malformed(field, f"expected 1 to {limit} characters")
    return value


def read_integer(value: JsonValue, field: str, low: int, high: int) -> int:
    """Returns an integer in a closed range; raises ``Malformed``."""
    if type(value) is not int or not low <= value <= high:
        raise Malformed(field, f"expected an integer from {low} to {high}")
    return value


def read_choice(value: JsonValue, choices: tuple[str, ...], field: str) -> str:
    """Returns one of the choices; raises ``Malformed``."""
    if not isinstance(value, str) or value not in choices:
        raise Malformed(field, f"expected one of {', '.join(choices)}")
    return value


def read_hex(value: JsonValue, field: str, size: int | None = None) -> bytes:
    """Returns bytes spelled in lower-case hexadecimal digits, of a given size if any; raises ``Malformed``."""
    try:
        data = bytes.fromhex(value) if isinstance(value, str) else None
    except ValueError as error:
        raise Malformed(field, "not hexadecimal") from error
    if data is None or data.hex() != value or (size is not None and len(data) != size):
        raise Malformed(field, f"expected {'' if size is None else f'{size} '}bytes in lower-case hexadecimal digits")
    return data


def read_base64(value: JsonValue, field: str) -> bytes:
    """Returns bytes spelled in canonical base64 (RFC 4648 section 4); raises ``Malformed``."""
    if not isinstance(value, str):
        raise Malformed(field, "expected base64")
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(field, "not base64") from error
    if base64.b64encode(data).decode() != value:
        raise Malformed(field, "base64 in another than its canonical spelling")
    return data
