"""``python -m adapters.hyperledger.embedded``: ``init`` makes a network, ``issue`` a certificate, ``run`` serves it."""

import argparse
import asyncio
import io
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key
from typing_extensions import override

from adapters.hyperledger.embedded.identities import ROLES
from adapters.hyperledger.embedded.network import TLS, NetworkConfig, authority_for, init, open_network
from adapters.hyperledger.embedded.server import serving
from fabric.core.clock import SystemClock
from fabric.core.errors import ConfigError, FabricError

_CLOCK = SystemClock()


class _Log(io.TextIOBase):
    """Standard error, where a line that cannot be written is lost: a log on a full disk must not end the ledger."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @override
    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    @override
    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    log = cast("TextIO", _Log(sys.stderr))  # stdout is for what is read
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(log))
    try:
        chosen.action(chosen)
    except FabricError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _init(chosen: argparse.Namespace) -> None:
    chosen.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = NetworkConfig(channel=chosen.channel, organisations=chosen.organisations.split(","))
    init(chosen.folder, config, _CLOCK)


def _issue(chosen: argparse.Namespace) -> None:
    try:
        public = load_pem_public_key(chosen.public_key.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{chosen.public_key}: no public key in PEM: {error}") from error
    role = None if chosen.msp == TLS else chosen.role
    if not isinstance(public, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise ConfigError(f"{chosen.public_key}: expected a key of P-256, P-384 or Ed25519")
    certificate = authority_for(chosen.folder, chosen.msp, _CLOCK).issue(chosen.name, role, public)
    sys.stdout.write(certificate.public_bytes(Encoding.PEM).decode())


def _run(chosen: argparse.Namespace) -> None:
    asyncio.run(_serve(chosen.folder, chosen.port))


async def _serve(folder: Path, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    network = open_network(folder, _CLOCK)
    async with serving(network, port, _CLOCK) as served:
        config = network.config
        facts = {"ready": True, "port": served.port, "channel": config.channel, "organisations": config.organisations}
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
        # A ledger that takes transactions in and makes no blocks of them is worse than none.
        waiting = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({waiting, served.ordering}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if served.ordering in done:
            served.ordering.result()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    commands = parser.add_subparsers(required=True)
    made = commands.add_parser("init", help="make a network's configuration and keys in a folder")
    made.add_argument("folder", type=Path)
    made.add_argument("--channel", default="consortium")
    made.add_argument("--organisations", default="Org1MSP,Org2MSP", help="MSP ids, with commas between")
    made.set_defaults(action=_init)
    issued = commands.add_parser("issue", help="print a certificate for a public key")
    issued.add_argument("folder", type=Path)
    issued.add_argument("public_key", type=Path, help="file with the key, PEM")
    issued.add_argument("--msp", required=True, help=f"whose authority makes it out; {TLS}: that of TLS")
    issued.add_argument("--name", required=True, help="common name")
    issued.add_argument("--role", choices=ROLES[1:], default="client")
    issued.set_defaults(action=_issue)
    run = commands.add_parser("run", help="serve the network until SIGTERM")
    run.add_argument("folder", type=Path)
    run.add_argument("--port", type=int, default=0)
    run.set_defaults(action=_run)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
