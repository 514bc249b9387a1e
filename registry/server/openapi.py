"""OpenAPI: the description of an API, made of the table of its operations (OpenAPI 3.1, JSON Schema 2020-12)."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import core_schema
from typing_extensions import override

from fabric.core.canonical import JsonObject
from registry.proof_of_key import SCHEME
from registry.server.answers import JSON, REFUSALS, Refusal
from registry.server.operation import BASE, Gives, Operation, Parameter, Takes
from registry.server.shapes import META, Failure

VERSION: Final = "3.1.0"
_ABOUT: Final = """\
What a registry's server answers beside its static files, of which docs/spec/registry.md speaks (section 4). Nothing of
it need be trusted: a reader verifies the static files, and an entry that was signed for a false number fits nowhere.

JSON is canonical (RFC 8785), and nothing is to be cached. HEAD is answered wherever GET is; any other method with 405
and `Allow`, any other address with 404, both with a `Failure`. Bodies have limits in bytes: `x-max-bytes`. An answer
that is not described here is none of the registry's, but of what stands before it: a proxy, or its HTTP server where
too much comes at once."""
_SCHEMES: Final[JsonObject] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An OpenID Connect token of an issuer that the namespace trusts; each is taken once.",
    },
    "owner": {
        "type": "http",
        "scheme": SCHEME.lower(),
        "description": "KEY:TIME:SIGNATURE of an owner of the namespace or of the registry: docs/spec/registry-api.md.",
    },
}
_SCHEMAS: Final = "#/components/schemas/"


def document(operations: Sequence[Operation]) -> JsonObject:
    """Returns the description of operations.

    Raises:
        ValueError: two of them have one path and method, or one name; a programming mistake.
    """
    paths: dict[str, Any] = {}
    for operation in operations:
        methods = paths.setdefault(operation.path, {})
        if operation.method.lower() in methods:
            raise ValueError(f"{operation.method} {operation.path} is there twice")
        methods[operation.method.lower()] = _operation(operation)
    return {
        "openapi": VERSION,
        "info": {"title": "Cryptlet registry", "version": META["api-version"], "description": _ABOUT},
        "servers": [{"url": BASE}],
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "responses": {str(row.status): _refusal(row) for row in _rows(operations)},
            "securitySchemes": _SCHEMES,
        },
    }


def _operation(operation: Operation) -> JsonObject:
    statuses = sorted(operation.statuses)
    told: dict[str, Any] = {"operationId": operation.name, "summary": operation.summary}
    if operation.parameters:
        told["parameters"] = [_parameter(item) for item in operation.parameters]
    if operation.takes:
        told["requestBody"] = _body(operation.takes)
    told["responses"] = {
        **{str(item.status): _given(item) for item in operation.gives},
        **{str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses},
    }
    if operation.security:
        told["security"] = [{operation.security: []}]
    return told


def _parameter(item: Parameter) -> JsonObject:
    schema = TypeAdapter(item.shape).json_schema(schema_generator=_Generator)
    told: JsonObject = {"name": item.name, "in": item.place, "description": item.meaning, "schema": schema}
    return told if item.place == "query" else {**told, "required": True}


def _body(item: Takes) -> JsonObject:
    content: JsonObject = {item.media: _media(item.shape)}
    told = f"{item.meaning} At most {item.max_bytes:,} bytes."
    return {"description": told, "required": True, "content": content, "x-max-bytes": item.max_bytes}


def _given(item: Gives) -> JsonObject:
    return {"description": item.meaning, "content": {item.media: _media(item.shape)}}


def _media(shape: Any) -> JsonObject:  # noqa: ANN401 - a type, of whatever kind
    if shape is None:
        return {}
    return {"schema": {"type": "object"} if shape is dict else {"$ref": f"{_SCHEMAS}{shape.__name__}"}}


def _rows(operations: Iterable[Operation]) -> list[Refusal]:
    """Returns the errors that operations answer with, by status."""
    used = {status for operation in operations for status in operation.statuses}
    return sorted((row for row in REFUSALS if row.status in used), key=lambda row: row.status)


def _refusal(row: Refusal) -> JsonObject:
    code: JsonObject = {"properties": {"code": {"enum": [*row.codes]}}}
    schema: JsonObject = {"allOf": [{"$ref": f"{_SCHEMAS}Failure"}, {"properties": {"error": code}}]}
    told: JsonObject = {"description": row.meaning, "content": {JSON: {"schema": schema}}}
    if row.headers:
        told["headers"] = {
            name: {"required": True, "schema": {"type": "string", "const": value}}
            for name, value in row.headers.items()
        }
    return told


def _schemas(operations: Iterable[Operation]) -> JsonObject:
    """Returns the schemas of all shapes by name."""
    takes = [operation.takes.shape for operation in operations if operation.takes]
    gives = [item.shape for operation in operations for item in operation.gives]
    shapes = {shape.__name__: shape for shape in (Failure, *takes, *gives) if shape not in {None, dict}}
    mode: JsonSchemaMode = "serialization"
    inputs = [(name, mode, TypeAdapter(shape)) for name, shape in shapes.items()]
    template = _SCHEMAS + "{model}"
    _, found = TypeAdapter.json_schemas(inputs, ref_template=template, schema_generator=_Generator)
    schemas: JsonObject = found["$defs"]
    return schemas


class _Generator(GenerateJsonSchema):
    """Leaves titles out, which only repeat the names, and lets no key through that has not the form of its kind."""

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    @override
    def dict_schema(self, schema: core_schema.DictSchema) -> dict[str, Any]:
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made
