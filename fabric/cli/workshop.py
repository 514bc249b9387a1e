"""The workshop: an author's project in the sandbox in which a fabric runs it, without Ray, keys or ledgers.

One zygote serves every run, so that a change is tried within a fraction of a second.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fabric.bundles.build import Built, build, check_machine, localised
from fabric.bundles.manifest import Project
from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.clock import Clock
from fabric.core.errors import AuthorError, CryptletFailed, NotFound, SandboxUnavailable
from fabric.core.ids import sha256, tag
from fabric.core.model import Failure
from fabric.core.plugins import nearest
from fabric.enclave.bundles import bundle_in, project_in
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Bundle, Call, Limits

_SEED: Final = tag("cryptlet-fabric/workshop/v1")
_TENANT: Final = bytes(32)


@dataclass(frozen=True)
class Order:
    """What to run.

    Attributes:
        project: the project folder.
        method: name of the method.
        input: its input.
        as_of: time of the invocation, Unix seconds.
        deadline_ms: longest run time in milliseconds.
        state_version: version of the contract's state, 0 where there is none.
    """

    project: Path
    method: str
    input: bytes
    as_of: int
    deadline_ms: int
    state_version: int = 0


@dataclass(frozen=True)
class Ran:
    """What running gave.

    Attributes:
        output: canonical JSON.
        steps: seconds that each step took, by its name.
    """

    output: bytes
    steps: dict[str, float]


class RunFailed(CryptletFailed):
    """The method gave no result.

    Attributes:
        remote_code: code of the failure, as a caller of a fabric would get it.
    """

    def __init__(self, failure: Failure, message: str) -> None:
        """Takes the failure, and the message for its author."""
        super().__init__(message)
        self.remote_code = failure.code


class Workshop:
    """Runs methods of projects; ``open_workshop`` makes one."""

    def __init__(self, folder: Path, starting: "asyncio.Task[ContainerHost]", clock: Clock) -> None:
        """Takes a scratch folder, the containers, which may still be starting, and the clock that measures steps."""
        self._folder = folder
        self._starting = starting
        self._clock = clock

    async def run(self, order: Order) -> Ran:
        """Builds a project in memory and runs one method of it; the same order gives the same answer.

        Raises:
            AuthorError: it cannot be built; says where.
            RunFailed: it has no such method, or the method gave no result; says where.
            SandboxUnavailable: this machine cannot isolate it.
        """
        begin = self._clock.monotonic_seconds()
        host = await asyncio.shield(self._starting)
        ready = self._clock.monotonic_seconds()
        built = await self.build(order.project)
        packed = self._clock.monotonic_seconds()
        _check_method(built, order.method)
        (reply,) = await host.run(self._bundle(built), _TENANT, [_call(order)])
        end = self._clock.monotonic_seconds()
        if reply.failure is not None:
            raise _failed(reply.failure, order, built)
        steps = {"sandbox": ready - begin, "build": packed - ready, "run": end - packed, "all": end - begin}
        return Ran(reply.output or b"null", steps)

    async def build(self, project: Path) -> Built:
        """Builds a project; its class is imported in a container, so that it may be a stranger's. Raises as ``run``."""
        loop = asyncio.get_running_loop()

        def describe(project: Project, wheel: bytes, wheels: Mapping[str, bytes]) -> JsonObject:
            return asyncio.run_coroutine_threadsafe(self._describe(project, wheel, wheels), loop).result()

        return await asyncio.to_thread(build, project, describe)

    async def _describe(self, project: Project, wheel: bytes, wheels: Mapping[str, bytes]) -> JsonObject:
        check_machine(project)
        host = await asyncio.shield(self._starting)
        files, name = (wheel, *wheels.values()), sha256(wheel)
        path = self._folder / f"{name.hex()}.draft"
        path.write_bytes(b"".join(files))
        reply = await host.describe(project_in(path, name, project, files))
        path.unlink()
        if reply.failure is None:
            return canonical.decode_object(reply.output or b"")
        if reply.failure.code == SandboxUnavailable.code:
            raise SandboxUnavailable(reply.failure.message)
        if reply.failure.code == AuthorError.code:
            raise AuthorError(reply.failure.message)
        raise AuthorError(f"importing {project.cryptlet.entry}: {reply.failure.code}: {reply.failure.message}")

    def _bundle(self, built: Built) -> Bundle:
        measurement = built.bundle.measurement
        path = self._folder / f"{measurement.hex()}.whl"
        files = (built.wheel, *built.dependencies.values())
        path.write_bytes(b"".join(files))
        return bundle_in(path, built.bundle, files)


@asynccontextmanager
async def open_workshop(clock: Clock) -> AsyncIterator[Workshop]:
    """Gives a workshop whose sandbox starts, and attacks itself; the first project waits for it.

    Call it in the main thread: the sandbox ends with the thread that started it.
    """
    with TemporaryDirectory(prefix="cryptlet-run-") as folder:
        starting = asyncio.create_task(ContainerHost.start(Path(folder) / "sandbox", Limits(), clock))
        try:
            yield Workshop(Path(folder), starting, clock)
        finally:
            starting.cancel()
            (host,) = await asyncio.gather(starting, return_exceptions=True)
            if isinstance(host, ContainerHost):
                await host.aclose()


def _call(order: Order) -> Call:
    name = sha256(_SEED, order.method.encode(), order.input)
    return Call(
        invocation=name,
        method=order.method,
        input=order.input,
        as_of=order.as_of,
        state_version=order.state_version,
        seed=sha256(name),
        deadline_ms=order.deadline_ms,
    )


def _check_method(built: Built, method: str) -> None:
    manifest = built.bundle.manifest
    if method not in manifest.methods:
        raise NotFound(f"{manifest.title} has no method {method!r}{nearest(method, sorted(manifest.methods))}")


_ADVICE: Final = {
    "malformed": "correct the input",
    "cryptlet-raised": "correct it there, or raise InvalidInput where the input is to blame",
    "limit-exceeded": "let it do less, or give it more time with --deadline-ms",
    "oversize": "give it a smaller input",
    "container-lost": "the code ended its own process: look for a way out of the interpreter, such as os._exit",
    "author": "correct it there",
}


def _failed(failure: Failure, order: Order, built: Built) -> RunFailed:
    manifest = built.bundle.manifest
    text = localised(failure.message, order.project, manifest.project)
    advice = _ADVICE.get(failure.code)
    message = f"{manifest.title} {order.method}: {failure.code}: {text}"
    return RunFailed(failure, f"{message}; {advice}" if advice else message)
