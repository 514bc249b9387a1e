"""The part of JSON Schema (2020-12) that a data service describes its values in, and the check of a value against it.

A closed list of words, so that every reader agrees on what a schema asks: no references, no patterns (which can be made
to run for ever), no unknown word that one reader passes over and another does not.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed

_Check = Callable[[Any, Any], bool]
"""Whether a value keeps a bound; both are of the types that the bound's row names, which is seen to before."""

_TYPES: Final[dict[str, Callable[[JsonValue], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: _is_number(value) and value == int(value),  # type: ignore[arg-type] # a number
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}
_NOTES: Final = frozenset({"$schema", "title", "description", "format", "examples", "default"})
"""Words for people; they ask nothing of a value."""
_BOUNDS: Final[dict[str, tuple[str, _Check]]] = {
    "minimum": ("number", lambda value, bound: value >= bound),
    "maximum": ("number", lambda value, bound: value <= bound),
    "exclusiveMinimum": ("number", lambda value, bound: value > bound),
    "exclusiveMaximum": ("number", lambda value, bound: value < bound),
    "minLength": ("string", lambda value, bound: len(value) >= bound),
    "maxLength": ("string", lambda value, bound: len(value) <= bound),
    "minItems": ("array", lambda value, bound: len(value) >= bound),
    "maxItems": ("array", lambda value, bound: len(value) <= bound),
}
"""The type of value that a bound is asked of, and when it holds."""
_WORDS: Final = frozenset(
    {*_NOTES, *_BOUNDS, "type", "enum", "const", "properties", "required", "additionalProperties", "items"}
)


def check_schema(schema: JsonValue, field: str = "schema") -> JsonObject:
    """Returns a schema that uses only the words that are known here, and each as it is meant.

    Raises:
        Malformed: another word or another use of one; names the place.
    """
    if not isinstance(schema, dict):
        raise Malformed(field, f"expected a schema, which is an object; got {type(schema).__name__}")
    if unknown := sorted(schema.keys() - _WORDS):
        raise Malformed(field, f"unknown word {unknown[0]!a}; known: {', '.join(sorted(_WORDS))}")
    for word, value in schema.items():
        _check_word(word, value, field)
    for name, inner in _inner(schema):
        check_schema(inner, f"{field}.{name}")
    return schema


def check_value(value: JsonValue, schema: JsonObject, field: str = "sample") -> None:
    """Holds a value against a schema that ``check_schema`` has taken.

    Raises:
        Malformed: names the first place that does not satisfy it, what was expected and what was found.
    """
    for word, (kind, holds) in _BOUNDS.items():
        if word in schema and _TYPES[kind](value) and not holds(value, schema[word]):
            raise Malformed(field, f"expected {word} {schema[word]}")
    kinds = _kinds(schema.get("type"))
    if kinds and not any(_TYPES[kind](value) for kind in kinds):
        raise Malformed(field, f"expected {' or '.join(kinds)}, got {type(value).__name__}")
    allowed = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(allowed, list) and not any(_same(value, one) for one in allowed):
        raise Malformed(field, f"expected one of {len(allowed)} values, got another")
    if isinstance(value, dict):
        _check_members(value, schema, field)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict):
        for at, item in enumerate(value):
            check_value(item, items, f"{field}[{at}]")


def _check_word(word: str, value: JsonValue, field: str) -> None:
    wrong = {
        "type": lambda: not _kinds(value) or not set(_kinds(value)) <= _TYPES.keys(),
        "enum": lambda: not isinstance(value, list) or not value,
        "properties": lambda: not isinstance(value, dict),
        "required": lambda: not isinstance(value, list) or not all(isinstance(name, str) for name in value),
        "additionalProperties": lambda: not isinstance(value, bool),
        **{bound: lambda: not _is_number(value) for bound in _BOUNDS},
    }.get(word)
    if wrong is not None and wrong():
        raise Malformed(f"{field}.{word}", "not what JSON Schema (2020-12) has for this word")


def _check_members(value: JsonObject, schema: JsonObject, field: str) -> None:
    known, required = schema.get("properties", {}), schema.get("required", [])
    assert isinstance(known, dict)  # noqa: S101 - check_schema has seen to it
    assert isinstance(required, list)  # noqa: S101 - check_schema has seen to it too
    for name in required:
        if name not in value:
            raise Malformed(field, f"{name!a} is missing")
    for name, member in value.items():
        inner = known.get(name)
        if isinstance(inner, dict):
            check_value(member, inner, f"{field}.{ascii(name)[1:-1][:64]}")
        elif schema.get("additionalProperties") is False:
            raise Malformed(field, f"{ascii(name)[:64]} is not in the schema")


def _inner(schema: JsonObject) -> Iterator[tuple[str, JsonValue]]:
    properties = schema.get("properties", {})
    if isinstance(properties, dict):
        yield from ((ascii(name)[1:-1][:64], inner) for name, inner in properties.items())
    if "items" in schema:
        yield "items", schema["items"]


def _kinds(value: JsonValue) -> list[str]:
    kinds = value if isinstance(value, list) else [value]
    return [kind for kind in kinds if isinstance(kind, str)] if all(isinstance(kind, str) for kind in kinds) else []


def _is_number(value: JsonValue) -> bool:
    return _TYPES["number"](value)


def _same(one: JsonValue, other: JsonValue) -> bool:
    """JSON's equality: unlike Python's, true is not 1, also inside."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other
