"""A method's schema as fields: of any JSON, bounded, and as its author meant it."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.canonical import JsonObject, JsonValue
from registry.schema import MAX_FIELDS, MAX_TEXT, read_shape
from tests.support.shelves import GIVES, TAKES

KEYS: Final = st.sampled_from(
    [
        *(
            "type",
            "properties",
            "required",
            "items",
            "anyOf",
            "oneOf",
            "allOf",
            "$ref",
            "$defs",
            "description",
            "title",
        ),
        *("additionalProperties", "enum", "const", "default", "minimum", "pattern", "A", "B"),
    ]
)
LEAVES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(["#/$defs/A", "#/$defs/B", "object", "array", "string"]),
)
JSON: Final = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=40,
)


@given(st.dictionaries(KEYS, JSON, max_size=8))
def test_any_object_gives_a_bounded_shape(schema: JsonObject) -> None:
    shape = read_shape(schema)
    assert len(shape.fields) <= MAX_FIELDS
    for field in shape.fields:
        assert all(len(text) <= 2 * MAX_TEXT for text in (field.path, field.type, field.meaning, *field.limits))


def test_fields_are_named_by_their_paths() -> None:
    shape = read_shape(TAKES)
    assert shape.meaning == "What a shipper sends."
    told = {field.path: (field.type, field.required, field.meaning, field.limits) for field in shape.fields}
    assert told == {
        "shipment": ("string", True, "Number of the shipment.", ("at least 1 characters",)),
        "readings": ("array of object", True, "", ("at least 1 items",)),
        "readings[]": ("object", True, "One reading.", ()),
        "readings[].celsius": ("number", True, "temperature.", ("at least -90", "at most 90")),
        "readings[].at": ("string", True, "when it was taken, UTC.", ("format date-time",)),
        "readings[].note": ("string or null", False, "", ("null when left out",)),
    }


def test_the_words_of_a_docstring_come_to_their_fields() -> None:
    shape = read_shape(GIVES)
    assert shape.meaning == "What the readings say."
    assert [field.meaning for field in shape.fields] == ["how it was judged.", "what stands against it."]


def test_shapes_to_choose_from_have_their_titles() -> None:
    variants: list[JsonValue] = [
        {"type": "object", "title": "Sent", "properties": {"body": {"type": "string"}}},
        {"type": "object", "title": "Expired", "properties": {"at": {"type": "integer"}}},
    ]
    shape = read_shape({"type": "object", "properties": {"event": {"anyOf": variants}}})
    assert [field.path for field in shape.fields] == [
        "event",
        "event(Sent)",
        "event(Sent).body",
        "event(Expired)",
        "event(Expired).at",
    ]


def test_a_circle_is_named_and_not_followed() -> None:
    node: JsonObject = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    shape = read_shape({"$ref": "#/$defs/Node", "$defs": {"Node": node}})
    assert [(field.path, field.type) for field in shape.fields] == [("next", "Node (as above)")]


@pytest.mark.parametrize("width", [2, 50])
def test_what_doubles_at_every_step_is_cut(width: int) -> None:
    """Eight definitions of which each holds the next many times would be fifty to the eighth fields."""
    definitions: JsonObject = {
        f"D{step}": {
            "type": "object",
            "properties": {f"p{number}": {"$ref": f"#/$defs/D{step + 1}"} for number in range(width)},
        }
        for step in range(20)
    }
    shape = read_shape({"$ref": "#/$defs/D0", "$defs": definitions})
    assert shape.cut
    assert len(shape.fields) <= MAX_FIELDS


def test_choices_that_hold_themselves_end() -> None:
    loop: JsonObject = {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}, {"items": {"$ref": "#/$defs/A"}}]}
    assert read_shape({"properties": {"x": {"$ref": "#/$defs/A"}}, "$defs": {"A": loop}}).fields
