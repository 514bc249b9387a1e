"""Imports go one way; the contracts stand in pyproject.toml."""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture.tree import ROOT


def test_every_import_contract_is_kept() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_room_is_closed_to_cryptlets() -> None:
    """A forbidden list does not grow by itself, so a forgotten room would be an open door."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    closed = {
        module
        for contract in contracts
        if contract["name"].startswith("cryptlets ")
        for module in contract["forbidden_modules"]
    }
    rooms = {f"fabric.{folder.name}" for folder in (ROOT / "fabric").iterdir() if any(folder.glob("*.py"))}
    assert rooms - closed == {"fabric.sdk"}
