"""``cryptlet new`` and ``test``: a project of one's own, and its tests."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fabric.core.errors import AuthorError, ConfigError, Malformed, NotFound, Refused

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_FAILED = 1
_INTERRUPTED = 2
_NO_TESTS = 5


def new(
    name: Annotated[str, typer.Argument(help="Name of the cryptlet, such as order-total.")],
    contract: Annotated[bool, typer.Option("--contract", help="The logic of a contract, not a utility.")] = False,
    relay: Annotated[bool, typer.Option("--relay", help="A relay, which decides what messages travel.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Folder of the project; by default NAME.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a project: a typed cryptlet, its tests, and the settings of your editor."""
    from fabric.cli.scaffold import Kind, project_of, write_project

    if contract and relay:
        raise Malformed("--relay", "a project is one kind; leave --contract or --relay out")
    project = project_of(name, Kind.CONTRACT if contract else Kind.RELAY if relay else Kind.UTILITY)
    target = folder or Path(name)
    _check_free(target)
    files = write_project(target, project)
    if as_json:
        document = {"folder": str(target), "name": name, "kind": project.kind, "files": [str(path) for path in files]}
        typer.echo(json.dumps(document))
        return
    typer.echo(f"made {target}, a {project.templates} cryptlet")
    for path in files:
        typer.echo(f"  {path}")
    typer.echo(f"next: cryptlet test {target}")


def run_tests(
    folder: Annotated[Path, typer.Argument(help="Folder of the project.")] = Path(),
    select: Annotated[str | None, typer.Option("-k", help="Only tests whose name fits, as pytest's -k.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name every test.")] = False,
) -> int:
    """Run a project's tests with pytest; they import what the project locks from the wheels that it locks.

    All of it runs on this machine, outside of the sandbox, with your rights.
    """
    import os
    import subprocess
    import sys
    import tempfile
    from importlib.util import find_spec

    from fabric.bundles.build import check_project, place_locked

    check_project(folder)
    if find_spec("pytest") is None:
        raise ConfigError(
            f"pytest is not installed beside {sys.executable}; run: pip install 'cryptlet-fabric[test]', "
            f"or in a project of uv: uv sync"
        )
    options = [*(["-k", select] if select else []), "-v" if verbose else "-q"]
    with tempfile.TemporaryDirectory(prefix="cryptlet-test-") as scratch:
        wheels = [str(path) for path in place_locked(folder, Path(scratch))]
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), *wheels]))
        # Another process: tests import the author's code, and pytest keeps modules for its whole life.
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-B", "-m", "pytest", *options],
            cwd=folder,
            check=False,
            env=os.environ | ({"PYTHONPATH": path} if path else {}),
        )
    return _exit_code(done.returncode, folder)


def _check_free(folder: Path) -> None:
    if folder.is_file():
        raise Refused(f"{folder}: a file of that name is there; choose another with --folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise Refused(f"{folder}: the folder is not empty and stays as it is; choose another with --folder")


def _exit_code(code: int, folder: Path) -> int:
    """Turns pytest's exit codes into ours."""
    if code in {0, _FAILED}:
        return code
    if code == _INTERRUPTED:
        raise AuthorError(f"{folder}: a test file cannot be imported; pytest says above which, and why")
    if code == _NO_TESTS:
        raise NotFound(f"{folder}: no test was found; write one as tests/test_*.py, or take a wider -k")
    raise Malformed("pytest", f"ended with {code}; its own words stand above")
