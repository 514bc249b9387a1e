"""Home: a development node as a process of its own: started in a folder, found again there, ended by its pid.

The folder's ``process.json`` names pid and port. A pid may be another's by now, so a process counts as the node only if
its command line holds the node's mark, and a port only if that very process listens on it.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fabric.core.errors import LedgerUnavailable

START_SECONDS: Final = 30
END_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.02
_LISTENING: Final = "0A"
_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
_LOOPBACK: Final = ("0100007F", "0000000000000000FFFF00000100007F")
"""127.0.0.1, and the same as an address of IPv6, as gRPC binds it."""
_TAIL: Final = 500
_UNREADABLE: Final = (OSError, ValueError, KeyError, TypeError, RecursionError)
"""What reading a spoiled ``process.json`` may raise."""


@dataclass(frozen=True)
class Running:
    """A node that runs.

    Attributes:
        pid: its process.
        port: where it listens on 127.0.0.1.
    """

    pid: int
    port: int
    child: Process | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Home:
    """The folder that one node runs in.

    Attributes:
        folder: absolute; gets ``process.json`` and the log.
        mark: an argument that this node's command has and no other's.
        log: name of the file that gets what the node prints.
        ask: asks the node that listens on a port of 127.0.0.1 for anything; returns when it has answered.
    """

    folder: Path
    mark: str
    log: str
    ask: Callable[[int], Awaitable[None]]

    def running(self) -> Running | None:
        """Returns the node that runs here, whoever started it."""
        try:
            value = json.loads(self._place.read_text())
            command = Path(f"/proc/{int(value['pid'])}/cmdline").read_bytes()
            is_ours = self.mark.encode() in command.split(b"\0")
            return Running(int(value["pid"]), int(value["port"])) if is_ours else None
        except _UNREADABLE:
            return None

    def last_port(self) -> int:
        """Returns the port that a node had here; 0 when nothing tells."""
        try:
            return int(json.loads(self._place.read_text())["port"])
        except _UNREADABLE:
            return 0

    async def find(self) -> Running | None:
        """Returns the node that runs here once it answers."""
        running = self.running()
        return running if running and await self._is_ready(running) else None

    async def start(self, command: list[str], port: int, *, dies_with_parent: bool) -> Running | None:
        """Starts a node by its command and waits until it answers; None when it came to nothing.

        Args:
            command: program and arguments; one of them is the mark.
            port: where it will listen.
            dies_with_parent: whether the node ends when this process does.
        """
        process = await self._launch(command, port, "bound" if dies_with_parent else "free")
        running = await self._recorded(process, is_free=not dies_with_parent)
        if running is None or not await self._is_ready(running):
            return None
        return Running(running.pid, running.port, process if dies_with_parent else None)

    async def end(self, node: Running, how: signal.Signals) -> None:
        """Ends the node and waits until it is gone; one that does not heed the signal is killed. Idempotent."""
        # The folder's file names the process; without it, the pid may be another's by now.
        if self.running() != node:
            return
        gone = asyncio.Event()
        descriptor = os.pidfd_open(node.pid)
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, gone.set)
        try:
            signal.pidfd_send_signal(descriptor, how)
            try:
                async with asyncio.timeout(END_SECONDS):
                    await gone.wait()
            except TimeoutError:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                await gone.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        if node.child:
            await node.child.wait()

    def tail(self) -> str:
        """Returns the last that the node printed."""
        try:
            return (self.folder / self.log).read_text(errors="replace")[-_TAIL:].strip()
        except OSError:
            return "it printed nothing"

    @property
    def _place(self) -> Path:
        return self.folder / "process.json"

    async def _launch(self, command: list[str], port: int, way: str) -> Process:
        """Starts the launcher, which becomes the node or leaves it behind."""
        launcher = [sys.executable, "-I", "-m", "fabric.ledger.launcher", way, str(os.getpid())]
        with (self.folder / self.log).open("ab") as log:
            # A session of its own: an interrupt at the terminal ends the fabric, which then ends the node.
            return await asyncio.create_subprocess_exec(
                *(*launcher, str(self._place), str(port), *command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _recorded(self, process: Process, *, is_free: bool) -> Running | None:
        """Waits until the launcher has written down where the node runs."""
        if is_free:
            await process.wait()
            return self.running()
        while process.returncode is None:
            running = self.running()
            if running and running.pid == process.pid:
                return running
            await asyncio.sleep(_POLL_SECONDS)
        return None

    async def _is_ready(self, node: Running) -> bool:
        """Waits until the process itself listens and answers; False when it has ended."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while _is_alive(node.pid):
                    # Another process may have taken the port since it was found free.
                    if _listens(node.pid, node.port):
                        await self.ask(node.port)
                        return True
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            os.kill(node.pid, signal.SIGKILL)
        return False


def free_port(wished: int = 0) -> int:
    """Returns a port that is free on 127.0.0.1: the wished one if it is.

    Raises:
        LedgerUnavailable: none is.
    """
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    message = "no free port on 127.0.0.1"
    raise LedgerUnavailable(message)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _listens(pid: int, port: int) -> bool:
    """Says whether a process holds the listening socket of a port on 127.0.0.1 (proc(5))."""
    wanted = {f"{address}:{port:04X}" for address in _LOOPBACK}
    lines = [line for table in _TABLES for line in Path(table).read_text().splitlines()[1:]]
    rows = (line.split() for line in lines)
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1] in wanted and row[3] == _LISTENING}
    try:
        held = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return False
    return bool(sockets & held)
