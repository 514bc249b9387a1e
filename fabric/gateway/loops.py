"""Loops of the gateway: tasks that run until they are cancelled. One that breaks is told of, never lost."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

import structlog

_LOG: Final = structlog.get_logger(__name__)


def keep(name: str, loop: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Begins a loop; the caller holds the task, and cancels it. Needs a running event loop."""
    task = asyncio.ensure_future(loop)
    task.add_done_callback(partial(_ended, name))
    return task


def _ended(name: str, task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        _LOG.error("loop broke", loop=name, error=repr(error))
