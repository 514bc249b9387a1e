"""Answers: JSON, and errors as JSON with the platform's codes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from fabric.core import canonical
from fabric.core.errors import (
    FabricError,
    Malformed,
    NotFound,
    Oversize,
    PlatformError,
    Refused,
    StoreError,
    Unauthenticated,
    VerificationError,
)
from registry.book.rules import Overtaken, Unsigned
from registry.busy import Busy, TooOften, TooSlow
from registry.faults import noted
from registry.proof_of_key import SCHEME
from registry.server.shapes import META, Answer, Failure, Fault

if TYPE_CHECKING:
    from fabric.core.canonical import JsonObject

Endpoint = Callable[[Request], Awaitable[Response]]
JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"
MAX_SHOWN: Final = 200
"""Characters of a path that are shown and logged."""
NOT_FOUND: Final = 404
METHOD_NOT_ALLOWED: Final = 405
FAULT: Final = 500


@dataclass(frozen=True)
class Refusal:
    """How errors are answered.

    Attributes:
        status: of the answer.
        kind: of the errors.
        codes: that they may have; an error of another code is a fault of our own.
        meaning: for people.
        headers: of the answer.
    """

    status: int
    kind: type[FabricError]
    codes: tuple[str, ...]
    meaning: str
    headers: Mapping[str, str] = field(default_factory=dict)


REFUSALS: Final = (
    Refusal(NOT_FOUND, NotFound, (NotFound.code,), "Nothing here bears that name."),
    Refusal(400, Malformed, (Malformed.code,), "What was sent has not the form that is asked for."),
    Refusal(413, Oversize, (Oversize.code,), "The body is longer than it may be."),
    Refusal(
        401,
        Unauthenticated,
        (Unauthenticated.code,),
        "There is no token or proof of a key, or the namespace does not trust it.",
        {"WWW-Authenticate": f"Bearer, {SCHEME}"},
    ),
    Refusal(422, VerificationError, (VerificationError.code,), "A check of what was sent did not hold."),
    Refusal(
        409,
        Refused,
        (Refused.code, Unsigned.code, Overtaken.code),
        "The rules, or what is there already, forbid it.",
    ),
    Refusal(
        408,
        TooSlow,
        (TooSlow.code,),
        "The body stopped or came too slowly; nothing of it was taken, it is safe to repeat.",
        {"Connection": "close"},  # what is left of the body is not waited for
    ),
    Refusal(429, TooOften, (TooOften.code,), "Too much from one address; safe to repeat after Retry-After seconds."),
    Refusal(
        503, PlatformError, (PlatformError.code, StoreError.code, Busy.code), "Not just now; it is safe to repeat."
    ),
    Refusal(FAULT, FabricError, (FabricError.code,), "A fault of the registry's own; its log holds the cause."),
)
"""The first whose kind fits an error; statuses in the API's description are these."""
_log = structlog.get_logger(__name__)


def answer(value: Answer, status: int = 200) -> Response:
    """Returns canonical JSON, never kept by a cache."""
    return encoded(canonical.encode(cast("JsonObject", value)), status)


def encoded(body: bytes, status: int = 200) -> Response:
    """Returns JSON that is canonical already."""
    return Response(body, status, {"Cache-Control": "no-store"}, JSON)


def guarded(endpoint: Endpoint) -> Endpoint:
    """Returns the endpoint with whatever error it raises answered."""

    async def inner(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as error:  # noqa: BLE001 - logged whole; the caller learns that it happened
            return _refusal(request, error)

    inner.__name__, inner.__doc__ = endpoint.__name__, endpoint.__doc__
    return inner


def no_route(request: Request, error: HTTPException) -> Response:
    """Answers what no route takes; the router says 404 or 405."""
    path = request.scope["path"][:MAX_SHOWN]
    if error.status_code != METHOD_NOT_ALLOWED:
        return _told(NotFound(f"nothing is at {path}; the API is described at /api/v1/openapi.json"), NOT_FOUND)
    found = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    allowed = ", ".join(sorted({method for route in found for method in route.methods}))  # the router tells the first's
    message = f"{path} takes {allowed}, got {request.method[:MAX_SHOWN]}"
    return _told(Refused(message), METHOD_NOT_ALLOWED, {"Allow": allowed})


def _refusal(request: Request, error: Exception) -> Response:
    """Answers an error that an endpoint raised: one that callers may know of, or a fault."""
    path = request.scope["path"][:MAX_SHOWN]
    row = next((row for row in REFUSALS if isinstance(error, row.kind)), None)
    if not isinstance(error, FabricError) or row is None or row.status == FAULT or error.code not in row.codes:
        return _told(noted(error, path), FAULT)
    if row.status != NOT_FOUND:  # readers look for the next root at every refresh
        _log.info("refused", path=path, code=error.code)
    wait = error.wait_seconds if isinstance(error, Busy) else 0
    return _told(error, row.status, {**row.headers, **({"Retry-After": str(wait)} if wait else {})})


def _told(error: FabricError, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Returns what is said of an error: its code, its text, whether a repeat may help."""
    fault: Fault = {"code": error.code, "message": str(error), "retry": error.retry}
    response = answer(Failure(meta=META, error=fault), status)
    response.headers.update(headers or {})
    return response
