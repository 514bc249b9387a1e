"""Small bundles and calls for tests of the containers; measured bundles are made by fabric.bundles."""

import asyncio
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from fabric.enclave.containers.model import Call


def wheel(folder: Path, files: Mapping[str, str]) -> Path:
    """Returns the path of a new wheel that holds the files."""
    path = folder / "bundle.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def call(method: str, data: bytes = b'{"n":3}', *, deadline_ms: int = 10_000, seed: int = 1) -> Call:
    """Returns a call with everything that a test does not care about."""
    return Call(bytes(31) + bytes([seed]), method, data, 1_700_000_000, 7, bytes([seed]) * 32, deadline_ms)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what the kernel does in its own time; bounded against hanging only."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - processes of others set no event
            await asyncio.sleep(0.01)
