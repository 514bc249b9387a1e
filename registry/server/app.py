"""The server: one registry, its routes, and the round that renews what expires."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.routing import Mount

from fabric.core.clock import SystemClock
from fabric.core.errors import FabricError
from fabric.trust.policy import Policy
from registry.house.registry import Registry
from registry.house.staging import Staging
from registry.identity.issuer_keys import IssuerKeys
from registry.pages.app import pages
from registry.server.api import Api
from registry.server.limits import Gate, Limits
from registry.server.shelf import BookShelf
from registry.server.static import static_routes

REFRESH_SECONDS: Final = 300
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
    for_people = pages(BookShelf(registry), registry.book.origin)  # the last, since it answers whatever is left
    api = Api(
        registry, Staging(registry, IssuerKeys(clock, loopback=is_local), clock), policy, gate or Gate(Limits(), clock)
    )
    routes = [Mount("/api/v1", routes=api.routes()), *files, *for_people]
    return Starlette(routes=routes, lifespan=lifespan)


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
