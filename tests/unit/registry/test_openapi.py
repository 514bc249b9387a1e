"""The API's description: sound, of every route and no other, and held to the answers by a checker that can fail.

``tests/support/openapi_3_1.json`` is the OpenAPI Initiative's own schema of OpenAPI 3.1 (2022-10-07, Apache 2.0).
"""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import jsonschema  # type: ignore[import-untyped]
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from registry.book.bodies import _KINDS
from registry.server import generate
from registry.server.answers import REFUSALS
from registry.server.api import Api
from registry.server.app import make_app
from registry.server.openapi import document
from registry.server.operation import BASE, Gives, Operation
from registry.server.operations import OPERATIONS, describe
from registry.server.shapes import Front
from tests.support import described
from tests.support.asgi import call_here
from tests.support.described import METHODS, Answered, Description
from tests.support.error_tree import tree
from tests.support.registries import opened

OFFICIAL: Final = json.loads(Path(described.__file__).with_name("openapi_3_1.json").read_text())
VECTORS: Final = json.loads((Path(__file__).parents[2] / "vectors/registry.json").read_text())
META: Final = {"api-version": "1.0"}
ANSWER: Final = {"bundles": 0, "entries": 1, "meta": META, "openapi": "openapi.json", "origin": "registry.test/one"}
FAULT: Final = {"error": {"code": "not-found", "message": "no", "retry": "never"}, "meta": META}


def unsound(found: dict[str, Any]) -> list[str]:
    """Says what is wrong with a document: by the official schema, and by what the specification says beside it."""
    errors = jsonschema.Draft202012Validator(OFFICIAL).iter_errors(found)
    faults = [f"{error.json_path}: {error.message[:200]}" for error in errors]
    if faults:
        return faults
    operations = Description(found).operations
    ids = [operation["operationId"] for operation in operations.values()]
    faults += [f"operationId {name} is there twice" for name in sorted(ids) if ids.count(name) > 1]
    for (_, path), operation in operations.items():
        named = sorted(item["name"] for item in operation.get("parameters", ()) if item["in"] == "path")
        if named != sorted(re.findall(r"\{(\w+)\}", path)):
            faults.append(f"{path}: parameters {named}")
        schemes = {name for item in operation.get("security", ()) for name in item}
        faults += [f"{path}: no scheme {name}" for name in schemes - set(found["components"]["securitySchemes"])]
    return faults + _loose_ends(found, found)


def _loose_ends(found: dict[str, Any], value: object) -> list[str]:
    """Returns the references that lead nowhere."""
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    faults = [fault for item in items for fault in _loose_ends(found, item)]
    target = value.get("$ref") if isinstance(value, dict) else None
    if isinstance(target, str):
        place: Any = found
        for part in target.removeprefix("#/").split("/"):
            place = place.get(part, {})
        faults += [] if place else [f"nothing is at {target}"]
    return faults


def test_it_is_openapi() -> None:
    found = describe()
    assert unsound(found) == []
    for name, schema in Description(found).document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema.get("type") != "object" or "additionalProperties" in schema, name


SPOILED: Final[dict[str, Callable[[dict[str, Any]], object]]] = {
    "no title": lambda found: found["info"].pop("title"),
    "a word that OpenAPI does not know": lambda found: found.update(meta={}),
    "an unknown place": lambda found: found["paths"]["/search"]["get"]["parameters"][0].update({"in": "body"}),
    "a response without words": lambda found: found["components"]["responses"]["404"].pop("description"),
    "a path without its slash": lambda found: found["paths"].update(search=found["paths"].pop("/search")),
    "one id twice": lambda found: found["paths"]["/"]["get"].update(operationId="search"),
    "a parameter that is not described": lambda found: found["paths"]["/pending/{digest}"]["get"].pop("parameters"),
    "a scheme that is not there": lambda found: found["components"]["securitySchemes"].clear(),
    "a schema that is not there": lambda found: found["components"]["schemas"].pop("Outcome"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_no_openapi_is_found_out(name: str) -> None:
    found = deepcopy(describe())
    SPOILED[name](found)
    assert unsound(found) != []


def test_the_committed_file_is_that_description() -> None:
    assert generate.main(["--check"]) == 0
    assert json.loads(generate.TARGET.read_text()) == describe()


def test_a_stale_file_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "TARGET", tmp_path / "description.json")
    assert generate.main(["--check"]) == 1
    generate.main([])
    assert generate.main(["--check"]) == 0
    generate.TARGET.write_text(generate.TARGET.read_text().replace("Front", "Back"))
    assert generate.main(["--check"]) == 1


async def test_every_route_is_described_and_nothing_else_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        app = make_app(house.registry)
    routes: list[Any] = [route for route in app.routes if getattr(route, "path", "").startswith("/api")]
    assert all(route.path.startswith(BASE) for route in routes)
    served = [(method, route.path.removeprefix(BASE)) for route in routes for method in route.methods - {"HEAD"}]
    assert sorted(served) == sorted(Description(describe()).operations)
    assert {method.lower() for method, _ in served} <= set(METHODS)


def test_an_operation_cannot_be_there_twice() -> None:
    with pytest.raises(ValueError, match="GET / is there twice"):
        document([*OPERATIONS, Operation("GET", "/", Api.pending, (Gives("", Front),))])


def test_the_page_lists_the_same_operations_and_statuses() -> None:
    page = generate.TARGET.with_name("registry-api.md").read_text()
    rows = re.findall(r"^\| (DELETE|GET|POST|PUT) `([^`?]+)[^`]*` \|", page, re.MULTILINE)
    listed = [(method, re.sub(r"[A-Z0-9]{2,}", "{}", path)) for method, path in rows]
    assert sorted(listed) == sorted((item.method, re.sub(r"\{\w+\}", "{}", item.path)) for item in OPERATIONS)
    statuses = re.findall(r"^\| (\d{3}) \| (.*) \|$", page, re.MULTILINE)
    codes = {int(status): {*re.findall("`([a-z-]+)`", told)} for status, told in statuses}
    assert codes.pop(405) == {"refused"}
    assert codes == {row.status: {*row.codes} for row in REFUSALS}


def test_limits_and_tokens_are_described() -> None:
    operations = Description(describe()).operations
    limits = {
        path: item["requestBody"]["x-max-bytes"] for (_, path), item in operations.items() if "requestBody" in item
    }
    assert limits == {
        "/entries": 49_152,
        "/pending/{digest}/wheels/{wheel}": 32 << 20,
        "/staged/{namespace}": 32 << 20,
        "/usage": 4 << 20,
    }
    secured = {path: item["security"] for (_, path), item in operations.items() if "security" in item}
    owner: list[dict[str, list[str]]] = [{"owner": []}]
    assert secured == {
        "/pending/{digest}": owner,
        "/pending/{digest}/wheel": owner,
        "/staged/{namespace}": [{"token": []}],
    }


def test_the_codes_are_those_of_the_platform() -> None:
    known = {error.own.get("code") for error in tree().values()}
    assert {code for row in REFUSALS for code in row.codes} <= known
    assert len({row.status for row in REFUSALS}) == len(REFUSALS)


@pytest.mark.parametrize("at", range(len(VECTORS["leaves"])))
def test_every_entry_of_the_log_fits_its_shape(at: int) -> None:
    entry = json.loads(VECTORS["leaves"][at]["leaf"])["entry"]
    description, schema = Description(describe()), {"$ref": "#/components/schemas/Entry"}
    assert description.faults(schema, entry) == []
    assert description.faults(schema, {**entry, "more": 1}) != []
    body = {**entry["statement"]["body"], "more": 1}
    assert description.faults(schema, {**entry, "statement": {**entry["statement"], "body": body}}) != []


def test_the_shape_of_an_entry_knows_every_kind() -> None:
    kinds = Description(describe()).document["components"]["schemas"]["Statement"]["properties"]["kind"]["enum"]
    assert sorted(kinds) == sorted(_KINDS.values())


def answered(value: object = None, **changes: Any) -> Answered:  # noqa: ANN401 - whatever fields it has
    """Returns the front answer as it is described, but for the changes."""
    headers = {"content-type": "application/json"}
    body = json.dumps(ANSWER if value is None else value).encode()
    return replace(Answered("GET", f"{BASE}/", 200, headers, body), **changes)


def test_an_answer_as_described_departs_in_nothing() -> None:
    description = Description(describe())
    assert description.departures(answered()) == []
    assert description.departures(answered(method="HEAD", body=b"")) == []
    assert description.departures(answered(FAULT, path="/api/v1/nowhere", status=404)) == []


DEPARTURES: Final = {
    "a name more": answered({**ANSWER, "secret": 1}),
    "a name less": answered({name: value for name, value in ANSWER.items() if name != "origin"}),
    "another type": answered({**ANSWER, "entries": "1"}),
    "less than nothing": answered({**ANSWER, "entries": -1}),
    "another version": answered({**ANSWER, "meta": {"api-version": "2.0"}}),
    "a name more inside": answered({**ANSWER, "meta": {**META, "more": 1}}),
    "no JSON": answered(body=b"Internal Server Error"),
    "plain text": answered(headers={"content-type": "text/plain; charset=utf-8"}),
    "another good status": answered(status=202),
    "a status that is not described": answered(FAULT, status=503),
    "an error of another code": answered(FAULT, path=f"{BASE}/pending/x", status=400),
    "an error with more in it": answered({**FAULT, "trace": "..."}, path=f"{BASE}/pending/x", status=404),
    "no word of how to show who one is": answered(
        {"error": {**FAULT["error"], "code": "unauthenticated"}, "meta": META},
        method="POST",
        path=f"{BASE}/staged/acme",
        status=401,
    ),
    "something where nothing is": answered(path=f"{BASE}/nowhere"),
    "a page where nothing is": answered(path=f"{BASE}/nowhere", status=404, headers={"content-type": "text/html"}),
}


async def test_a_watched_application_that_departs_is_found_out() -> None:
    async def front(_: Request) -> Response:
        return JSONResponse({**ANSWER, "secret": 1})

    app = described.Described(Starlette(routes=[Route(f"{BASE}/", front)]))
    await call_here(app, f"{BASE}/", {})
    assert app.seen == {("GET", "/", 200)}
    (departure,) = app.departures
    assert "'secret' was unexpected" in departure


@pytest.mark.parametrize("name", DEPARTURES)
def test_an_answer_that_departs_is_found_out(name: str) -> None:
    assert Description(describe()).departures(DEPARTURES[name]) != []
