"""anvil, the development node of Foundry, as a process: started in a folder, found again there, ended by its pid.

An unrelated program bears the same name, so the version is asked for first. The node's state is saved every second, and
a whole one is kept (``adapters.ethereum.snapshots``): what a kill loses is at most the newest blocks, never one that
counts as final.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from adapters.ethereum import answers, snapshots
from adapters.ethereum.rpc import Rpc, ask_local
from fabric.core.canonical import JsonObject
from fabric.core.clock import Clock, SystemClock
from fabric.core.errors import ConfigError, LedgerUnavailable
from fabric.ledger.home import Home, Running, free_port

VERSION: Final = "1.7.1"
"""Others number blocks, save state and reorganise differently."""
BIN: Final = Path(__file__).parents[2] / "deploy" / "devnets" / "node_modules" / ".bin" / "anvil"
RELAYER_WEI: Final = 10**21
_ATTEMPTS: Final = 5
_KEPT_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.02
_TIME_DIGITS: Final = 11
_CLOCK: Final[Clock] = SystemClock()
"""The machine's, since the node's own is."""


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


async def fund(rpc: Rpc, address: bytes, wei: int = RELAYER_WEI) -> None:
    """Gives an account of an anvil so much wei, whatever it had before; raises ``LedgerUnavailable``."""
    await rpc.ask([("anvil_setBalance", ["0x" + address.hex(), hex(wei)])])


@dataclass(frozen=True)
class Anvil:
    """A running node. An asynchronous context manager that ends it.

    Attributes:
        folder: where it keeps its state.
        process: where it runs.
    """

    folder: Path
    process: Running

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self.process.port

    @property
    def url(self) -> str:
        """JSON-RPC over HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def signers(self) -> tuple[bytes, ...]:
        """Who seals its blocks: nobody."""
        return ()

    async def describe(self) -> JsonObject:
        """Returns what people need to use the node, which signs for its accounts; raises ``LedgerUnavailable``."""
        rpc = Rpc(self.url)
        try:
            chain_id, accounts = await rpc.ask([("eth_chainId", []), ("eth_accounts", [])])
        finally:
            await rpc.aclose()
        with answers.reading():
            return {
                "network": "anvil",
                "chain_id": answers.quantity(chain_id, "chain id"),
                "urls": [self.url],
                "signers": [],
                "development_account": answers.items(accounts, "accounts")[0],
            }

    async def fund(self, rpc: Rpc, address: bytes) -> None:
        """Gives an account wei, whatever it had before; raises ``LedgerUnavailable``."""
        await fund(rpc, address)

    @classmethod
    async def start(cls, folder: Path, options: Options | None = None) -> Self:
        """Starts a node on the state that the folder holds, or finds the one that still runs on it.

        Raises:
            ConfigError: there is no anvil of the right version, or no saved state is whole.
            LedgerUnavailable: it does not start; the message has what it printed.
        """
        folder = _made(folder)
        running = await _home(folder).find() or await _started(folder, options or Options())
        await _keep(folder, running.pid)
        return cls(folder, running)

    async def aclose(self) -> None:
        """Ends the node after it has saved its state; idempotent."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Ends the node at once, as a power cut would."""
        await self._end(signal.SIGKILL)

    async def _end(self, how: signal.Signals) -> None:
        home = _home(self.folder)
        await home.end(self.process, how)
        if home.running() is None:
            await _unkept(self.folder)
            shutil.rmtree(_history(self.folder), ignore_errors=True)

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


async def _started(folder: Path, options: Options) -> Running:
    program = find_anvil()
    await _prepare_state(folder)
    home = _home(folder)
    genesis_time = options.genesis_time or _genesis_time(folder)
    for _ in range(_ATTEMPTS):
        port = options.port or free_port(home.last_port())
        command = _command(program, folder, options, (port, genesis_time))
        running = await home.start(command, port, dies_with_parent=options.dies_with_parent)
        if running:
            if not options.genesis_time:
                await _set_clock(port)
            return running
    message = f"anvil does not start in {folder}: {home.tail()}"
    raise LedgerUnavailable(message)


def _command(program: Path, folder: Path, options: Options, place: tuple[int, int]) -> list[str]:
    """Returns the node's command; ``place`` is the port, and the time of the first block."""
    port, genesis_time = place
    command = [str(program), "--quiet", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--chain-id", str(options.chain_id)]
    command += ["--gas-limit", str(options.gas_limit)]
    command += ["--state", str(_state(folder)), "--state-interval", "1"]
    command += ["--timestamp", str(genesis_time), "--cache-path", str(_history(folder))]
    if options.block_seconds:
        command += ["--block-time", str(options.block_seconds)]
    return command


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


async def _prepare_state(folder: Path) -> None:
    """Leaves the newest whole state for the node that is to start, and a copy for the case that it is killed."""
    await _unkept(folder)
    shutil.rmtree(_history(folder), ignore_errors=True)
    if not snapshots.tidy(folder):
        state = _state(folder)
        message = f"{state} was cut off by a kill while the node wrote it: remove {folder} to start a new chain"
        raise ConfigError(message)
    snapshots.spare(folder)


async def _unkept(folder: Path) -> None:
    """Waits until what kept the states of a node that ended has ended too."""
    try:
        async with asyncio.timeout(_KEPT_SECONDS):
            while (lock := snapshots.lock_of(folder)) is None:  # noqa: ASYNC110 - another process ends
                await asyncio.sleep(_POLL_SECONDS)
            lock.close()
    except TimeoutError as error:
        message = f"a node that {folder / 'process.json'} does not name runs on {folder}: end it first"
        raise LedgerUnavailable(message) from error


async def _keep(folder: Path, pid: int) -> None:
    """Has the states of a node kept, unless somebody does it already."""
    command = [sys.executable, "-I", "-m", "adapters.ethereum.snapshots", str(pid), str(folder)]
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdin=nothing, stdout=nothing, stderr=nothing)
    await process.wait()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _home(folder: Path) -> Home:
    return Home(folder, str(_state(folder)), "anvil.log", ask_local)


def _history(folder: Path) -> Path:
    """Returns where the node moves the older states of a run, hundreds of megabytes: of no use to the next one.

    By default that is the user's home, where a node that is killed leaves them for good.
    """
    return folder / "history"


def _state(folder: Path) -> Path:
    return folder / snapshots.STATE
