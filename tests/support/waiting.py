"""Waiting for something that happens in another task and tells nobody."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)


async def stop(task: "asyncio.Task[None]") -> None:
    """Ends a loop that never ends by itself."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
