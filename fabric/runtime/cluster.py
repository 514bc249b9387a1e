"""Cluster: the Ray of this machine, as a process tree of its own behind the walls of a jail.

The gateway imports no Ray. It starts the jail, speaks with the driver inside over one socket, and ends the jail by
closing that socket. Should the gateway be killed, the kernel ends the jail; should even that fail, the next start ends
by pid and start time what was written down.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from fabric.core import canonical
from fabric.core.errors import Malformed, PlatformError, SandboxUnavailable
from fabric.runtime import jail, link, processes
from fabric.runtime.failures import CourierLost
from fabric.runtime.gateway_link import GatewayLink
from fabric.runtime.head import HeadConfig
from fabric.runtime.jail import Walls
from fabric.runtime.link import Kind
from fabric.runtime.member import Member
from fabric.runtime.profile import Profile

STOP_SECONDS: Final = 10.0
"""How long Ray may take to end before it is killed."""
_MEMORY_SHARE: Final = 0.7
_PROCESSES: Final = "processes.json"
_TEMPORARY: Final = "cryptlet-ray-"
"""How the name of a temporary folder begins."""
_SLACK: Final = 64 << 20
_LONGEST_FOLDER: Final = 40
"""Ray puts up to 66 characters behind its folder for a Unix socket, whose path has at most 107 (unix(7))."""
_ENVIRONMENT: Final[Mapping[str, str]] = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108 - a name inside the jail
"""All of it: the gateway's environment may hold secrets."""


@dataclass(frozen=True)
class ClusterConfig:
    """How the local Ray is started.

    Attributes:
        folder: where it keeps its logs and sessions, ``<state>/ray``.
        hidden: folders that nothing in Ray may see, above all the state folder.
        reachable: folders below hidden ones with the enclaves' sockets; they must hold no secret.
        shown: further folders to show read-only.
        cpus: cores that Ray may give away; the machine's by default.
        object_store: bytes of Ray's shared object store.
        allow_unjailed_ray: run without a jail where none can be built. Code in Ray then reads the fabric's keys.
        start_seconds: longest start.
        member: how it takes part in a Ray of several machines; None for one of this machine alone.
        sockets: folder of the enclaves whose couriers run here, where other machines name them.
    """

    folder: Path
    hidden: tuple[Path, ...]
    reachable: tuple[Path, ...]
    shown: tuple[Path, ...] = ()
    cpus: int = os.cpu_count() or 1
    object_store: int = 256 << 20
    allow_unjailed_ray: bool = False
    start_seconds: float = 60.0
    member: Member | None = None
    sockets: Path | None = None


class Cluster:
    """A running Ray. Couriers are named by number; frames are bytes in, bytes out."""

    def __init__(self, config: ClusterConfig, process: asyncio.subprocess.Process, *, jailed: bool) -> None:
        """Use ``start``."""
        self._config = config
        self._process = process
        self._link: GatewayLink | None = None
        self.jailed = jailed

    @classmethod
    async def start(cls, config: ClusterConfig) -> Self:
        """Ends what an earlier run left, then starts Ray in its jail; about five seconds.

        Call it in the main thread: the kernel ends the jail with the thread that started it.

        Raises:
            SandboxUnavailable: the jail cannot be built, and ``allow_unjailed_ray`` is not set.
            PlatformError: Ray did not come up; the text names the log.
        """
        try:
            return await cls._start(config, jailed=True)
        except SandboxUnavailable:
            if not config.allow_unjailed_ray:
                raise
        return await cls._start(config, jailed=False)

    @classmethod
    async def _start(cls, config: ClusterConfig, *, jailed: bool) -> Self:
        try:
            return await cls._begin(config, jailed=jailed)
        except OSError as error:  # such as of a full disk: whoever waits for Ray tries again
            raise PlatformError(f"Ray did not start: {error}") from error

    @classmethod
    async def _begin(cls, config: ClusterConfig, *, jailed: bool) -> Self:
        session = _prepare(config.folder, jailed=jailed)
        ours, theirs = socket.socketpair()
        with theirs:
            process = await _spawn(config, theirs.fileno(), jailed=jailed)
        cluster = cls(config, process, jailed=jailed)
        try:
            processes.record(_record(config), _tree(process.pid))
            cluster._link = await GatewayLink.over(ours)
            async with asyncio.timeout(config.start_seconds):
                head = _head(config, session, jailed=jailed)
                await cluster._ask(Kind.START, canonical.encode(head.to_json()))
            processes.record(_record(config), _tree(process.pid))
        except (PlatformError, TimeoutError) as error:
            await cluster.stop()
            raise _start_failed(config, process.returncode, error) from error
        except BaseException:  # cancelled, perhaps: the caller has nothing by which to end it
            if cluster._link is None:
                ours.close()
            await cluster.stop()
            raise
        return cluster

    @property
    def running(self) -> bool:
        """Whether the driver still answers."""
        return self._link is not None and not self._link.ended.is_set()

    async def wait_ended(self) -> None:
        """Returns when Ray has ended, for whatever reason; the caller may then start another."""
        if self._link is not None:
            await self._link.ended.wait()

    async def hire(self, name: str, path: Path, profile: Profile) -> int:
        """Makes a courier for the enclave whose socket has this path; returns its number.

        A relative path is below the folder of enclaves of whichever machine the profile chooses.

        Raises:
            NoCapacity: no machine of the cluster fits the profile.
            CourierLost: Ray is not running.
        """
        options = profile.ray_options()
        socket_path = _real(path) if path.is_absolute() else str(path)
        body = canonical.encode({"name": name, "socket": socket_path, "options": options})
        return link.read_number(await self._ask(Kind.HIRE, body))

    async def dismiss(self, courier: int) -> None:
        """Ends a courier; one that is not there is no error."""
        await self._ask(Kind.DISMISS, link.write_number(courier))

    async def exchange(self, courier: int, frame: bytes, seconds: float) -> bytes:
        """Carries a frame of the enclave protocol and returns the answer, of which nothing is known but its bytes.

        Raises:
            EnclaveLost: the enclave does not answer.
            CourierLost: the courier or Ray ended on the way.
            DeadlinePassed: no answer within ``seconds``.
            Malformed: a frame beyond the limit.
        """
        milliseconds = max(1, min(int(seconds * 1000), 0xFFFF_FFFF))
        return await self._ask(Kind.EXCHANGE, link.write_exchange(courier, milliseconds, frame))

    async def measure(self, calls: int) -> float:
        """Returns how many plain actor calls a second this cluster makes, pipelined; for benchmarks."""
        return float(await self._ask(Kind.MEASURE, link.write_number(calls)))

    async def stop(self) -> None:
        """Ends Ray and everything in it; repeating is harmless."""
        left = _left(self._config.folder)
        if self._link is not None:
            await self._link.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        for process in left:
            process.kill()
        _remove_temporary(self._config.folder)
        _record(self._config).unlink(missing_ok=True)

    async def _ask(self, kind: Kind, body: bytes) -> bytes:
        if self._link is None:
            raise CourierLost("Ray is not running")
        return await self._link.ask(kind, body)


def _prepare(folder: Path, *, jailed: bool) -> Path:
    """Ends what an earlier run left, empties the folder, and returns Ray's folder as Ray sees it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for process in _left(folder):
        process.kill()
    _remove_temporary(folder)
    for name in ("root", "session"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    session = folder / "session"
    if jailed:
        return Path(jail.SESSION)
    if len(str(session)) <= _LONGEST_FOLDER:
        return session
    short = tempfile.mkdtemp(prefix=_TEMPORARY)
    (folder / "temporary").write_text(short)
    return Path(short)


def _left(folder: Path) -> list[processes.Process]:
    """Returns the processes that were written down; a file that was cut short names nobody."""
    try:
        return processes.recorded(folder / _PROCESSES)
    except Malformed:
        return []


def _remove_temporary(folder: Path) -> None:
    note = folder / "temporary"
    if note.exists():
        named = Path(note.read_text(errors="replace"))
        # A note that was cut short may name the folder of all temporary folders.
        if named.name.startswith(_TEMPORARY) and len(named.name) > len(_TEMPORARY):
            shutil.rmtree(named, ignore_errors=True)
        note.unlink()


async def _spawn(config: ClusterConfig, descriptor: int, *, jailed: bool) -> asyncio.subprocess.Process:
    # -P: the working folder is no import path.
    python = [sys.executable, "-P", "-m"]
    command = [*python, "fabric.runtime.driver", str(descriptor)]
    if jailed:
        command = [*python, "fabric.runtime.jail", _walls(config).encode(), str(descriptor), *command]
    else:
        command.append("unjailed")
    with (config.folder / "ray.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(_ENVIRONMENT),
            cwd="/",
            pass_fds=[descriptor],
            start_new_session=True,  # Ctrl-C is for the gateway, which then ends Ray in its own order
        )


def _walls(config: ClusterConfig) -> Walls:
    return Walls(
        base=_real(config.folder / "root"),
        writable=_real(config.folder / "session"),
        shown=(*jail.own_code(), *map(_real, config.shown)),
        hidden=tuple(map(_real, config.hidden)),
        reachable=tuple(map(_real, config.reachable)),
        shared_memory=config.object_store + _SLACK,
        sockets="" if config.sockets is None else _real(config.sockets),
        reach=None if config.member is None else config.member.reach,
    )


def _real(path: Path) -> str:
    """Returns the path without symbolic links, which could lead around a wall, or into one, inside."""
    return str(path.resolve())


def _head(config: ClusterConfig, session: Path, *, jailed: bool) -> HeadConfig:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    member = config.member
    if member is not None and config.sockets is not None:
        member = replace(member, sockets=jail.SOCKETS if jailed else _real(config.sockets))
    return HeadConfig(config.cpus, int(memory * _MEMORY_SHARE), config.object_store, str(session), member)


def _record(config: ClusterConfig) -> Path:
    return config.folder / _PROCESSES


def _tree(pid: int) -> list[processes.Process]:
    first = processes.Process.of(pid)
    return [*([] if first is None else [first]), *processes.descendants(pid)]


def _start_failed(config: ClusterConfig, status: int | None, error: Exception) -> PlatformError:
    log = config.folder / "ray.log"
    if status == jail.EXIT_NO_WALLS:
        reason = log.read_text(errors="replace").strip().rpartition("\n")[2]
        return SandboxUnavailable(
            f"Ray's jail cannot be built ({reason}); allow this user to make user namespaces, or set "
            "allow_unjailed_ray = true and accept that code in Ray can read the fabric's keys"
        )
    reason = "no answer in time" if isinstance(error, TimeoutError) else str(error)
    return PlatformError(f"Ray did not start: {reason}; see {log}")
