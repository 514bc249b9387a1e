"""A registry behind real HTTP on a free port of loopback, in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from registry.server.run import configured, listen


@asynccontextmanager
async def serving(app: ASGIApp, proxy: str = "") -> AsyncIterator[str]:
    """Serves an application as ``cryptlet registry serve`` does; yields its URL."""
    listener = listen(("127.0.0.1", 0))
    server = uvicorn.Server(configured(app, proxy))
    task = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:  # noqa: ASYNC110 - the library sets no event
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()
