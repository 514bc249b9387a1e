"""Canonical JSON (RFC 8785): the one byte form of a JSON value that is hashed and signed.

``decode`` accepts exactly the canonical spelling, so every accepted document has one byte string.
``parse`` accepts any spelling of a JSON text that has a canonical form, for what people and foreign
programs write.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Final, NoReturn

import rfc8785

from fabric.core.errors import Malformed

JsonScalar = str | int | float | bool | None
JsonValue = JsonScalar | list["JsonValue"] | dict[str, "JsonValue"]
JsonObject = dict[str, JsonValue]

MAX_DEPTH: Final = 32
MAX_BYTES: Final = 64 << 20
"""Unless a reader says less. Nothing of ours is longer: a proof holds the longest input and the longest receipt."""
MAX_INTEGER: Final = 2**53 - 1
"""RFC 7493 section 2.2: integers beyond it do not survive every reader."""


def encode(value: JsonValue, *, max_depth: int = MAX_DEPTH) -> bytes:
    """Returns the canonical bytes of a JSON value.

    Raises:
        Malformed: the value has no canonical form (NaN, lone surrogate, integer beyond 2**53 - 1, foreign type), or
            is nested deeper than ``decode`` reads.
    """
    try:
        # Without floats, RFC 8785 is the compact form with sorted keys; the C encoder writes it 20 times faster.
        data = _COMPACT(value).encode() if _is_plain(value) else rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, ValueError, TypeError, RecursionError) as error:
        raise Malformed("canonical JSON", f"value has no canonical form: {error}") from error
    check_depth(data, max_depth)
    return data


def parse(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Reads a JSON text in any spelling; refuses duplicate names, NaN, deep nesting and bytes beyond the limit.

    Raises:
        Malformed: always, and only, when the bytes are not such a text.
    """
    if len(data) > max_bytes:
        raise Malformed("JSON", f"at most {max_bytes} bytes, got {len(data)}")
    check_depth(data, max_depth)
    try:
        value: JsonValue = _DECODER.decode(data.decode())
    except (ValueError, RecursionError) as error:
        raise Malformed("JSON", str(error)) from error
    if b"\\u" in data:
        encode(value, max_depth=max_depth)  # an escape may have spelled a lone surrogate, which has no bytes
    return value


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Reads a canonical JSON text.

    Raises:
        Malformed: not JSON, or JSON in any other than its canonical spelling.
    """
    value = parse(data, max_bytes=max_bytes, max_depth=max_depth)
    if encode(value, max_depth=max_depth) != data:
        raise Malformed("canonical JSON", "another spelling than RFC 8785 gives")
    return value


def decode_object(data: bytes, *, max_bytes: int = MAX_BYTES) -> JsonObject:
    """Reads a canonical JSON object; raises ``Malformed`` for any other value."""
    value = decode(data, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise Malformed("canonical JSON", f"expected an object, got {type(value).__name__}")
    return value


def _is_plain(value: JsonValue) -> bool:
    """Says whether the C encoder gives the canonical form.

    No float, ASCII names, safe integers, no lone surrogate.
    """
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if not all(type(name) is str and name.isascii() for name in item):
                return False
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
        elif not _is_plain_scalar(item):
            return False
    return True


def _is_plain_scalar(item: JsonValue) -> bool:
    if isinstance(item, str):
        return item.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in item)
    if type(item) is int:
        return -MAX_INTEGER <= item <= MAX_INTEGER
    return item is None or type(item) is bool


def _refuse_constant(text: str) -> NoReturn:
    message = f"{text} is not JSON"
    raise ValueError(message)


def _integer(text: str) -> int | float:
    if len(text) <= 17 and -MAX_INTEGER <= (value := int(text)) <= MAX_INTEGER:  # noqa: PLR2004 - longer is beyond
        return value
    # RFC 8785 spells a double from 2**53 to 10**21 without point or exponent; no other integer is that large.
    if len(text) <= 22 and rfc8785.dumps(number := float(text)) == text.encode():  # noqa: PLR2004 - sign, 21 digits
        return number
    message = "integer beyond 2**53 - 1"
    raise ValueError(message)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        message = "number beyond the range of a double"
        raise ValueError(message)
    return value


def _unique(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    value = dict(pairs)
    if len(value) != len(pairs):
        message = "duplicate name in an object"
        raise ValueError(message)
    return value


def check_depth(data: bytes, limit: int = MAX_DEPTH) -> None:
    """Refuses deep nesting before anything recursive reads it: the decoder's recursion ends in a crash of the process.

    Of bytes that are no JSON it may say so for another reason; they are refused either way.

    Raises:
        Malformed: brackets nest deeper than ``limit``.
    """
    if data.count(b"[") + data.count(b"{") <= limit:
        return  # so few brackets cannot nest too deep, and counting them is much faster
    depth = 0
    for run in _BRACKETS.finditer(_STRING.sub(b"", data)):
        length = run.end() - run.start()
        depth += length if run[0][0] in b"[{" else -length
        if depth > limit:
            raise Malformed("JSON", f"nested deeper than {limit}")


def _compact_writer() -> Callable[[JsonValue], str]:
    """Returns the standard library's compact writer; ``JSONEncoder.encode`` would build it anew for each value."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode
    write = make(None, _no_default, json.encoder.encode_basestring, None, ":", ",", True, False, False)  # noqa: FBT003 - C
    return lambda value: "".join(write(value, 0))


def _no_default(value: object) -> NoReturn:
    message = f"{type(value).__name__} is not JSON"
    raise TypeError(message)


_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+', re.DOTALL)
"""A string, also one that nobody closes: to look for its end again from each escaped quote takes quadratic time."""
_BRACKETS: Final = re.compile(rb"[\[{]+|[\]}]+")
_COMPACT: Final = _compact_writer()
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_integer, parse_float=_float
)
