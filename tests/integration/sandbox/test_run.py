"""``cryptlet run``: a project in the real sandbox, without Ray; errors say where, and a change is tried at once."""

import asyncio
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from fabric.bundles.build import Built, build
from fabric.cli.scaffold import Kind, project_of, write_project
from fabric.cli.workshop import open_workshop
from fabric.core.clock import SystemClock
from tests.support.binaries import COMPILER, adder, write_binary
from tests.support.locked import write_locked

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(180)]

COMMAND: Final = (sys.executable, "-m", "fabric.cli.main", "run")
BOUND_SECONDS: Final = 60
SERVICE: Final = "src/order_total/service.py"
RIGHT: Final = "cents=sum(line.cents * line.count for line in order.lines)"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_project(tmp_path / "project", project_of("order-total", Kind.UTILITY))
    return tmp_path / "project"


def run(project: Path, *arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    command = [*COMMAND, ".", *arguments]
    return subprocess.run(command, cwd=project, input=given, capture_output=True, check=False, text=True)


def change(project: Path, old: str, new: str) -> None:
    text = (project / SERVICE).read_text()
    assert old in text
    (project / SERVICE).write_text(text.replace(old, new))


def test_it_runs_a_method_and_says_how_long_each_step_took(project: Path) -> None:
    done = run(project, "total", "examples/order.json", "--as-of", "1767225600", "--verbose")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"articles": 5, "as_of": "2026-01-01T00:00:00Z", "cents": 165}
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["sandbox", "build", "run", "all"]


def test_not_even_its_class_is_imported_outside_of_the_sandbox(project: Path, tmp_path: Path) -> None:
    """What it reads there tells where it was: a container has no such file."""
    (tmp_path / "secret").write_text("of the user")
    change(project, "class ", f"open({str(tmp_path / 'secret')!r})\n\n\nclass ")
    done = run(project, "total", "examples/order.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "FileNotFoundError" in done.stderr
    assert f"{SERVICE}:" in done.stderr


def test_the_sandbox_builds_the_same_bundle(tmp_path: Path) -> None:
    folders = [write_locked(tmp_path / "locked")]
    for kind in Kind:
        write_project(tmp_path / kind, project_of("order-total", kind))
        folders.append(tmp_path / kind)
    if COMPILER is not None:
        folders.append(write_binary(tmp_path / "binary", adder(tmp_path / "made")))

    async def built() -> list[Built]:
        async with open_workshop(SystemClock()) as workshop:
            return [await workshop.build(folder) for folder in folders]

    assert [one.wheel for one in asyncio.run(built())] == [build(folder).wheel for folder in folders]


def test_it_needs_no_ray_no_grpc_and_no_database(project: Path) -> None:
    """The cause of its speed: what it does not load."""
    program = "import sys; from fabric.cli.main import main; main(); print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", program, "run", ".", "total", "examples/order.json"]
    done = subprocess.run(command, cwd=project, capture_output=True, check=True, text=True)
    assert not {"ray", "grpc", "sqlalchemy", "web3"} & set(done.stderr.split())


@pytest.mark.parametrize(
    ("change_to", "code", "told"),
    [
        ("cents=1 // 0", 4, [f"{SERVICE}:48 in total", "ZeroDivisionError", "raise InvalidInput"]),
        ('cents="many"', 4, ["ValidationError: Total.cents: Input should be a valid integer", f"{SERVICE}:47"]),
        ("cents=len(open('/etc/passwd').read())", 4, ["FileNotFoundError", f"{SERVICE}:48"]),
        ("cents=[1 for _ in iter(int, 1)].pop()", 4, ["deadline of 500 ms", "--deadline-ms"]),
        ("cents=__import__('os')._exit(0)", 5, ["container-lost", "os._exit"]),
        ("cents=(", 2, [f"{SERVICE}:47", "was never closed"]),
        ("cents=sum(undefined)", 4, ["NameError", f"{SERVICE}:48"]),
    ],
    ids=["raises", "wrong-type", "reads-a-file", "loops", "exits", "syntax", "name"],
)
def test_what_is_wrong_is_told_with_its_place(project: Path, change_to: str, code: int, told: list[str]) -> None:
    change(project, RIGHT, change_to)
    done = run(project, "total", "examples/order.json", "--deadline-ms", "500")
    assert (done.returncode, done.stdout) == (code, "")
    assert [part for part in told if part not in done.stderr] == [], done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_call_is_told(project: Path, tmp_path: Path) -> None:
    for arguments, given, code, told in (
        (("totl", "-"), "{}", 2, "did you mean 'total'"),
        (("total", "-"), '{"lines":[]}', 2, "expected one line or more; correct the input"),
        (("total", "-"), '{"lins":[]}', 2, "did you mean 'lines'"),
        (("total", "nothing.json"), "", 2, "nothing.json: cannot be read: No such file"),
        (("total", "-", "--watch"), "", 2, "standard input cannot be read again"),
    ):
        done = run(project, *arguments, given=given)
        assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    done = run(tmp_path, "total", "-")
    assert (done.returncode, "`cryptlet new NAME`" in done.stderr) == (2, True), done.stderr


def test_watching_runs_again_after_each_change_and_survives_errors(project: Path) -> None:
    command = [*COMMAND, ".", "total", "examples/order.json", "--watch", "--json"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        told = _lines(process.stderr.fileno())
        try:
            _until(told, "waiting for a change")
            assert json.loads(process.stdout.readline())["output"]["cents"] == 165
            change(project, RIGHT, "cents=1 // 0")
            _until(told, "ZeroDivisionError")
            _until(told, "waiting for a change")
            change(project, "cents=1 // 0", "cents=7")
            _until(told, f"changed: {SERVICE}")
            _until(told, "waiting for a change")
            assert json.loads(process.stdout.readline())["output"]["cents"] == 7
            (project / "examples/order.json").write_text('{"lines":[{"article":"a","cents":1,"count":9}]}')
            _until(told, "waiting for a change")
            assert json.loads(process.stdout.readline())["output"]["articles"] == 9
        finally:
            process.send_signal(2)
            assert process.wait(BOUND_SECONDS) == 130


def _lines(descriptor: int) -> Iterator[str]:
    """Yields lines as they arrive; ends with the process, or after a bound against hanging."""
    data = b""
    while select.select([descriptor], [], [], BOUND_SECONDS)[0] and (more := os.read(descriptor, 4096)):
        *lines, data = (data + more).split(b"\n")
        yield from (line.decode() for line in lines)


def _until(lines: Iterator[str], part: str) -> None:
    seen = []
    for line in lines:
        seen.append(line)
        if part in line:
            return
    raise AssertionError(f"no {part!r} in {seen}")
