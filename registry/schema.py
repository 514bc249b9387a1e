"""Schema: a method's JSON Schema as a flat list of fields, for people to read and for two releases to be compared.

A schema is its author's word and is not judged when a bundle is read, so that anything may stand in it: whatever is not
understood is shown as it is or left out, and depth and number are bounded.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from fabric.core.canonical import JsonObject, JsonValue

MAX_DEPTH: Final = 8
MAX_FIELDS: Final = 300
MAX_TEXT: Final = 400
"""Characters of a name, a meaning or a limit that are kept."""
_MAX_TYPES: Final = 8
_MAX_SHAPES: Final = 3
_MAX_ITEMS: Final = 20
_DEFS: Final = "#/$defs/"
_LIMITS: Final[Mapping[str, str]] = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "uniqueItems": "no item twice: {}",
    "minProperties": "at least {} names",
    "maxProperties": "at most {} names",
    "pattern": "matches {}",
    "format": "format {}",
    "default": "{} when left out",
    "const": "always {}",
    "enum": "one of {}",
}
"""Keywords of JSON Schema (2020-12, validation) and how they are told."""
_INNER: Final = ("properties", "additionalProperties", "items", "anyOf", "oneOf", "allOf")
_MAX_DOC: Final = 20_000
_SECTION: Final = re.compile(r"\n *Attributes: *\n")
_ENTRY: Final = re.compile(r" {2,}([A-Za-z_][A-Za-z0-9_]*): +(.*)")


@dataclass(frozen=True)
class Field:
    """One place in a value.

    Attributes:
        path: names joined by ``.``, ``[]`` for each item of an array, ``.*`` for any name, ``(Title)`` for one of
            several shapes; empty for the value itself.
        type: JSON Schema's word, or several joined by ``or``.
        required: whether it must be there.
        meaning: what its author says of it; may be empty.
        limits: what else holds of it, such as ``at least 0``.
    """

    path: str
    type: str
    required: bool
    meaning: str
    limits: tuple[str, ...]


@dataclass(frozen=True)
class Shape:
    """What a schema says.

    Attributes:
        meaning: what its author says of the whole; may be empty.
        fields: its places, outer before inner.
        cut: whether there is more than ``MAX_FIELDS`` or ``MAX_DEPTH`` let through.
    """

    meaning: str
    fields: tuple[Field, ...]
    cut: bool


def read_shape(schema: JsonObject) -> Shape:
    """Returns the fields of a schema; any JSON object gives a shape."""
    walk = _Walk(_object(schema.get("$defs")))
    found = tuple(islice(walk.fields(schema, "", (), required=True), MAX_FIELDS + 1))
    head = found[0]
    plain = head.type == "object" and not head.limits and len(found) > 1
    meaning = head.meaning
    fields = found[1:] if plain else (replace(head, meaning=""), *found[1:])
    return Shape(meaning, fields[:MAX_FIELDS], walk.is_cut or len(found) > MAX_FIELDS)


class _Walk:
    """Goes through one schema; ``is_cut`` says afterwards whether something was too deep or too much."""

    def __init__(self, definitions: JsonObject) -> None:
        self._definitions: Final = definitions
        self.is_cut = False

    def fields(self, value: JsonValue, path: str, names: tuple[str, ...], *, required: bool) -> Iterator[Field]:
        """Yields a place and those below it; ``names`` are the references that led here."""
        schema, names, is_known = self._followed(_object(value), names)
        yield Field(_short(path), self._type(schema), required, _meaning(schema)[0], _limits(schema))
        if not is_known:
            yield from self._below(schema, path, names)

    def _below(self, schema: JsonObject, path: str, names: tuple[str, ...]) -> Iterator[Field]:
        if len(names) + path.count(".") + path.count("[]") >= MAX_DEPTH:
            self.is_cut = self.is_cut or _has_inside(schema)
            return
        members = _meaning(schema)[1]
        for go in (self._properties, self._items, self._variants):
            for found in go(schema, path, names):
                told = members.get(found.path.removeprefix(path).removeprefix("."), "")
                yield replace(found, meaning=found.meaning or told)

    def _properties(self, schema: JsonObject, path: str, names: tuple[str, ...]) -> Iterator[Field]:
        required = self._required(schema.get("required"))
        for name, value in _object(schema.get("properties")).items():
            inner = _short(f"{path}.{name}" if path else name)
            yield from self.fields(value, inner, names, required=name in required)
        if isinstance(schema.get("additionalProperties"), dict):
            yield from self.fields(schema["additionalProperties"], f"{path}.*" if path else "*", names, required=False)

    def _required(self, value: JsonValue) -> frozenset[str]:
        listed = value if isinstance(value, list) else []
        self.is_cut = self.is_cut or len(listed) > MAX_FIELDS
        return frozenset(name for name in listed[:MAX_FIELDS] if isinstance(name, str))

    def _items(self, schema: JsonObject, path: str, names: tuple[str, ...]) -> Iterator[Field]:
        items = schema.get("items")
        if isinstance(items, dict) and _has_inside(self._followed(items, names)[0]):
            yield from self.fields(items, f"{path}[]", names, required=True)

    def _variants(self, schema: JsonObject, path: str, names: tuple[str, ...]) -> Iterator[Field]:
        variants = [item for item in _variants(schema) if item.get("type") != "null"]
        for variant in variants:
            inner, below, is_known = self._followed(variant, names)
            if is_known or not _has_inside(inner):
                continue
            if len(variants) == 1:
                yield from self._below(inner, path, below)
            else:
                title = _short(_text(inner.get("title")) or "shape")
                yield from self.fields(variant, f"{path}({title})", names, required=False)

    def _followed(self, schema: JsonObject, names: tuple[str, ...]) -> tuple[JsonObject, tuple[str, ...], bool]:
        """Returns what a reference leads to, the references until there, and whether it was left unfollowed."""
        while isinstance(name := schema.get("$ref"), str):
            target = self._definitions.get(name.removeprefix(_DEFS))
            if name in names or not isinstance(target, dict) or len(names) >= MAX_DEPTH:
                return schema, names, True
            names = (*names, name)
            schema = {**target, **{key: item for key, item in schema.items() if key != "$ref"}}
        return schema, names, False

    def _type(self, schema: JsonObject, depth: int = 0) -> str:
        """Returns the type in words; of shapes within shapes only the outer ones."""
        if isinstance(reference := schema.get("$ref"), str):
            return _short(f"{reference.removeprefix(_DEFS)} (as above)")
        if depth == _MAX_SHAPES:
            return _plain_type(schema)
        if variants := _variants(schema):
            told = (self._type(self._followed(variant, ())[0], depth + 1) for variant in variants)
            return _short(" or ".join(dict.fromkeys(told)))
        items = schema.get("items")
        if schema.get("type") == "array" and isinstance(items, dict):
            return _short(f"array of {self._type(self._followed(items, ())[0], depth + 1)}")
        return _plain_type(schema)


def _plain_type(schema: JsonObject) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = " or ".join(item for item in kind[:_MAX_TYPES] if isinstance(item, str))
    return _short(_text(kind)) or ("object" if "properties" in schema else "anything")


def _variants(schema: JsonObject) -> list[JsonObject]:
    for key in ("anyOf", "oneOf", "allOf"):
        listed = schema.get(key)
        if isinstance(listed, list):
            return [item for item in listed[:_MAX_TYPES] if isinstance(item, dict)]
    return []


def _has_inside(schema: JsonObject) -> bool:
    """Says whether a place has places of its own, or limits worth a line."""
    return any(isinstance(schema.get(key), dict | list) for key in _INNER) or any(key in schema for key in _LIMITS)


def _limits(schema: JsonObject) -> tuple[str, ...]:
    return tuple(_short(told.format(_told(schema[key]))) for key, told in _LIMITS.items() if key in schema)


def _told(value: JsonValue) -> str:
    """Returns a value in a few words; what is inside an object is not told."""
    if isinstance(value, list):
        told = [_told(item) for item in value[:_MAX_ITEMS] if not isinstance(item, dict | list)]
        return ", ".join(told) + (", ..." if len(value) > len(told) else "")
    if isinstance(value, dict):
        return "an object" if value else "{}"
    return _short(value) if isinstance(value, str) and value else json.dumps(value)


def _meaning(schema: JsonObject) -> tuple[str, Mapping[str, str]]:
    """Splits a class's docstring into what it says of the whole and of each attribute (Google style)."""
    whole = _text(schema.get("description"))[:_MAX_DOC]
    head, *rest = _SECTION.split(f"\n{whole}", maxsplit=1)
    members: dict[str, str] = {}
    name = ""
    for line in rest[0].splitlines() if rest else ():
        if entry := _ENTRY.fullmatch(line):
            name = entry[1]
            members[name] = entry[2]
        elif name and line.strip():
            members[name] += f" {line.strip()}"
    return _short(head.strip()), {key: _short(value) for key, value in members.items()}


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."
