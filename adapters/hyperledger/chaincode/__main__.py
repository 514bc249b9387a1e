"""``python -m adapters.hyperledger.chaincode``: serves the chaincode, or writes the package that peers install."""

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Final

import structlog

from adapters.hyperledger.chaincode.package import PeerTls, package_id, write_package
from adapters.hyperledger.chaincode.server import ChaincodeServer
from adapters.hyperledger.chaincode.settings import read_settings
from fabric.core.clock import SystemClock
from fabric.core.errors import FabricError

_ENDS: Final = frozenset({signal.SIGTERM, signal.SIGINT})


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        return _package(chosen) if chosen.command == "package" else _serve(chosen)
    except FabricError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _serve(chosen: argparse.Namespace) -> int:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is for what is read
    # Blocked before a thread starts, so that none of gRPC's takes them from the one that waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    settings = read_settings(chosen.listen, chosen.package)
    with ChaincodeServer(settings, SystemClock()) as server:
        _say({"ready": True, "port": server.port, "package": settings.package, "tls": settings.tls is not None})
        signal.sigwait(_ENDS)
    return 0


def _package(chosen: argparse.Namespace) -> int:
    tls = None
    if chosen.tls_root:
        tls = PeerTls(*(path.read_text() if path else "" for path in (chosen.tls_root, chosen.key, chosen.certificate)))
    package = write_package(chosen.label, chosen.address, tls)
    chosen.out.write_bytes(package)
    sys.stdout.write(package_id(chosen.label, package) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m adapters.hyperledger.chaincode", description=__doc__)
    parser.add_argument("--listen", metavar="HOST:PORT", help="else CHAINCODE_SERVER_ADDRESS")
    parser.add_argument("--package", metavar="LABEL:HASH", help="the installed package's id, else CHAINCODE_ID")
    commands = parser.add_subparsers(dest="command", metavar="")
    package = commands.add_parser("package", help="write the package that peers install, and print its id")
    package.add_argument("--address", required=True, metavar="HOST:PORT", help="where peers find the chaincode")
    package.add_argument("--label", required=True)
    package.add_argument("--tls-root", type=Path, metavar="PEM", help="root of the chaincode's certificate")
    package.add_argument("--key", type=Path, metavar="PEM", help="the peer's key, where the chaincode asks for one")
    package.add_argument("--certificate", type=Path, metavar="PEM", help="the peer's certificate")
    package.add_argument("out", type=Path, metavar="OUT.tar.gz")
    return parser


def _say(value: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
