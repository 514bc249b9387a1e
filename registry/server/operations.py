"""Operations: the one table of what the API does, of which both its routes and its description are made."""

import asyncio
from functools import cache
from typing import Annotated, Final

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from registry.book.bodies import MAX_WHEEL_BYTES
from registry.book.entry import MAX_ENTRY_BYTES
from registry.server import shapes
from registry.server.answers import BYTES, JSON, encoded
from registry.server.api import ACCEPTED, Api
from registry.server.entries import Entry
from registry.server.openapi import document
from registry.server.operation import Gives, Operation, Parameter, Takes

MAX_PROOF: Final = 4 << 20
_QUERY: Final = Parameter(
    "q", "query", Annotated[str, Field(max_length=shapes.MAX_QUERY)], "Words; what is beyond the limit is cut off."
)
_PAGE: Final = Parameter("page", "query", Annotated[int, Field(ge=1, le=99_999)], "From 1; anything else is read as 1.")
_OUTCOMES: Final = (
    Gives("It is in the log.", shapes.Outcome),
    Gives("It waits for what it lacks, for a week.", shapes.Outcome, status=ACCEPTED),
)
_ENTRY: Final = Takes(MAX_ENTRY_BYTES, "An entry, as canonical JSON (RFC 8785).", JSON, Entry)
_WHEEL: Final = Takes(MAX_WHEEL_BYTES, "A wheel file.", BYTES)
_PROOF: Final = Takes(MAX_PROOF, "A proof file: docs/spec/proof.md.", JSON, dict)


async def description(_api: Api, _: Request) -> Response:
    """Gives this description."""
    return encoded(await asyncio.to_thread(_described))


OPERATIONS: Final = (
    Operation("GET", "/", Api.front, (Gives("The registry.", shapes.Front),)),
    Operation("GET", "/openapi.json", description, (Gives("OpenAPI 3.1.", shapes.Description),)),
    Operation("GET", "/search", Api.search, (Gives("What was found.", shapes.Search),), query=(_QUERY, _PAGE)),
    Operation(
        "GET", "/cryptlets/{namespace}/{name}", Api.cryptlet, (Gives("Its releases.", shapes.Cryptlet),), (400, 404)
    ),
    Operation(
        "GET", "/namespaces/{namespace}", Api.namespace, (Gives("The namespace.", shapes.Namespace),), (400, 404)
    ),
    Operation(
        "GET", "/pending", Api.pending, (Gives("A page of what waits.", shapes.Pending),), (503,), query=(_PAGE,)
    ),
    Operation("GET", "/pending/{digest}", Api.one_pending, (Gives("What waits.", shapes.OnePending),), (400, 404, 503)),
    Operation(
        "DELETE",
        "/pending/{digest}",
        Api.forget,
        (Gives("It waited, and waits no more.", shapes.OnePending),),
        (400, 401, 404, 503),
        security="owner",
    ),
    Operation(
        "GET",
        "/pending/{digest}/wheel",
        Api.pending_wheel,
        (Gives("The file.", None, BYTES),),
        (400, 401, 404, 503),
        security="owner",
    ),
    Operation("POST", "/entries", Api.submit, _OUTCOMES, (400, 404, 409), _ENTRY),
    Operation("PUT", "/pending/{digest}/wheels/{wheel}", Api.take_wheel, _OUTCOMES, (400, 404, 409), _WHEEL),
    Operation(
        "POST",
        "/staged/{namespace}",
        Api.stage,
        (Gives("It waits for an owner's signature, and is no entry.", shapes.Staged, status=ACCEPTED),),
        (400, 401, 404, 409),
        _WHEEL,
        security="token",
    ),
    Operation(
        "POST",
        "/usage",
        Api.count,
        (Gives("Its record is counted, once.", shapes.Counted),),
        (404, 409, 422),
        _PROOF,
    ),
)


def routes(api: Api) -> list[BaseRoute]:
    """Returns the routes over an API."""
    return [operation.route(api) for operation in OPERATIONS]


def describe() -> JsonObject:
    """Returns the API's description (OpenAPI 3.1)."""
    return document(OPERATIONS)


@cache
def _described() -> bytes:
    """Made when it is first asked for, since few ever ask; it takes some tenths of a second."""
    return canonical.encode(describe())
