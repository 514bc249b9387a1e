"""The enclave's handle on its zygote: start it, ask it for containers, end it."""

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Final

from fabric.core.errors import ContainerLost, SandboxUnavailable
from fabric.enclave.sandbox.spawn import MAX_REQUEST_BYTES, Request

START_SECONDS: Final = 60.0
"""A bound against hanging; a warm start takes well under a second."""
_END_SECONDS: Final = 5.0
# The whole environment: nothing of the enclave's own may be inherited. Strings hash the same in every container;
# one arena, because every further one takes 64 MiB of a container's address space.
ENVIRONMENT: Final = {
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
}
# Not -E and not -I, which would ignore PYTHONHASHSEED: no user site, no current folder, no bytecode written.
_COMMAND: Final = (sys.executable, "-sPB", "-m", "fabric.enclave.sandbox.zygote")


class Zygote:
    """A running zygote."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        """Takes the process and the enclave's end of its control socket; ``start`` makes both."""
        self._process = process
        self._control = control

    @classmethod
    async def start(cls, folder: Path) -> "Zygote":
        """Starts a zygote and waits until it is ready to fork.

        Args:
            folder: empty folder on which it mounts its root (seen by itself only) and where its log is kept.

        Raises:
            SandboxUnavailable: a feature of the kernel is missing; says which, and what to do.
        """
        root = folder / "root"
        root.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(0)
        with theirs, (folder / "zygote.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *_COMMAND,
                str(theirs.fileno()),
                str(root),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                cwd="/",
                env=ENVIRONMENT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        zygote = cls(process, ours)
        try:
            await zygote._ready(folder / "zygote.log")
        except BaseException:
            await zygote.aclose()
            raise
        return zygote

    @property
    def pid(self) -> int:
        """Process id of the process that waits for the zygote."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it can still fork."""
        return self._process.returncode is None

    def spawn(self, request: Request, bundle: int) -> socket.socket:
        """Asks for a container; returns the enclave's end of its channel.

        Args:
            request: what the container shall be.
            bundle: descriptor of the bundle's file.

        Raises:
            ContainerLost: the zygote is gone or does not keep up.
        """
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        with theirs:
            try:
                message = json.dumps(request).encode()
                socket.send_fds(self._control, [message], [theirs.fileno(), bundle])
            except OSError as error:
                ours.close()
                message_text = f"the zygote does not take requests: {error.strerror}"
                raise ContainerLost(message_text) from error
        return ours

    async def aclose(self) -> None:
        """Ends the zygote and, with it, whatever containers are left."""
        self._control.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()  # the zygote dies with it
            await self._process.wait()

    async def _ready(self, log: Path) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(START_SECONDS):
                message = await loop.sock_recv(self._control, MAX_REQUEST_BYTES)
        except TimeoutError as error:
            text = f"the zygote did not start within {START_SECONDS:.0f} s; see {log}"
            raise SandboxUnavailable(text) from error
        if not message:
            text = f"the zygote ended at its start: {_last_line(log)}"
            raise SandboxUnavailable(text)
        refusal = json.loads(message).get("error")
        if refusal is not None:
            raise SandboxUnavailable(str(refusal))


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"no reason in {log}"
