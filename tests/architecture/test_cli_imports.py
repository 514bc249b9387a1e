"""The command answers at once, because it imports a heavy library only when a command needs it."""

import json
import subprocess
import sys
from typing import Final

import pytest

HEAVY: Final = {
    *("ray", "web3", "eth_abi", "sqlalchemy", "alembic", "grpc", "google"),
    *("aiohttp", "coincurve", "cryptography", "rich", "structlog", "asyncio"),
}
"""Libraries of which each alone takes as long as half of a help."""
PARSING: Final = {"pydantic"}
"""What typer itself imports, as soon as a command has a parameter to read."""
# Runs the command as its script does, then tells on stderr which modules that took.
PROBE: Final = """
import json, sys
sys.argv = ["cryptlet", *sys.argv[1:]]
from fabric.cli.main import main
try:
    code = main()
except SystemExit as end:
    code = end.code
print(json.dumps({"code": code or 0, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


COMMANDS: Final = (
    "bind",
    "build",
    "channel",
    "completion",
    "demo",
    "deprecate",
    "devnet",
    "diff",
    "doctor",
    "header",
    "info",
    "install",
    "invoke",
    "ledger",
    "lint",
    "message",
    "namespace",
    "new",
    "node",
    "owner",
    "promote",
    "publish",
    "rebuild",
    "registry",
    "relay",
    "restore",
    "result",
    "revoke",
    "run",
    "search",
    "status",
    "test",
    "up",
    "verify",
    "yank",
)
BELOW: Final = ("channel open", "owner lost", "registry serve", "message send", "node up", "relay status", "relay why")


@pytest.mark.parametrize("arguments", ["--help", "--version", *(f"{name} --help" for name in (*COMMANDS, *BELOW))])
def test_the_command_imports_nothing_heavy(arguments: str) -> None:
    command = [sys.executable, "-c", PROBE, *arguments.split()]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stderr.splitlines()[-1])
    assert seen["code"] == 0, done.stdout
    assert done.stdout
    heavy = HEAVY | PARSING if arguments.startswith("--") else HEAVY
    assert heavy.intersection(seen["modules"]) == set()


def test_the_version_imports_not_even_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE, "--version"], capture_output=True, check=True, text=True)
    seen = set(json.loads(done.stderr)["modules"])
    assert {name for name in seen if name.split(".")[0] == "fabric"} == {"fabric", "fabric.cli", "fabric.cli.main"}
    assert {"typer", "importlib.metadata", "inspect"}.isdisjoint(seen)


def test_no_command_is_left_out() -> None:
    told = subprocess.run([sys.executable, "-c", PROBE, "--help"], capture_output=True, check=True, text=True).stdout
    listed = told.partition("Commands:")[2]
    assert sorted(line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " ") == [
        *COMMANDS
    ]
