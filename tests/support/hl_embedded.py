"""The embedded ledger and the chaincode, each in a process of its own, and a deployment on them."""

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from adapters.hyperledger.client.caller import Caller
from adapters.hyperledger.client.ledger import HyperledgerLedger
from adapters.hyperledger.client.plugin import connect, open_ledger
from adapters.hyperledger.client.settings import parse_settings
from adapters.hyperledger.genesis import GenesisDocument
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock, SystemClock
from fabric.signers.create import P256, KeyFile, public_keys
from fabric.signers.process import KeyProcess
from fabric.signers.proposals import ClientGrant
from fabric.signers.protocol import ClientKey
from tests.support import batches

CHANNEL, CHAINCODE, PACKAGE = "trade", "settlement", "settlement:" + "ab" * 32
ORGANISATIONS = ("Org1MSP", "Org2MSP")
POLICY: JsonObject = {"n": 2, "of": ["Org1MSP.peer", "Org2MSP.peer"]}


@dataclass
class Process:
    """A process that said that it is ready, on a port."""

    process: asyncio.subprocess.Process
    port: int

    async def end(self, number: int = signal.SIGTERM) -> None:
        """Ends it; idempotent."""
        if self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()


async def start(log: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Process:
    """Starts ``python -m ...`` and waits for its ready line."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **(environment or {})},
        )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    assert line, f"it ended; see {log}"
    ready = json.loads(line)
    assert ready["ready"] is True
    return Process(process, int(ready["port"]))


async def run(*arguments: str) -> str:
    """Runs ``python -m ...`` to its end and returns what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return printed.decode()


@dataclass
class Network:
    """A network in a folder, with one client of its own.

    Attributes:
        folder: the ledger's.
        key: the client's key file.
        config: what ``open_ledger`` takes.
        chaincode: its process.
        ledger: the embedded ledger's process.
    """

    folder: Path
    key: Path
    config: JsonObject
    chaincode: Process
    ledger: Process
    clock: Clock = field(default_factory=SystemClock)

    @asynccontextmanager
    async def keys(self) -> AsyncIterator[KeyProcess]:
        """Starts a key process of the client."""
        grant = ClientGrant(CHANNEL, frozenset({CHAINCODE}))
        process = await KeyProcess.start(client=ClientKey(self.key, grant))
        try:
            yield process
        finally:
            await process.aclose()

    async def open(self, keys: KeyProcess) -> tuple[HyperledgerLedger, Caller]:
        """Opens the deployment, and the client's account beside it."""
        parts = connect(parse_settings(self.config), self.clock, keys)
        return await open_ledger(self.config, self.clock, keys), Caller(parts.asking.peers, parts.asking.endorser)

    async def found(self, keys: KeyProcess) -> None:
        """Founds a deployment on the channel; the configuration then names it."""
        parts = connect(parse_settings(self.config), self.clock, keys)
        first = await parts.chain.first(30.0)
        salt = bytes.fromhex(str(self.config["salt"]))
        document = GenesisDocument(CHANNEL, CHAINCODE, first.hash, (batches.APPRAISER.public,), 1, 300, salt)
        self.config |= {"block": first.hash.hex()}
        told = await Caller(parts.asking.peers, parts.asking.endorser).found(document.encoded)
        assert told == document.destination.id
        await parts.asking.peers.aclose()

    async def restart_ledger(self, number: int = signal.SIGTERM) -> None:
        """Ends the embedded ledger and starts it again on the same port."""
        await self.ledger.end(number)
        self.ledger = await start_ledger(self.folder, self.ledger.port)

    async def aclose(self) -> None:
        """Ends both processes."""
        await self.ledger.end()
        await self.chaincode.end()


async def start_ledger(folder: Path, port: int = 0) -> Process:
    """Starts the embedded ledger of a folder."""
    where = ("--port", str(port)) if port else ()
    return await start(folder.with_suffix(".log"), "adapters.hyperledger.embedded", "run", str(folder), *where)


async def make_network(place: Path) -> Network:
    """Makes a network of two organisations, starts chaincode and ledger, and founds a deployment."""
    folder, key = place / "ledger", place / "client.key"
    names = ("--channel", CHANNEL, "--organisations", ",".join(ORGANISATIONS))
    await run("adapters.hyperledger.embedded", "init", str(folder), *names)
    certificate = await issue(folder, key)
    listen = ("--listen", "127.0.0.1:0", "--package", PACKAGE)
    chaincode = await start(place / "chaincode.log", "adapters.hyperledger.chaincode", *listen)
    describe(folder, chaincode.port)
    ledger = await start_ledger(folder)
    config = configuration(folder, ledger.port, certificate)
    network = Network(folder, key, config, chaincode, ledger)
    async with network.keys() as keys:
        await network.found(keys)
    return network


async def issue(folder: Path, key: Path) -> str:
    """Makes the client's key and has the first organisation's authority make out a certificate; returns it, PEM."""
    (public,) = await public_keys([KeyFile(P256, key)])
    pem = key.with_suffix(".pub")
    pem.write_bytes(load_der_public_key(public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    who = ("--msp", ORGANISATIONS[0], "--name", "relayer", "--role", "client")
    return await run("adapters.hyperledger.embedded", "issue", str(folder), *who, str(pem))


def describe(folder: Path, port: int) -> None:
    """Names the chaincode in the network's configuration."""
    path = folder / "network.json"
    network = json.loads(path.read_text())
    policy = "AND('Org1MSP.peer','Org2MSP.peer')"
    network["chaincodes"] = {CHAINCODE: {"address": f"127.0.0.1:{port}", "policy": policy, "package": PACKAGE}}
    path.write_text(json.dumps(network))


def configuration(folder: Path, port: int, certificate: str) -> JsonObject:
    """Returns what a client of the network is configured with; its block is not known yet."""
    crypto = folder / "crypto"
    msps: JsonObject = {name: {"roots": [str(crypto / name / "ca.pem")]} for name in ORGANISATIONS}
    orderers: dict[str, JsonValue] = {
        each.name: {"roots": [str(each / "ca.pem")]}
        for each in sorted(crypto.iterdir())
        if each.is_dir() and each.name not in ORGANISATIONS and (each / "ca.pem").exists()
    }
    return {
        "endpoints": [f"127.0.0.1:{port}"],
        "tls": {"roots": str(crypto / "tlsca.pem")},
        "channel": CHANNEL,
        "chaincode": CHAINCODE,
        "block": "00" * 32,
        "salt": secrets.token_hex(32),
        "msp": ORGANISATIONS[0],
        "certificate": certificate,
        "msps": msps,
        "policy": POLICY,
        "orderers": orderers or None,
    }
