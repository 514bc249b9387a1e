"""Data services: one canonical document, whose sample satisfies its schema; anything else is refused by field."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fabric.core import canonical
from fabric.core.errors import AuthorError, Malformed
from registry.commands import app
from registry.data_schema import check_schema, check_value
from registry.data_service import DataService, build_data_service, read_data_service
from tests.support.projects import ROOT
from tests.vectors.gen_data_service import DOCUMENT, refused_documents

TOML: Final = """\
[data]
name = "ecb-rates"
version = "1.0.0"
description = "Reference rates of the euro, one day at a time."
licence = "CC-BY-4.0"
freshness_seconds = 86400
schema = "schema.json"
sample = "sample.json"
readme = "README.md"

[data.source]
text = "The reference rates that the bank publishes at 16:00 CET."
url = "https://rates.example/daily"
"""


def write_service(folder: Path, **changes: str) -> Path:
    fields = canonical.decode_object(DOCUMENT)
    (folder / "data.toml").write_text(changes.get("toml", TOML))
    (folder / "schema.json").write_text(changes.get("schema", json.dumps(fields["schema"], indent=2)))
    (folder / "sample.json").write_text(changes.get("sample", json.dumps(fields["sample"])))
    (folder / "README.md").write_text(str(fields["readme"]))
    return folder


def test_a_folder_becomes_a_document(tmp_path: Path) -> None:
    service = build_data_service(write_service(tmp_path))
    assert service.document == DOCUMENT
    assert service == read_data_service(DOCUMENT)
    assert (service.title, service.freshness_seconds) == ("ecb-rates@1.0.0", 86_400)
    assert service.source.url == "https://rates.example/daily"
    assert service.readme == "# Rates\n"


def test_the_command_builds_it(tmp_path: Path) -> None:
    write_service(tmp_path)
    done = CliRunner().invoke(app, ["build", str(tmp_path), "--out", str(tmp_path / "dist"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert Path(told["document"]).read_bytes() == DOCUMENT
    assert (told["kind"], told["measurement"]) == ("data", read_data_service(DOCUMENT).measurement.hex())


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"toml": TOML.replace("86400", "0")}, Malformed, "data.toml: data.freshness_seconds"),
        ({"toml": TOML.replace("86400", '"1"')}, Malformed, "data.toml: data.freshness_seconds"),
        ({"toml": TOML.replace("https:", "http:")}, Malformed, "data.toml: data.source.url"),
        ({"toml": TOML.replace("[data.source]", "[data.sources]")}, Malformed, "data.toml: data.source"),
        ({"toml": TOML.replace('"schema.json"', '"../schema.json"')}, Malformed, "data.toml: data.schema"),
        ({"toml": TOML.replace('"sample.json"', '"no.json"')}, AuthorError, "no.json: cannot be read"),
        ({"toml": "["}, Malformed, "no TOML"),
        ({"schema": "{"}, Malformed, "JSON"),
        ({"schema": "[]"}, Malformed, "schema"),
        ({"sample": '{"day": "2026-01-02"}'}, Malformed, "sample: 'rates' is missing"),
        ({"sample": '{"day": "2026-01-02", "rates": {}, "more": 1}'}, Malformed, "sample: 'more' is not in the schema"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, str], error: type[Exception], reason: str, tmp_path: Path) -> None:
    write_service(tmp_path, **changes)
    with pytest.raises(error) as refusal:
        build_data_service(tmp_path)
    assert reason in str(refusal.value)


def test_a_link_is_refused(tmp_path: Path) -> None:
    write_service(tmp_path)
    (tmp_path / "sample.json").rename(tmp_path / "other.json")
    (tmp_path / "sample.json").symlink_to(tmp_path / "other.json")
    with pytest.raises(AuthorError, match="a link"):
        build_data_service(tmp_path)


def test_the_vectors() -> None:
    value = json.loads((ROOT / "tests/vectors/data_service.json").read_text())
    service = read_data_service(value["document"].encode())
    assert service.measurement.hex() == value["measurement"]
    for one in value["refused"]:
        with pytest.raises(Malformed) as refusal:
            read_data_service(one["document"].encode())
        assert one["reason"] in str(refusal.value), one["case"]


@pytest.mark.parametrize("case", refused_documents())
def test_another_document_is_refused(case: str) -> None:
    document, reason = refused_documents()[case]
    with pytest.raises(Malformed) as refusal:
        read_data_service(document)
    assert reason in str(refusal.value)
    assert str(refusal.value).isprintable()


@given(st.integers(0, len(DOCUMENT) - 1), st.binary(max_size=3))
def test_any_bytes_are_a_service_or_malformed(at: int, put: bytes) -> None:
    for candidate in (put, DOCUMENT[:at] + put + DOCUMENT[at + 1 :]):
        try:
            assert isinstance(read_data_service(candidate), DataService)
        except Malformed:
            continue


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer"}, [0, 1.0, -3], [1.5, "1", True, None]),
        ({"type": ["number", "null"]}, [0, 1.5, None], ["1", False, []]),
        ({"type": "string", "minLength": 1, "maxLength": 2}, ["a", "ab"], ["", "abc", 1]),
        ({"type": "number", "minimum": 1, "exclusiveMaximum": 2}, [1, 1.5], [0, 2]),
        ({"exclusiveMinimum": 1, "maximum": 2}, [1.5, 2, "text"], [1, 2.5]),
        (
            {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2},
            [[True]],
            [[], [1], [True] * 3],
        ),
        ({"enum": [1, "a", [True]]}, [1, "a", [True]], [True, "b", [1]]),
        ({"const": {"a": 1}}, [{"a": 1}, {"a": 1.0}], [{"a": True}, {}]),
        ({"const": None}, [None], [0, False]),
        ({"properties": {"a": {"type": "null"}}, "required": ["a"]}, [{"a": None}, 1], [{}, {"a": 1}]),
        ({"additionalProperties": False}, [{}], [{"a": 1}]),
        ({"title": "a", "description": "b", "format": "date"}, [1, "x"], []),
    ],
)
def test_the_words_of_a_schema(schema: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    check_schema(schema)
    for value in good:
        check_value(value, schema)
    for value in bad:
        with pytest.raises(Malformed, match="sample"):
            check_value(value, schema)


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"$ref": "#"}, "unknown word '$ref'"),
        ({"pattern": "(a*)*"}, "unknown word 'pattern'"),
        ({"properties": {"a": {"anyOf": []}}}, "schema.a: unknown word 'anyOf'"),
        ({"items": {"type": "text"}}, "schema.items.type"),
        ({"items": True}, "schema.items: expected a schema"),
        ({"type": []}, "schema.type"),
        ({"type": [1]}, "schema.type"),
        ({"enum": []}, "schema.enum"),
        ({"required": "a"}, "schema.required"),
        ({"properties": []}, "schema.properties"),
        ({"additionalProperties": {}}, "schema.additionalProperties"),
        ({"minimum": "1"}, "schema.minimum"),
        ({"maxItems": True}, "schema.maxItems"),
    ],
)
def test_another_schema_is_refused(schema: dict[str, Any], place: str) -> None:
    with pytest.raises(Malformed) as refusal:
        check_schema(schema)
    assert place in str(refusal.value)


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "items", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON, JSON)
def test_any_schema_and_value_are_judged(schema: canonical.JsonValue, value: canonical.JsonValue) -> None:
    try:
        checked = check_schema(schema)
        check_value(value, checked)
    except Malformed:
        return
    assert checked is schema
