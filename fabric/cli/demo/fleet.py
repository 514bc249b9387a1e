"""Child processes of the demo: the commands that it runs, and the fabric that it starts and ends."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fabric.core.canonical import JsonObject
from fabric.core.errors import PlatformError

START_SECONDS: Final = 180
STOP_SECONDS: Final = 30


async def run(*arguments: str) -> JsonObject:
    """Runs one of our own commands with ``--json`` and returns its document.

    Raises:
        PlatformError: it failed; carries what it said.
    """
    code, out, complaint = await attempt(*arguments, "--json")
    if code:
        raise PlatformError(f"cryptlet {arguments[0]} failed with {code}: {complaint.strip() or out.strip()}")
    document = json.loads(out)
    assert isinstance(document, dict)  # noqa: S101 - our own command's document
    return document


async def attempt(*arguments: str) -> tuple[int, str, str]:
    """Runs one of our own commands; returns exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fabric.cli.main", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaint = await process.communicate()
    return process.returncode or 0, out.decode(), complaint.decode()


@asynccontextmanager
async def fabric_up(config: Path, log: Path) -> AsyncIterator[JsonObject]:
    """Runs ``cryptlet up`` for as long as the block lasts, or we; gives the document that it prints when it is ready.

    Raises:
        PlatformError: it did not become ready; carries its last words.
    """
    with log.open("wb") as complaints:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "fabric.cli.main", "up", "--config", str(config), "--json"),
            *("--bound-to", str(os.getpid())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,
        )
    try:
        yield await _ready(process, log)
    finally:
        await _stop(process)


async def _ready(process: asyncio.subprocess.Process, log: Path) -> JsonObject:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
    except TimeoutError:
        line = b""
    if not line:
        raise PlatformError(f"the fabric did not become ready: {_last_words(log)} (its log: {log})")
    document = json.loads(line)
    assert isinstance(document, dict)  # noqa: S101 - our own command's document
    return document


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1].removeprefix("error: ") if lines else f"no word in {START_SECONDS} s"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
