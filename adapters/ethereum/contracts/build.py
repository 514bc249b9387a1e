"""Compiles the contracts into ``artifacts``; with ``--check`` compares instead of writing.

Run as ``python adapters/ethereum/contracts/build.py``; needs the compiler that ``deploy/devnets/install.py`` installs.
The artefacts are committed, so that the fabric runs without a compiler. Bytecode carries no metadata: a change of a
comment does not change it.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from fabric.core import canonical

HERE: Final = Path(__file__).resolve().parent
SOURCES: Final = HERE / "src"
ARTIFACTS: Final = HERE / "artifacts"
ROOT: Final = HERE.parents[2]
INSTALLER: Final = ROOT / "deploy" / "devnets" / "install.py"
SOLC: Final = ROOT / "deploy" / "devnets" / "node_modules" / "solc"
TIMEOUT_SECONDS: Final = 300
SETTINGS: Final[dict[str, Any]] = {
    # The oldest fork that the fabric runs on; later ones execute its code unchanged.
    "evmVersion": "london",
    "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
    "optimizer": {"enabled": True, "runs": 10_000},
    # The newer code generator: 6 % less gas for a settlement, 12 % for a consumption.
    "viaIR": True,
}
OUTPUTS: Final = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]
MAX_CODE_BYTES: Final = 24_576
"""EIP-170: the largest contract that a chain takes."""


class BuildError(Exception):
    """The sources do not compile; the message is the compiler's."""


def main(arguments: list[str]) -> int:
    """Writes the artefacts, or says which is stale; returns the exit code."""
    try:
        wanted = build()
    except (BuildError, OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    present = {path.relative_to(ARTIFACTS).as_posix() for path in ARTIFACTS.rglob("*.json")}
    stale = sorted(
        name
        for name in present | set(wanted)
        if name not in present or (ARTIFACTS / name).read_bytes() != wanted.get(name)
    )
    if "--check" not in arguments:
        for name in stale:
            _write(ARTIFACTS / name, wanted.get(name))
        return 0
    for name in stale:
        sys.stderr.write(f"adapters/ethereum/contracts/artifacts/{name} is stale: run `make gen`\n")
    return 1 if stale else 0


def build() -> dict[str, bytes]:
    """Returns the artefacts' bytes by their path below ``artifacts``.

    Raises:
        BuildError: the compiler is missing, reports an error or a warning, or a contract is too large.
    """
    paths = sorted(SOURCES.rglob("*.sol"))
    sources = {path.relative_to(SOURCES).as_posix(): {"content": path.read_text()} for path in paths}
    selection = {"*": {"*": OUTPUTS}}
    settings = SETTINGS | {"outputSelection": selection}
    answer = _compile({"language": "Solidity", "sources": sources, "settings": settings})
    messages = [item["formattedMessage"] for item in answer["output"].get("errors", [])]
    if messages:
        raise BuildError("\n".join(messages))
    return {
        _path(source, name): _artifact(name, contract, answer["version"])
        for source, contracts in answer["output"]["contracts"].items()
        for name, contract in contracts.items()
        if contract["evm"]["bytecode"]["object"] and not source.startswith("libraries/")
    }


def _compile(source: dict[str, Any]) -> Any:  # noqa: ANN401 - what the compiler answers
    if not SOLC.is_dir():
        message = f"no compiler: run {INSTALLER.relative_to(ROOT)} first"
        raise BuildError(message)
    node = _run([sys.executable, str(INSTALLER), "--which", "node"], b"").decode().strip()
    answer = _run([node, str(HERE / "build.mjs"), str(SOLC)], json.dumps(source).encode())
    return json.loads(answer)


def _run(command: list[str], data: bytes) -> bytes:
    """Runs a program with the given input and returns its output; its messages go to our stderr."""
    done = subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True, timeout=TIMEOUT_SECONDS)
    return done.stdout


def _path(source: str, name: str) -> str:
    return f"test/{name}.json" if source.startswith("test/") else f"{name}.json"


def _artifact(name: str, contract: dict[str, Any], compiler: str) -> bytes:
    deployed = bytes.fromhex(contract["evm"]["deployedBytecode"]["object"])
    if len(deployed) > MAX_CODE_BYTES:
        message = f"{name}: {len(deployed)} bytes of code, at most {MAX_CODE_BYTES} can be deployed"
        raise BuildError(message)
    value: canonical.JsonObject = {
        "abi": contract["abi"],
        "bytecode": contract["evm"]["bytecode"]["object"],
        "compiler": compiler,
        # Of the code before the constructor fills in the immutable values.
        "deployed_bytes": len(deployed),
        "deployed_sha256": hashlib.sha256(deployed).hexdigest(),
        "name": name,
        "settings": SETTINGS,
    }
    return canonical.encode(value) + b"\n"


def _write(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
