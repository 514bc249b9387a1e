"""Starts a process of the fabric that holds keys: clean environment, set-up on standard input, one ready line back.

The ready line is canonical JSON: ``{"ready": {...}}`` or ``{"error": {"code", "message"}}``.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import ConfigError, FabricError, Malformed, PlatformError, SandboxUnavailable

READY_SECONDS: Final = 60.0
_MAX_SET_UP_BYTES: Final = 1 << 20
_ERRORS: Final[dict[str, type[FabricError]]] = {"config": ConfigError, "sandbox": SandboxUnavailable}


@dataclass(frozen=True)
class Spawned:
    """A started process.

    Attributes:
        process: it; for a process that renewed its memory, its guardian, which ends as it ends.
        ready: what its ready line says.
    """

    process: asyncio.subprocess.Process
    ready: JsonObject

    async def aclose(self, grace_seconds: float = 5.0) -> None:
        """Asks it to end, then kills it; idempotent."""
        if self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), grace_seconds)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


async def spawn(module: str, set_up: JsonObject, log: Path, *, flags: Sequence[str] = ()) -> Spawned:
    """Runs ``python -m module`` and waits for its ready line.

    The process is bound to the life of the thread that calls this, which must be one that lasts.

    Args:
        module: what to run; it calls ``read_set_up`` and ``tell_ready``.
        set_up: handed over on standard input; ``parent`` (our pid) is added.
        log: file that its standard error is appended to.
        flags: further options of the interpreter.

    Raises:
        FabricError: it could not start; the text says why.
    """
    try:
        process = await _begin(module, log, flags)
    except OSError as error:
        raise PlatformError(f"{module} cannot be started: {error}") from error
    try:
        ready = await asyncio.wait_for(_introduce(process, set_up), READY_SECONDS)
    except BaseException as error:
        await Spawned(process, {}).aclose()
        if isinstance(error, TimeoutError):
            message = f"{module} was not ready after {READY_SECONDS:.0f} seconds; see {log}"
            raise PlatformError(message) from error
        raise
    if ready is None:
        await process.wait()
        message = f"{module} ended with code {process.returncode} before it was ready; see {log}"
        raise PlatformError(message)
    return Spawned(process, ready)


async def _begin(module: str, log: Path, flags: Sequence[str]) -> asyncio.subprocess.Process:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", *flags, "-m", module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=descriptor,
            env={},
            start_new_session=True,
        )
    finally:
        os.close(descriptor)


def read_set_up() -> JsonObject:
    """Reads the set-up from standard input; raises ``Malformed``. For the started process."""
    return canonical.decode_object(sys.stdin.buffer.read(_MAX_SET_UP_BYTES + 1), max_bytes=_MAX_SET_UP_BYTES)


def tell_ready(value: JsonObject) -> None:
    """Writes the ready line and closes standard output. For the started process."""
    _tell({"ready": value})


def tell_error(error: FabricError) -> None:
    """Writes why the process cannot start. For the started process."""
    _tell({"error": {"code": error.code, "message": str(error)}})


def _tell(value: JsonObject) -> None:
    sys.stdout.buffer.write(canonical.encode(value) + b"\n")
    sys.stdout.buffer.flush()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


async def _introduce(process: asyncio.subprocess.Process, set_up: JsonObject) -> JsonObject | None:
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None  # noqa: S101 - asked for above
    assert stdout is not None  # noqa: S101 - it was asked for
    try:
        stdin.write(canonical.encode(set_up | {"parent": os.getpid()}))
        await stdin.drain()
        stdin.close()
    except ConnectionError:
        pass  # it ended early; the missing ready line says so
    line = await stdout.readline()
    return _read_ready(line) if line else None


def _read_ready(line: bytes) -> JsonObject:
    value = canonical.decode_object(line.removesuffix(b"\n"))
    error, ready = value.get("error"), value.get("ready")
    if isinstance(error, dict):
        raise _ERRORS.get(str(error["code"]), PlatformError)(str(error["message"]))
    if not isinstance(ready, dict):
        raise Malformed("ready line", "expected ready or error")
    return ready
