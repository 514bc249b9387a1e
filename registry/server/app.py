"""The server: one registry, its routes, and the round that renews what expires."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, cast

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fabric.core.clock import SystemClock
from fabric.core.errors import FabricError
from fabric.trust.policy import Policy
from registry.house.registry import Registry
from registry.house.staging import Staging
from registry.identity.issuer_keys import IssuerKeys
from registry.pages.app import Pages
from registry.server import answers
from registry.server.api import Api
from registry.server.limits import Gate, Limits
from registry.server.operations import routes
from registry.server.shelf import BookShelf
from registry.server.static import ROOMS, static_routes

REFRESH_SECONDS: Final = 300
_FOR_PROGRAMS: Final = ("api", *ROOMS)
"""How an address begins whose errors are JSON; all others are pages."""
_log = structlog.get_logger(__name__)


def make_app(
    registry: Registry,
    refresh_seconds: float = REFRESH_SECONDS,
    *,
    is_local: bool = False,
    policy: Policy | None = None,
    gate: Gate | None = None,
) -> Starlette:
    """Returns the application over a loaded registry.

    Args:
        registry: the registry.
        refresh_seconds: how often it renews what expires.
        is_local: whether it is for this machine alone, so that issuers of tokens may be on it too.
        policy: whose anchored records are counted as usage; None counts none.
        gate: lets uploads in; by default with the limits that ``cryptlet registry serve`` has by default.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(keep_fresh(registry, refresh_seconds))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    clock = SystemClock()
    files = static_routes(registry.publisher.shelf.root)
    pages = Pages(BookShelf(registry), registry.book.origin)
    staging = Staging(registry, IssuerKeys(clock, loopback=is_local), clock)
    api = Api(registry, staging, policy, gate or Gate(Limits(), clock), clock)

    async def no_route(request: Request, error: Exception) -> Response:
        """Answers programs and people each in their way; nothing but the router raises this error."""
        is_for_programs = request.scope["path"].lstrip("/").partition("/")[0] in _FOR_PROGRAMS
        return (answers.no_route if is_for_programs else pages.no_route)(request, cast("HTTPException", error))

    every = [*routes(api), *files, *pages.routes()]
    app = Starlette(routes=every, lifespan=lifespan, exception_handlers={HTTPException: no_route})
    app.router.redirect_slashes = False  # what is not described is not there
    return app


async def keep_fresh(registry: Registry, seconds: float) -> None:
    """Renews timestamp and standings for ever; alarms where they are past half their life."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await registry.refresh()
        except FabricError as error:
            _log.error("not renewed", error=str(error), ends_in_seconds=registry.seconds_left())
        if registry.is_stale():
            _log.error("the signing job is late: readers refuse this registry soon", seconds=registry.seconds_left())
