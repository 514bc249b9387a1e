"""The embedded ledger with the chaincode of keys and values, each in a process of its own."""

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fabric.core.canonical import JsonObject, JsonValue
from tests.support.hl_embedded import ORGANISATIONS, Process, run, start, start_ledger

CHANNEL, CHAINCODE, PACKAGE = "trade", "kv", "kv:" + "cd" * 32
POLICY = "AND('Org1MSP.peer','Org2MSP.peer')"
BATCH: JsonObject = {"count": 10, "seconds": 0.1}


@dataclass
class KvNetwork:
    """Both processes.

    Attributes:
        folder: the ledger's.
        ledger: the ledger's process.
        chaincode: the chaincode's.
    """

    folder: Path
    ledger: Process
    chaincode: Process

    async def restart_ledger(self, number: int = signal.SIGTERM) -> None:
        """Ends the ledger, with a signal, and starts it again on the same port."""
        await self.ledger.end(number)
        self.ledger = await start_ledger(self.folder, self.ledger.port)

    async def restart_chaincode(self, number: int = signal.SIGTERM) -> None:
        """Ends the chaincode, with a signal, and starts it again on the same port."""
        await self.chaincode.end(number)
        self.chaincode = await start_kv(self.folder, self.chaincode.port)


@asynccontextmanager
async def kv_network(place: Path, *, folder: Path | None = None, **changes: JsonValue) -> AsyncIterator[KvNetwork]:
    """Makes and runs a network; ``changes`` go into its configuration."""
    home = folder or place / "ledger"
    names = ("--channel", CHANNEL, "--organisations", ",".join(ORGANISATIONS))
    await run("adapters.hyperledger.embedded", "init", str(home), *names)
    chaincode = await start_kv(home)
    describe(home, chaincode.port, **changes)
    network = KvNetwork(home, await start_ledger(home), chaincode)
    try:
        yield network
    finally:
        await network.ledger.end()
        await network.chaincode.end()


async def start_kv(folder: Path, port: int = 0) -> Process:
    """Starts the chaincode."""
    listen = ("--listen", f"127.0.0.1:{port}", "--package", PACKAGE)
    return await start(folder.with_suffix(".chaincode.log"), "tests.support.hl_kv", *listen)


def describe(folder: Path, port: int, **changes: JsonValue) -> None:
    """Writes the configuration of a network whose chaincode listens on a port."""
    path = folder / "network.json"
    chaincode = {"address": f"127.0.0.1:{port}", "policy": POLICY, "package": PACKAGE}
    network = json.loads(path.read_text()) | {"chaincodes": {CHAINCODE: chaincode}, "batch": BATCH} | changes
    path.write_text(json.dumps(network))
