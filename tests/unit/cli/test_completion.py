"""Shell completion, by the real shell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

COMPLETE: Final = """
source /dev/stdin
COMP_WORDS=({words}) COMP_CWORD={position}
_cryptlet_completion cryptlet
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def cryptlet(*arguments: str) -> str:
    """Runs the command as it is installed."""
    command = [str(Path(sys.executable).with_name("cryptlet")), *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


@pytest.fixture(scope="module")
def script() -> str:
    return cryptlet("completion", "bash")


@pytest.mark.parametrize(
    ("words", "position", "expected"),
    [
        ("cryptlet ver", 1, {"verify"}),
        ("cryptlet p", 1, {"promote", "publish"}),
        ("cryptlet run --wa", 2, {"--watch"}),
        ("cryptlet completion z", 2, {"zsh"}),
        ("cryptlet nothing-like-it", 1, set()),
    ],
)
def test_bash_completes(script: str, words: str, position: int, expected: set[str]) -> None:
    bash = shutil.which("bash")
    assert bash, "the project's own scripts need bash"
    folder = str(Path(sys.executable).parent)
    done = subprocess.run(
        [bash, "--norc", "-c", COMPLETE.format(words=words, position=position)],
        input=script,
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stderr == ""
    assert set(done.stdout.split()) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_can_read_its_script(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text(cryptlet("completion", shell))
    assert "_CRYPTLET_COMPLETE" in path.read_text()
    if program := shutil.which(shell):
        subprocess.run([program, "-n", str(path)], check=True)


def test_another_shell_is_refused() -> None:
    command = [sys.executable, "-m", "fabric.cli.main", "completion", "csh"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert (done.returncode, "'csh' is not one of" in done.stderr) == (2, True)
