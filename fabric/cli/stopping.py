"""Until told to stop: Ctrl-C and SIGTERM end a command's work wherever it is, also while it still starts."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any


async def until_told(work: Coroutine[Any, Any, None]) -> None:
    """Runs work until it ends or SIGINT or SIGTERM cancels it, and waits until it has put its things in order.

    Only the first signal does so: what the work ends on its way out, another one must not interrupt.
    """
    task = asyncio.ensure_future(work)
    told = asyncio.Event()

    def stop() -> None:
        if not told.is_set():
            told.set()
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await task
