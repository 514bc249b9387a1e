"""Wrong cryptlets are refused by the type checker too, under the settings that ``cryptlet new`` writes."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from fabric.cli.scaffold import TEMPLATES

pytestmark = pytest.mark.slow

SOURCE: Final = Path(__file__).with_name("wrong_cryptlets.txt")
EXPECTED: Final = re.compile(r"# E: ([a-z-]+(?:, [a-z-]+)*)$")
ERROR: Final = re.compile(r"wrong\.py:(\d+): error: (.*)  \[([a-z-]+)\]")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str, str]]:
    """Line, message and code of every error that mypy finds."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "wrong.py").write_text(SOURCE.read_text())
    settings = tomllib.loads((TEMPLATES / "project/pyproject.toml.tmpl").read_text())["tool"]["mypy"]
    assert settings["strict"] is True
    (folder / "mypy.ini").write_text(f"[mypy]\nstrict = true\nplugins = {', '.join(settings['plugins'])}\n")
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(folder / "cache"), "--hide-error-context", "wrong.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    return [(int(line), text, code) for line, text, code in ERROR.findall(done.stdout)]


def test_each_wrong_line_is_refused_and_no_right_one(told: list[tuple[int, str, str]]) -> None:
    expected = {
        (number, code)
        for number, line in enumerate(SOURCE.read_text().splitlines(), start=1)
        if (found := EXPECTED.search(line))
        for code in found[1].split(", ")
    }
    assert {(line, code) for line, _, code in told} == expected, told


def test_an_author_can_read_why(told: list[tuple[int, str, str]]) -> None:
    texts = {text for _, text, _ in told}
    assert 'Value of type variable "Input" of "method" cannot be "int"' in texts
    assert 'Value of type variable "Output" of "method" cannot be "Plain"' in texts
    assert 'Value of type variable "Owner" of "method" cannot be "NoCryptlet"' in texts
