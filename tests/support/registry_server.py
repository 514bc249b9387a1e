"""A registry behind real HTTP on a free port of loopback, in this process; its API is held to its description."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from registry.server.operation import BASE
from registry.server.run import configured, listen
from tests.support.described import Described


@asynccontextmanager
async def serving(app: ASGIApp, proxy: str = "") -> AsyncIterator[str]:
    """Serves an application as ``cryptlet registry serve`` does; yields its URL.

    What a registry's API answers meanwhile must be as it is described.
    """
    watched = Described(app)
    listener = listen(("127.0.0.1", 0))
    server = uvicorn.Server(configured(watched, proxy))
    task = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:  # noqa: ASYNC110 - the library sets no event
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()
    assert watched.departures == [] or not _has_api(app)  # a mirror owes nobody JSON


def _has_api(app: ASGIApp) -> bool:
    return any(getattr(route, "path", "").startswith(BASE) for route in getattr(app, "routes", ()))
