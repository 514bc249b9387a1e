"""An author's commands on a project that locks wheels: test, lint, build and run all find what it locks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.binaries import FILENAME, adder, needs_compiler, write_binary
from tests.support.locked import write_locked

pytestmark = pytest.mark.slow


def cryptlet(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command in a folder."""
    command = [sys.executable, "-W", "ignore", "-B", "-m", "fabric.cli.main", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, text=True, timeout=120)


def test_tests_import_what_the_project_locks(tmp_path: Path) -> None:
    project = write_locked(tmp_path / "project")
    (project / "test_it.py").write_text("from speller import upper\n\n\ndef test_it():\n    assert upper('a') == 'A'\n")
    done = cryptlet(tmp_path, "test", "project")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr


@needs_compiler
@pytest.mark.sandbox
def test_a_binary_wheel_goes_through_every_command(tmp_path: Path) -> None:
    wheel = adder(tmp_path / "made")
    project = write_binary(tmp_path / "project", wheel)
    (project / "test_it.py").write_text("from adder import add\n\n\ndef test_it():\n    assert add(2, 40) == 42\n")
    for arguments in (("lint", "project"), ("test", "project"), ("build", "project", "--verify")):
        done = cryptlet(tmp_path, *arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    assert next(tmp_path.rglob(f"dist/**/{FILENAME}")).read_bytes() == wheel
    (tmp_path / "pair.json").write_text('{"left":2,"right":40}')
    done = cryptlet(tmp_path, "run", "project", "add", "pair.json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"sum": 42}), done.stderr


@needs_compiler
def test_a_manifest_that_does_not_ask_is_told_how(tmp_path: Path) -> None:
    project = write_binary(tmp_path / "project", adder(tmp_path / "made"))
    toml = project / "cryptlet.toml"
    toml.write_text(toml.read_text().replace('capabilities = ["native"]\n', ""))
    for command in ("lint", "test", "build"):
        done = cryptlet(tmp_path, command, "project")
        assert (done.returncode, 'write capabilities = ["native"]' in done.stderr) == (2, True), done.stderr
