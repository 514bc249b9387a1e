"""A registry behind real HTTP on a free port of loopback, in this process; its API is held to its description."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from registry.server.operation import BASE
from registry.server.run import listen
from tests.support.described import Described


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serves an application; yields its URL. What a registry's API answers meanwhile must be as it is described."""
    watched = Described(app)
    listener = listen(("127.0.0.1", 0))
    config = uvicorn.Config(watched, log_level="warning", lifespan="on", access_log=False)
    server = uvicorn.Server(config)
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
