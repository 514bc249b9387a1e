"""Measurement of the fabric's own code: what an enclave would have to be for its results to mean what they say.

It covers the source of every module of ``fabric``, of every ledger kind's pure part with what it imports of its
adapter, the interpreter's version and the versions of the libraries that sign, hash and parse. It is taken by the
very code that it measures: without hardware that measures the interpreter first, it is the host's claim, no more.
"""

import ast
import importlib.metadata
import importlib.util
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import fabric
from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import ConfigError
from fabric.core.ids import Measurement, sha256, tag
from fabric.core.plugins import DESTINATIONS

TAG: Final = tag("cryptlet-fabric/fabric-code/v1")
FORMAT: Final = "cryptlet-fabric/fabric-code/v1"
LIBRARIES: Final = (
    "cffi",
    "coincurve",
    "cryptography",
    "eth-abi",
    "eth-hash",
    "protobuf",
    "pycryptodome",
    "pydantic",
    "pydantic-core",
    "rfc8785",
    "rlp",
)


@cache
def fabric_measurement() -> Measurement:
    """Returns SHA-256 over two words: the tag and the digest of the canonical manifest (docs/spec/evidence.md).

    Raises:
        ConfigError: a library or a source file is missing.
    """
    return Measurement(sha256(TAG, sha256(canonical.encode(fabric_manifest()))))


def fabric_manifest() -> JsonObject:
    """Returns what is measured: modules with the SHA-256 of their source, interpreter, libraries.

    Raises:
        ConfigError: a library or a source file is missing.
    """
    modules = dict(_own_modules()) | dict(_destination_modules())
    return {
        "format": FORMAT,
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": {name: _version(name) for name in LIBRARIES},
        "modules": {name: sha256(path.read_bytes()).hex() for name, path in sorted(modules.items())},
    }


def _own_modules() -> Iterator[tuple[str, Path]]:
    """Yields every source file of this package under its path from the package's folder."""
    root = Path(fabric.__file__).parent
    for path in root.rglob("*.py"):
        yield f"fabric/{path.relative_to(root).as_posix()}", path


def _destination_modules() -> Iterator[tuple[str, Path]]:
    """Yields the pure part of every installed ledger kind, and what it imports of its own top package."""
    pending = [point.module for point in entry_points(group=DESTINATIONS)]
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _source(name)
        if path is not None:
            yield name.replace(".", "/"), path
            pending += _imports(path, name.partition(".")[0])


def _imports(path: Path, top: str) -> Iterator[str]:
    """Yields the modules of one top package that a source file imports, parents included."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.partition(".")[0] == top:
                parts = name.split(".")
                yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _source(name: str) -> Path | None:
    """Returns the source file of a module, None where the name is no module."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None  # a name inside a module
    if spec is None or spec.origin is None:
        return None
    if not spec.origin.endswith(".py"):
        message = f"module {name} has no source to measure: {spec.origin}"
        raise ConfigError(message)
    return Path(spec.origin)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError as error:
        message = f"the library {name} is not installed; run make"
        raise ConfigError(message) from error
