"""Build: from a project folder to a reproducible wheel. The same sources give the same bytes on every machine.

No general build backend is used: flit_core and hatchling are reproducible only for one version of themselves, one
SOURCE_DATE_EPOCH and one zlib, and a reader could not tell whether a wheel is the one that its sources give. Here a
reader can (docs/adr/0002-own-wheel-writer.md).
"""

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from fabric.bundles import layout
from fabric.bundles.bundle import Bundle, pack, read_bundle
from fabric.bundles.layout import Parts
from fabric.bundles.lock import FOLDER, MAX_WHEEL_BYTES, check_contents, take_wheels
from fabric.bundles.manifest import (
    MAX_README_BYTES,
    MAX_TOML_BYTES,
    TOML_NAME,
    Project,
    parse_project,
    parse_readme,
)
from fabric.bundles.native import Machine, check_fit, unpack
from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import AuthorError, Malformed

IMPORT_SECONDS: Final = 60
"""Longest time that importing an author's class may take."""
MAX_MODULE_BYTES: Final = 1 << 20
Describe = Callable[[Project, bytes, Mapping[str, bytes]], JsonObject]
"""Imports the class of a project from a wheel of its sources and the wheels that it locks, by file name; returns
``kind`` and ``methods``, or raises ``AuthorError``."""


@dataclass(frozen=True)
class Built:
    """A wheel and what was read back from it.

    Attributes:
        filename: the wheel's file name.
        wheel: its bytes.
        bundle: the measured bundle.
        dependencies: the wheels that it stands on, by file name, in the order of its lock; they travel beside it.
    """

    filename: str
    wheel: bytes
    bundle: Bundle
    dependencies: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def build(folder: Path, describe: Describe | None = None) -> Built:
    """Builds the bundle of a project.

    Args:
        folder: the folder that holds ``cryptlet.toml``.
        describe: imports its class; by default a process of the user's does, whose rights the author's code then has.
            For sources of others: ``fabric.cli.workshop``, which asks a container.

    Raises:
        Malformed: ``cryptlet.toml`` is no manifest.
        AuthorError: the folder is no project, a file is missing or not pure Python, or the class cannot be used.
    """
    sources = read_sources(folder)
    project = parse_project(sources[TOML_NAME])
    modules = {
        path: _checked(sources[name], folder / name)
        for path, name in zip(layout.module_paths(project), _module_files(project), strict=True)
    }
    readme = _readme(sources, folder, project)
    wheels = _locked(project, sources)
    # The first wheel only carries the sources to the interpreter that reads the methods from them.
    draft = Parts(sources[TOML_NAME], b"{}", modules, readme)
    try:
        methods = _methods(project, (describe or describe_here)(project, pack(draft), wheels))
    except AuthorError as error:
        raise AuthorError(localised(str(error), folder, project)) from error
    wheel = pack(replace(draft, methods=canonical.encode(methods)))
    return Built(layout.filename(project), wheel, read_bundle(wheel), wheels)


def read_sources(folder: Path) -> dict[str, bytes]:
    """Returns every file that goes into a project's bundle, by its path in the project.

    Raises:
        Malformed: ``cryptlet.toml`` is no manifest.
        AuthorError: the folder is no project, a file cannot be read, is too large, or is a link.
    """
    check_project(folder)
    toml = _read(folder / TOML_NAME, folder, MAX_TOML_BYTES)
    project = parse_project(toml)
    _check_package(project)
    root = folder / project.source.root
    modules = {name: _read(folder / name, root, MAX_MODULE_BYTES) for name in _module_files(project)}
    name = project.cryptlet.readme
    readme = {} if name is None else {name: _read(folder / name, folder, MAX_README_BYTES)}
    return {TOML_NAME: toml, **readme, **modules, **_wheels(folder, project)}


def place_locked(folder: Path, target: Path) -> list[Path]:
    """Puts the wheels that a project locks where Python can import from them.

    Args:
        folder: the project folder.
        target: where to; see ``place_wheels``.

    Raises:
        Malformed, AuthorError: as ``build``.
    """
    project = parse_project(_read(folder / TOML_NAME, folder, MAX_TOML_BYTES))
    return place_wheels(project, _locked(project, _wheels(folder, project)), target)


def check_project(folder: Path) -> None:
    """Refuses a folder that is no project.

    Raises:
        AuthorError: there is no ``cryptlet.toml``; says what makes one.
    """
    if not (folder / TOML_NAME).is_file():
        raise AuthorError(
            f"{folder / TOML_NAME}: cannot be read: No such file, so {str(folder)!r} is no project; name its folder, "
            f"or make one with `cryptlet new NAME`"
        )


def localised(text: str, folder: Path, project: Project) -> str:
    """Returns a text with the places in a wheel's modules as places in the project, which an editor can open.

    Args:
        text: a message with ``package/module.py:LINE`` in it.
        folder: the project folder.
        project: its manifest.
    """
    for path, name in zip(layout.module_paths(project), project.source.modules, strict=True):
        own = str(folder / project.source.root / name)
        text = re.sub(rf"(?<![\w/]){re.escape(path)}(?=:\d)", own.replace("\\", r"\\"), text)
    return text


def describe_here(project: Project, wheel: bytes, dependencies: Mapping[str, bytes]) -> JsonObject:
    """Imports the class in a process of this user's; a ``Describe``."""
    with tempfile.TemporaryDirectory(prefix="cryptlet-build-") as scratch:
        own = Path(scratch, layout.filename(project))
        own.write_bytes(wheel)
        return _describe(own, project.cryptlet.entry, place_wheels(project, dependencies, Path(scratch)))


def _methods(project: Project, answer: JsonObject) -> JsonObject:
    """Returns the methods of the class, and holds its kind against the manifest's."""
    identity = project.cryptlet
    kind, methods = answer.get("kind"), answer.get("methods")
    if kind != identity.kind:
        base = "ContractCryptlet" if identity.kind == "contract" else "Cryptlet"
        raise AuthorError(
            f"{TOML_NAME}: kind is {identity.kind!r} and {identity.entry} is of kind {kind!r};"
            f" derive it from {base}, or correct the kind"
        )
    if not isinstance(methods, dict):  # the class ran where this was made
        raise AuthorError(f"importing {identity.entry} gave no description of its methods")
    return methods


def place_wheels(project: Project, wheels: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Puts checked wheels where Python can import from them: pure ones as they are, binary ones unpacked.

    Args:
        project: the manifest that locks them.
        wheels: the wheels by file name.
        folder: where to.

    Raises:
        AuthorError: a binary one is for another machine than this; says what it needs and what is here.
    """
    check_machine(project)
    paths = [folder / name for name in wheels]
    for path, content in zip(paths, wheels.values(), strict=True):
        if path.name in project.native:
            unpack(content, path.name, path)
        else:
            path.write_bytes(content)
    return paths


def check_machine(project: Project) -> None:
    """Refuses a project whose binary wheels are for another machine; raises ``AuthorError``."""
    try:
        check_fit(project.native, Machine.here())
    except ValueError as error:
        raise AuthorError(
            f"the class cannot be imported on this machine: {error}; build it on one that fits"
        ) from error


def _describe(wheel: Path, entry: str, dependencies: Sequence[Path]) -> JsonObject:
    # -I: neither the working folder nor PYTHONPATH may lend a module that the wheel lacks.
    command = [sys.executable, "-I", "-B", "-m", "fabric.bundles.describe", str(wheel), entry, *map(str, dependencies)]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=IMPORT_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise AuthorError(f"importing {entry} took longer than {IMPORT_SECONDS} s") from error
    try:
        answer = canonical.decode_object(done.stdout)
    except Malformed as error:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise AuthorError(f"importing {entry} ended its process ({done.returncode}): {last[:500]}") from error
    if "error" in answer:
        raise AuthorError(str(answer["error"]))
    return answer


def _check_package(project: Project) -> None:
    if project.source.package in sys.stdlib_module_names:
        raise AuthorError(
            f"{TOML_NAME}: source.package {project.source.package!r} is a module of Python itself; choose another name"
        )


def _module_files(project: Project) -> tuple[str, ...]:
    """Returns the paths of the modules in the project, in the manifest's order."""
    root = Path(project.source.root)
    return tuple((root / name).as_posix() for name in project.source.modules)


def _wheel_files(project: Project) -> tuple[str, ...]:
    """Returns the paths of the locked wheels in the project."""
    return tuple(f"{FOLDER}/{one.filename}" for one in project.dependencies)


def _wheels(folder: Path, project: Project) -> dict[str, bytes]:
    return {path: _read(folder / path, folder, MAX_WHEEL_BYTES) for path in _wheel_files(project)}


def _locked(project: Project, sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """Returns the locked wheels by file name, each checked, libraries included."""
    locked = [sources[path] for path in _wheel_files(project)]
    wheels = take_wheels(project.dependencies, locked, project.source.package)
    check_contents(project.dependencies, wheels)
    return wheels


def _readme(sources: Mapping[str, bytes], folder: Path, project: Project) -> bytes | None:
    if project.cryptlet.readme is None:
        return None
    data = sources[project.cryptlet.readme]
    parse_readme(data, str(folder / project.cryptlet.readme))
    return data


def _checked(data: bytes, path: Path) -> bytes:
    """Returns a module that is Python and measures the same in every checkout."""
    if b"\r" in data:
        raise AuthorError(f"{path}: has carriage returns; another checkout would measure differently; use LF alone")
    try:
        ast.parse(data, filename=path.name)
    except SyntaxError as error:
        raise AuthorError(f"{path}:{error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise AuthorError(f"{path}: no Python source: {error}") from error
    return data


def _read(path: Path, root: Path, limit: int) -> bytes:
    try:
        if not path.resolve(strict=True).is_relative_to(root.resolve(strict=True)) or path.is_symlink():
            raise AuthorError(f"{path}: a link; a bundle holds plain files of its own folder")
        if path.stat().st_size > limit:
            raise AuthorError(f"{path}: at most {limit} bytes")
        return path.read_bytes()
    except OSError as error:
        raise AuthorError(f"{path}: cannot be read: {error.strerror or error}") from error
