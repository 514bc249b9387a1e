"""The tree that the architecture tests read: which files there are, and which of them is code."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("fabric", "adapters", "registry", "cryptlets")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files() -> tuple[Path, ...]:
    """Returns every file that is committed or that a commit of everything would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return tuple(_walked(ROOT))  # no git, or a source archive
    paths = (ROOT / name for name in sorted(set(listed.stdout.split("\0"))) if name)
    return tuple(path for path in paths if path.is_file())


@cache
def sources(*folders: str) -> tuple[Path, ...]:
    """Returns the hand-written Python files, of all the tree or of some of its top folders."""
    return tuple(
        path
        for path in files()
        if path.suffix == ".py"
        and "_pb2" not in path.name
        and (not folders or path.relative_to(ROOT).parts[0] in folders)
    )


@cache
def parsed(path: Path) -> ast.Module:
    """Returns the syntax tree of a file."""
    return ast.parse(path.read_bytes(), str(path))


def shown(path: Path) -> str:
    """Returns a path as a person names it."""
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[Function]:
    """Yields every function and method of a file."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, Function):
            yield node


def _walked(folder: Path) -> Iterator[Path]:
    """Yields the files below a folder, except in what the targets make and in hidden folders."""
    for path in sorted(folder.iterdir()):
        if path.name in {"node_modules", "__pycache__", "build", "dist"}:
            continue
        if path.is_dir() and (not path.name.startswith(".") or path.name == ".ci"):
            yield from _walked(path)
        elif path.is_file():
            yield path
