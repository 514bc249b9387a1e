"""The two processes of a development network: the embedded ledger, and the chaincode beside it, each in a folder."""

import asyncio
import hashlib
import json
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fabric.core.errors import LedgerUnavailable
from fabric.ledger.home import Home, Running, free_port

CHAINCODE: Final = "cryptlet-fabric"
ORGANISATIONS: Final = ("Org1MSP", "Org2MSP")
ORDERER: Final = "OrdererMSP"
POLICY: Final = "AND({})".format(",".join(f"'{name}.peer'" for name in ORGANISATIONS))
_ATTEMPTS: Final = 3
_EMBEDDED: Final = "adapters.hyperledger.embedded"
_CHAINCODE: Final = "adapters.hyperledger.chaincode"
Command = Callable[[Home, int], list[str]]
"""Makes the command that starts a process in its home, on a port."""


@dataclass(frozen=True)
class Terms:
    """How a network runs.

    Attributes:
        channel: the channel's id.
        chaincodes: names of deployments; one process carries all out.
        port: of the gateway on 127.0.0.1; 0 takes a free one, and the same one again after a restart.
        dies_with_parent: whether the processes end when the one that started them does.
    """

    channel: str
    chaincodes: tuple[str, ...] = (CHAINCODE,)
    port: int = 0
    dies_with_parent: bool = False


@dataclass
class Network:
    """A development network that runs in a folder.

    Attributes:
        folder: the folder.
        port: where the gateway listens on 127.0.0.1.
    """

    folder: Path
    port: int
    _running: list[tuple[Home, Running]]

    @classmethod
    async def start(cls, folder: Path, terms: Terms) -> Self:
        """Starts both processes, or finds those that run there.

        Raises:
            ConfigError: the folder holds what cannot be used.
            LedgerUnavailable: a process does not start; says what it printed.
        """
        network, code = _homes(folder)
        if not (network.folder / "network.json").exists():
            organisations = ",".join(ORGANISATIONS)
            await _run("init", str(network.folder), "--channel", terms.channel, "--organisations", organisations)
        running = await code.find() or await _begin(code, _chaincode_command, 0, terms)
        is_new = _agree(network.folder, running.port, terms.chaincodes)
        found = await network.find()
        if found and is_new:  # it knows the chaincode by another address
            await network.end(found, signal.SIGTERM)
            found = None
        serving = found or await _begin(network, _ledger_command, terms.port, terms)
        return cls(network.folder.parent, serving.port, [(network, serving), (code, running)])

    @property
    def tls_root(self) -> str:
        """The authority of the gateway's TLS certificate, PEM."""
        return (_ledger(self.folder).folder / "crypto" / "tlsca.pem").read_text()

    def root_of(self, msp: str) -> str:
        """Returns the certificate of an organisation's authority, PEM."""
        return (_ledger(self.folder).folder / "crypto" / msp / "ca.pem").read_text()

    async def aclose(self) -> None:
        """Ends both processes; what they wrote stays."""
        for home, running in self._running:
            await home.end(running, signal.SIGTERM)


async def issue(folder: Path, msp: str, name: str, public: Path) -> str:
    """Has an authority of a development network make a certificate out for a public key, PEM."""
    return await _run("issue", str(_ledger(folder).folder), str(public), "--msp", msp, "--name", name)


def is_usable(certificate: str, key: bytes, now: int, margin: int) -> bool:
    """Says whether a certificate is made out to a public key (DER) and lasts for another ``margin`` seconds."""
    found = x509.load_pem_x509_certificate(certificate.encode())
    public = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return public == key and found.not_valid_after_utc.timestamp() > now + margin


def _ledger(folder: Path) -> Home:
    place = folder / "network"
    return Home(place, str(place), "ledger.log", _listens)


def _code(folder: Path) -> Home:
    return Home(folder / "chaincode", _package(folder), "chaincode.log", _listens)


def _homes(folder: Path) -> tuple[Home, Home]:
    """Makes the folders of both processes."""
    homes = _ledger(folder.absolute()), _code(folder.absolute())
    for home in homes:
        home.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return homes


def _package(folder: Path) -> str:
    """Returns the package id of the folder's chaincode; no other process on this machine bears it."""
    return f"{CHAINCODE}:{hashlib.sha256(str(folder).encode()).hexdigest()}"


def _ledger_command(home: Home, port: int) -> list[str]:
    return [sys.executable, "-I", "-m", _EMBEDDED, "run", home.mark, "--port", str(port)]


def _chaincode_command(home: Home, port: int) -> list[str]:
    return [sys.executable, "-I", "-m", _CHAINCODE, "--listen", f"127.0.0.1:{port}", "--package", home.mark]


async def _begin(home: Home, command: Command, port: int, terms: Terms) -> Running:
    for _ in range(_ATTEMPTS):
        chosen = free_port(port or home.last_port())
        running = await home.start(command(home, chosen), chosen, dies_with_parent=terms.dies_with_parent)
        if running:
            return running
    raise LedgerUnavailable(f"{home.folder.name} of the Hyperledger development network did not start: {home.tail()}")


def _agree(folder: Path, port: int, chaincodes: Sequence[str]) -> bool:
    """Writes down where the chaincode is and who must endorse it; says whether that is news."""
    place = folder / "network.json"
    config = json.loads(place.read_text())
    chaincode = {"address": f"127.0.0.1:{port}", "policy": POLICY, "package": _package(folder.parent)}
    wanted = dict.fromkeys(chaincodes, chaincode)
    if config["chaincodes"] == wanted:
        return False
    draft = place.with_suffix(".draft")
    draft.write_text(json.dumps(config | {"chaincodes": wanted}, indent=2))
    draft.replace(place)
    return True


async def _run(*arguments: str) -> str:
    """Runs a command of the embedded ledger; returns what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", _EMBEDDED, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaint = await process.communicate()
    if process.returncode:
        raise LedgerUnavailable(f"Hyperledger development network: {complaint.decode(errors='replace').strip()}")
    return output.decode()


async def _listens(port: int) -> None:
    """Returns when a port of 127.0.0.1 takes a connection."""
    _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
