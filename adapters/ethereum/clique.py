"""A genuine proof-of-authority network on this machine: three geth nodes, each sealing for one signer (EIP-225).

Every node is a process of its own with a folder of its own. They know one another by their keys and find nobody else:
no discovery, loopback only. A kill of one, or of all at once, loses nothing: each block and its state are written
before the next is made.
"""

import asyncio
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.genesis import SCHEME, SIGNERS, Ground, ground
from adapters.ethereum.geth import obtain
from adapters.ethereum.rpc import Rpc, ask_local
from fabric.core.canonical import JsonObject
from fabric.core.errors import LedgerUnavailable
from fabric.ledger.home import Home, Running, free_port

__all__ = ["SIGNERS", "Clique", "Options"]

FAUCET: Final = 0
"""Number of the account that has wei to give."""
RELAYER_WEI: Final = 10**21
_TRANSFER_GAS: Final = 21_000
_ATTEMPTS: Final = 3


@dataclass(frozen=True)
class Options:
    """How the network runs.

    Attributes:
        chain_id: EIP-155 chain id; fixed when the folder's chain is made.
        block_seconds: time between blocks, from 1; fixed likewise.
        port: of the first node's JSON-RPC on 127.0.0.1; 0 takes a free one.
        gas_limit: of a block.
        dies_with_parent: whether the nodes end when the process that started them does.
    """

    chain_id: int = 31337
    block_seconds: int = 1
    port: int = 0
    gas_limit: int = 120_000_000
    dies_with_parent: bool = False


class Clique:
    """A running network. An asynchronous context manager that ends it.

    Attributes:
        folder: where it keeps its state.
    """

    def __init__(self, folder: Path, ground_: Ground, options: Options, geth: Path) -> None:
        """Made by ``start``."""
        self.folder = folder
        self._ground = ground_
        self._options = options
        self._geth = geth
        self._homes = [_home(ground_, number) for number in range(len(ground_.signers))]
        self._nodes: dict[int, Running] = {}
        self._doors: list[int] = []

    @classmethod
    async def start(cls, folder: Path, options: Options | None = None) -> Self:
        """Starts a network on the state that the folder holds, or finds the nodes that still run on it.

        Raises:
            ConfigError: there is no geth 1.13 and none can be built, or the folder holds a network of other options.
            LedgerUnavailable: a node does not start; the message has what it printed.
        """
        options = options or Options()
        network = await asyncio.to_thread(cls._founded, folder, options)
        await network.raise_nodes()
        return network

    @property
    def url(self) -> str:
        """JSON-RPC over HTTP of the first node, which holds the accounts with wei."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        """JSON-RPC over HTTP of every node."""
        return [f"http://127.0.0.1:{home.last_port()}" for home in self._homes]

    @property
    def pids(self) -> list[int]:
        """The processes of the nodes that run."""
        return [node.pid for node in self._nodes.values()]

    @property
    def signers(self) -> tuple[bytes, ...]:
        """The sealing accounts, ascending, 20 bytes each; node number n seals for the n-th."""
        return self._ground.signers

    async def describe(self) -> JsonObject:
        """Returns what people need to use the network."""
        return {
            "network": "clique",
            "chain_id": self._ground.chain_id,
            "urls": [*self.urls],
            "signers": ["0x" + signer.hex() for signer in self.signers],
            "development_account": "0x" + self._ground.accounts[FAUCET].hex(),
            "development_key": self._ground.faucet_key,
        }

    async def fund(self, rpc: Rpc, address: bytes) -> None:
        """Gives an account wei from the faucet where it has little.

        Raises:
            LedgerError: the node does not answer or did not take the transaction.
        """
        (balance,) = await rpc.ask([("eth_getBalance", ["0x" + address.hex(), "latest"])])
        if int(str(balance), 16) < RELAYER_WEI // 2:
            faucet = await NodeAccount.open(rpc, FAUCET)
            await faucet.send(address, b"", _TRANSFER_GAS, wei=RELAYER_WEI)

    async def stop(self, number: int, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends one node; its state stays. The others go on if they are more than half."""
        node = self._nodes.pop(number, None)
        if node:
            await self._homes[number].end(node, how)

    async def resume(self, number: int, *, is_alone: bool = False, seals: bool = True) -> None:
        """Starts a node that was stopped.

        Args:
            number: which.
            is_alone: without peers, so that it and the others no longer see each other's blocks.
            seals: whether it makes blocks.

        Raises:
            LedgerUnavailable: it does not start.
        """
        home = self._homes[number]
        home.folder.joinpath("config.toml").write_text(self._config(number, is_alone=is_alone))
        port = self._options.port if number == 0 and self._options.port else free_port(home.last_port())
        command = self._command(number, port, seals=seals)
        node = await home.start(command, port, dies_with_parent=self._options.dies_with_parent)
        if node is None:
            message = f"geth does not start in {home.folder}: {home.tail()}"
            raise LedgerUnavailable(message)
        self._nodes[number] = node

    async def aclose(self) -> None:
        """Ends every node; idempotent."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Ends every node at once, as a power cut would."""
        await self._end(signal.SIGKILL)

    async def __aenter__(self) -> Self:
        """Returns the network."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends every node."""
        await self.aclose()

    @classmethod
    def _founded(cls, folder: Path, options: Options) -> Self:
        geth = obtain()
        folder.mkdir(parents=True, exist_ok=True)
        folder = folder.resolve()
        made = ground(folder / "clique", options.chain_id, options.block_seconds, options.gas_limit, geth)
        return cls(folder, made, options, geth)

    async def raise_nodes(self) -> None:
        """Finds the nodes that run and starts the others; on other ports where another process took one meanwhile.

        Raises:
            LedgerUnavailable: a node does not start.
        """
        found = await asyncio.gather(*(home.find() for home in self._homes))
        self._nodes = {number: node for number, node in enumerate(found) if node}
        for attempt in range(1, _ATTEMPTS + 1):
            self._doors = self._choose_doors()
            missing = [number for number in range(len(self._homes)) if number not in self._nodes]
            tried = await asyncio.gather(*map(self.resume, missing), return_exceptions=True)
            failed = [each for each in tried if isinstance(each, BaseException)]
            if not failed:
                return
            if attempt == _ATTEMPTS or any(found):
                await self._end_started(found)
                raise failed[0]
            await self._end(signal.SIGKILL)

    async def _end_started(self, found: list[Running | None]) -> None:
        """Ends the nodes that were not found running."""
        for number in [number for number in self._nodes if found[number] is None]:
            await self.stop(number)

    async def _end(self, how: signal.Signals) -> None:
        await asyncio.gather(*(self.stop(number, how) for number in [*self._nodes]))

    def _choose_doors(self) -> list[int]:
        """Returns the ports on which nodes meet their peers: the last ones, or free ones where no node runs yet."""
        place = self._ground.folder / "doors.json"
        last = _read_doors(place, len(self._homes))
        if self._nodes:
            return last
        doors = [free_port(door) for door in last]
        draft = place.with_suffix(".draft")
        draft.write_text(json.dumps(doors))
        draft.replace(place)
        return doors

    def _config(self, number: int, *, is_alone: bool) -> str:
        """Returns what has no option on the command line: one address to listen on, and the peers."""
        others = [other for other in range(len(self._homes)) if other != number and not is_alone]
        peers = json.dumps([f"enode://{self._ground.peer_id(at)}@127.0.0.1:{self._doors[at]}" for at in others])
        # Nobody knows the port of a node that shall be alone.
        door = free_port() if is_alone else self._doors[number]
        return f'[Node.P2P]\nListenAddr = "127.0.0.1:{door}"\nStaticNodes = {peers}\nTrustedNodes = {peers}\n'

    def _command(self, number: int, port: int, *, seals: bool) -> list[str]:
        made, folder = self._ground, self._homes[number].folder
        signer = "0x" + made.signers[number].hex()
        held = [signer, *("0x" + account.hex() for account in made.accounts if number == 0)]
        command = [str(self._geth), "--datadir", str(folder), "--config", str(folder / "config.toml")]
        command += ["--networkid", str(made.chain_id), "--nodekey", str(folder / "nodekey"), "--verbosity", "2"]
        # One peer is enough to follow; those that are trusted come on top of it.
        command += ["--nodiscover", "--nat", "none", "--netrestrict", "127.0.0.0/8", "--maxpeers", "1"]
        command += ["--ipcdisable", "--authrpc.addr", "127.0.0.1", "--authrpc.port", "0"]
        command += ["--http", "--http.addr", "127.0.0.1", "--http.port", str(port), "--http.api", "eth,net,web3"]
        command += [*SCHEME, "--syncmode", "full", "--gcmode", "archive", "--snapshot=false", "--cache", "64"]
        command += ["--unlock", ",".join(held), "--password", str(made.password), "--allow-insecure-unlock"]
        sealing = ["--mine", "--miner.etherbase", signer, "--miner.gaslimit", str(self._options.gas_limit)]
        return [*command, *sealing] if seals else command


def _read_doors(place: Path, count: int) -> list[int]:
    """Returns the ports that the nodes had last; zeros where nothing tells."""
    try:
        doors = [int(door) for door in json.loads(place.read_text())]
    except (OSError, ValueError, TypeError, RecursionError):
        doors = []
    return doors if len(doors) == count else [0] * count


def _home(ground_: Ground, number: int) -> Home:
    folder = ground_.node(number)
    return Home(folder, str(folder), "geth.log", ask_local)
