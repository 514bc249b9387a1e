"""anvil, the development node of Foundry, as a process: started in a folder, found again there, ended by its pid.

An unrelated program bears the same name, so the version is asked for first. The node's state is saved every second:
what a kill loses is at most the newest blocks, never one that counts as final.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import Process
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from adapters.ethereum import answers
from adapters.ethereum.rpc import Rpc
from fabric.core.clock import Clock, SystemClock
from fabric.core.errors import ConfigError, LedgerUnavailable

VERSION: Final = "1.7.1"
"""Others number blocks, save state and reorganise differently."""
BIN: Final = Path(__file__).parents[2] / "deploy" / "devnets" / "node_modules" / ".bin" / "anvil"
START_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.02
_ATTEMPTS: Final = 5
_LISTENING: Final = "0A"
_TIME_DIGITS: Final = 11
_CLOCK: Final[Clock] = SystemClock()
"""The machine's, since the node's own is."""
_UNREADABLE: Final = (OSError, ValueError, KeyError, TypeError, RecursionError)
"""What reading a spoiled ``process.json`` may raise."""


@dataclass(frozen=True)
class Options:
    """How the node runs.

    Attributes:
        chain_id: EIP-155 chain id.
        block_seconds: time between blocks; 0 makes one for each transaction.
        port: on 127.0.0.1; 0 takes a free one, and the same one again after a restart where it is still free.
        gas_limit: of a block; 1,024 records consumed one by one fit into a few.
        genesis_time: of a new chain's first block, Unix seconds, from which its clock then runs, also after a restart;
            0 takes the present, and the chain's clock is the machine's.
        dies_with_parent: whether the node ends when the process that started it does.
    """

    chain_id: int = 31337
    block_seconds: int = 1
    port: int = 0
    gas_limit: int = 120_000_000
    genesis_time: int = 0
    dies_with_parent: bool = False


@dataclass(frozen=True)
class Anvil:
    """A running node. An asynchronous context manager that ends it.

    Attributes:
        folder: where it keeps its state.
        pid: its process.
        port: where it listens on 127.0.0.1.
    """

    folder: Path
    pid: int
    port: int
    _child: Process | None = field(default=None, compare=False, repr=False)

    @property
    def url(self) -> str:
        """JSON-RPC over HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    async def start(cls, folder: Path, options: Options | None = None) -> Self:
        """Starts a node on the state that the folder holds, or finds the one that still runs on it.

        Raises:
            ConfigError: there is no anvil of the right version, or the saved state is not whole.
            LedgerUnavailable: it does not start; the message has what it printed.
        """
        folder = _made(folder)
        running = _running(folder)
        if running and await _is_ready(*running):
            return cls(folder, *running)
        return await cls._start(folder, options or Options())

    async def aclose(self) -> None:
        """Ends the node after it has saved its state; idempotent."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Ends the node at once, as a power cut would."""
        await self._end(signal.SIGKILL)

    async def __aenter__(self) -> Self:
        """Returns the node."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the node."""
        await self.aclose()

    @classmethod
    async def _start(cls, folder: Path, options: Options) -> Self:
        program = find_anvil()
        _check_state(_state(folder))
        genesis_time = options.genesis_time or _genesis_time(folder)
        for _ in range(_ATTEMPTS):
            port = options.port or _free_port(_last_port(folder))
            process = await _launch(_command(program, folder, options, (port, genesis_time)), folder)
            running = await _recorded(process, folder, is_free=not options.dies_with_parent)
            if running and await _is_ready(*running):
                if not options.genesis_time:
                    await _set_clock(port)
                return cls(folder, *running, process if options.dies_with_parent else None)
        message = f"anvil does not start in {folder}: {_tail(folder)}"
        raise LedgerUnavailable(message)

    async def _end(self, how: signal.Signals) -> None:
        # The folder's file names the process; without it, the pid may be another's by now.
        if _running(self.folder) != (self.pid, self.port):
            return
        gone = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, gone.set)
        try:
            signal.pidfd_send_signal(descriptor, how)
            await gone.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        if self._child:
            await self._child.wait()


def find_anvil() -> Path:
    """Returns the program: of ``ANVIL`` in the environment, else the installed one, else one on ``PATH``.

    Raises:
        ConfigError: there is none, or it is another program or version.
    """
    named, on_path = os.environ.get("ANVIL"), shutil.which("anvil")
    places = [Path(named)] if named else [BIN, *([Path(on_path)] if on_path else [])]
    found = [place for place in places if place.exists()]
    for place in found:
        if re.search(rf"^anvil Version: {re.escape(VERSION)}\b", _version(place), re.MULTILINE):
            return place
    if not found:
        message = f"no anvil {VERSION}: `make` installs it, or name one with ANVIL=..."
        raise ConfigError(message)
    said = _version(found[0]).partition("\n")[0][:80] or "nothing"
    message = f"{found[0]} is not anvil {VERSION} of Foundry: asked for its version it says {said!r}"
    raise ConfigError(message)


def _version(program: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - an argument list, no shell
            [str(program), "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout


def _command(program: Path, folder: Path, options: Options, place: tuple[int, int]) -> list[str]:
    """Returns the launcher's command; ``place`` is the port, and the time of the first block."""
    port, genesis_time = place
    way = "bound" if options.dies_with_parent else "free"
    command = [sys.executable, "-I", "-m", "adapters.ethereum.launcher", way, str(os.getpid())]
    command += [str(_place(folder)), str(port), str(program), "--quiet", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--chain-id", str(options.chain_id)]
    command += ["--gas-limit", str(options.gas_limit)]
    command += ["--state", str(_state(folder)), "--state-interval", "1"]
    command += ["--timestamp", str(genesis_time)]
    if options.block_seconds:
        command += ["--block-time", str(options.block_seconds)]
    return command


async def _launch(command: list[str], folder: Path) -> Process:
    """Starts the launcher, which becomes the node or leaves it behind."""
    with _log(folder).open("ab") as log:
        # A session of its own: an interrupt at the terminal ends the fabric, which then ends the node.
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


async def _recorded(process: Process, folder: Path, *, is_free: bool) -> tuple[int, int] | None:
    """Waits until the launcher has written down where the node runs; None when it came to nothing."""
    if is_free:
        await process.wait()
        return _running(folder)
    while process.returncode is None:
        running = _running(folder)
        if running and running[0] == process.pid:
            return running
        await asyncio.sleep(_POLL_SECONDS)
    return None


async def _is_ready(pid: int, port: int) -> bool:
    """Waits until the process itself listens and answers; False when it has ended."""
    rpc = Rpc(f"http://127.0.0.1:{port}")
    try:
        async with asyncio.timeout(START_SECONDS):
            while _is_alive(pid):
                # Another process may have taken the port since it was found free.
                if _listens(pid, port):
                    await rpc.ask([("eth_chainId", [])])
                    return True
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
    finally:
        await rpc.aclose()
    return False


def _genesis_time(folder: Path) -> int:
    """Returns the time of the chain's first block, fixed when the folder's chain is started for the first time.

    At every start the node makes a first block before it reads the saved ones, and saves all that it has. Unless they
    are the same block, the next start takes one of them for the first, at random, and the chain for another.
    """
    place = folder / "genesis-time"
    if not place.exists() or not _state(folder).exists():
        draft = place.with_suffix(".draft")
        draft.write_text(str(_CLOCK.unix_seconds()))
        draft.replace(place)
    text = place.read_text(errors="replace")
    if not (text.isascii() and text.isdecimal() and len(text) <= _TIME_DIGITS):
        message = f"{place}: expected the `timestamp` of the chain's first block, got {text[:20]!r}"
        raise ConfigError(message)
    return int(text)


async def _set_clock(port: int) -> None:
    """Sets a node's clock, which runs from its first or its last saved block, to the present; never back."""
    rpc = Rpc(f"http://127.0.0.1:{port}")
    try:
        (latest,) = await rpc.ask([("eth_getBlockByNumber", ["latest", False])])
        with answers.reading():
            newest = answers.block(latest).time
        await rpc.ask([("evm_setTime", [max(_CLOCK.unix_seconds(), newest)])])
    finally:
        await rpc.aclose()


def _running(folder: Path) -> tuple[int, int] | None:
    """Returns pid and port of the node that runs on the folder's state."""
    try:
        value = json.loads(_place(folder).read_text())
        command = Path(f"/proc/{int(value['pid'])}/cmdline").read_bytes()
    except _UNREADABLE:
        return None
    is_ours = str(_state(folder)).encode() in command.split(b"\0")
    return (int(value["pid"]), int(value["port"])) if is_ours else None


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _listens(pid: int, port: int) -> bool:
    """Says whether a process holds the listening socket of a port on 127.0.0.1 (proc(5))."""
    wanted = f"0100007F:{port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1] == wanted and row[3] == _LISTENING}
    try:
        held = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return False
    return bool(sockets & held)


def _free_port(wished: int) -> int:
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


def _last_port(folder: Path) -> int:
    try:
        return int(json.loads(_place(folder).read_text())["port"])
    except _UNREADABLE:
        return 0


def _check_state(state: Path) -> None:
    """Refuses a state that was cut off: the node writes it in place, so a kill in that moment leaves a part of it."""
    if state.exists() and not state.read_bytes().endswith(b"}"):
        message = f"{state} was cut off by a kill while the node wrote it: remove {state.parent} to start a new chain"
        raise ConfigError(message)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _place(folder: Path) -> Path:
    return folder / "process.json"


def _state(folder: Path) -> Path:
    return folder / "state.json"


def _log(folder: Path) -> Path:
    return folder / "anvil.log"


def _tail(folder: Path) -> str:
    try:
        return _log(folder).read_text(errors="replace")[-500:].strip()
    except OSError:
        return "it printed nothing"
