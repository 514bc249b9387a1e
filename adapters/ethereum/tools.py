"""What ``cryptlet doctor`` looks at for an embedded Ethereum node: the program itself."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Final

from adapters.ethereum.anvil import VERSION, find_anvil
from fabric.core.errors import ConfigError
from fabric.core.finding import Finding, fail, ok, warn

OLDEST_NODE: Final = 20
_INSTALL: Final = "run `make`, which installs it; elsewhere put it on PATH, or name it with ANVIL=..."


def check(_: Mapping[str, object]) -> list[Finding]:
    """Looks for anvil, which runs the chain, and for node, which only installs it and compiles contracts."""
    return [_anvil(), _node()]


def _anvil() -> Finding:
    try:
        return ok("anvil", f"{VERSION}, {find_anvil()}")
    except ConfigError as error:
        return fail("anvil", str(error), _INSTALL)


def _node() -> Finding:
    program = shutil.which("node")
    said = "" if program is None else _version(program)
    fix = f"install node {OLDEST_NODE} or newer, or let `make` take the one that pip installs"
    if not said:
        return warn("node", "not on PATH; only development needs it, to install anvil and to compile contracts", fix)
    if int(said.partition(".")[0]) < OLDEST_NODE:
        return warn("node", f"{said}, older than {OLDEST_NODE}", fix)
    return ok("node", f"{said}, {program}")


def _version(program: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - an argument list, no shell
            [program, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    found = re.match(r"v(\d+\.\d+\.\d+)", done.stdout)
    return found[1] if found else ""
