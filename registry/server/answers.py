"""Answers: JSON, and errors as JSON with the platform's codes."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import (
    FabricError,
    Malformed,
    NotFound,
    Oversize,
    Refused,
    StoreError,
    Unauthenticated,
    Unauthorized,
    VerificationError,
)
from registry.busy import Busy, TooOften, TooSlow

Endpoint = Callable[[Request], Awaitable[Response]]
API_VERSION: Final = "1.0"
_STATUS: Final[tuple[tuple[type[FabricError], int], ...]] = (
    (NotFound, 404),
    (Malformed, 400),
    (Oversize, 413),
    (Unauthenticated, 401),
    (Unauthorized, 403),
    (VerificationError, 422),
    (Refused, 409),
    (TooSlow, 408),
    (TooOften, 429),
    (Busy, 503),
    (StoreError, 503),
)
"""The first class that fits; the rest is our own fault."""
_log = structlog.get_logger(__name__)


def answer(value: JsonObject, status: int = 200) -> Response:
    """Returns canonical JSON, never kept by a cache."""
    meta: JsonObject = {"api-version": API_VERSION}
    body = canonical.encode({"meta": meta, **value})
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")


def refusal(error: FabricError) -> Response:
    """Returns what is said of an error: its code, its text, whether a repeat may help."""
    status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
    told = answer({"error": {"code": error.code, "message": str(error), "retry": error.retry.value}}, status)
    if isinstance(error, Busy) and error.wait_seconds:
        told.headers["Retry-After"] = str(error.wait_seconds)
    if isinstance(error, TooSlow):
        told.headers["Connection"] = "close"  # what is left of the body is not waited for
    return told


def guarded(endpoint: Endpoint) -> Endpoint:
    """Returns the endpoint with the platform's errors answered instead of raised."""

    async def inner(request: Request) -> Response:
        try:
            return await endpoint(request)
        except FabricError as error:
            if not isinstance(error, NotFound):  # readers look for the next root at every refresh
                _log.info("refused", path=request.url.path[:200], code=error.code)
            return refusal(error)

    inner.__name__, inner.__doc__ = endpoint.__name__, endpoint.__doc__
    return inner
