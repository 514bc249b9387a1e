"""Follows a guide: runs the commands of its ``console`` blocks in order, and holds what they print to what it shows.

A line with ``$ `` in front is a command; the lines after it are what it prints, ``...`` stands for any lines, and
``[exit 3]`` for an exit code other than 0. A command without lines after it only has to succeed. What differs from
run to run (ids, hashes, times, ports, process ids) is compared by its kind; where the guide shows such a value again in
a later command or file, the command or file gets the value of this run.

A comment above a block says what else there is to it: ``<!-- guide: runs on -->`` for a command that runs until the
end, ``<!-- guide: file NAME -->`` for a block that is a file's content, ``<!-- guide: not run -->``.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

from fabric.core.clock import SystemClock

SECONDS: Final = 300
"""A bound against hanging, of one command."""
LOOK_SECONDS: Final = 0.2
_BLOCK: Final = re.compile(
    r"(?:^<!-- guide: (?P<told>[^>]*?) -->\n+)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_EXIT: Final = re.compile(r"\[exit (\d+)\]")
_ANY: Final = "..."
_VARIABLE: Final = re.compile(
    r"(?P<id>\b(?:0x)?[0-9a-f]{16,}\b)"
    r"|(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?)"
    r"|(?P<target>127\.0\.0\.1:\d+)"
    r"|(?P<duration>\b\d+\.\d+ ?m?s\b)"
    r"|(?P<place>(?<=block )\d+|(?<=entry )\d+(?: of \d+)?)"
    r"|(?P<pid>(?<=pid )\d+)"
    r"|(?P<folder>/\S+(?=/\.state))"
)
"""Values that differ from run to run, by kind."""
_NAMED: Final = ("id", "target")
"""Kinds that a later command may name again."""


@dataclass(frozen=True)
class Step:
    """One command of a guide.

    Attributes:
        command: what a reader types.
        shown: the lines that the guide shows as its output.
        code: the exit code.
        runs_on: whether it runs until the end of the guide.
    """

    command: str
    shown: tuple[str, ...]
    code: int = 0
    runs_on: bool = False


@dataclass(frozen=True)
class File:
    """A file that the guide has its reader write."""

    name: str
    text: str


def read_guide(text: str) -> Iterator[Step | File]:
    """Yields what a reader of a guide does, in its order."""
    for block in _BLOCK.finditer(text):
        told = (block["told"] or "").strip()
        if told == "not run":
            continue
        if told.startswith("file "):
            yield File(told.removeprefix("file "), block["text"])
        elif block["kind"] == "console":
            yield from _steps(block["text"], runs_on=told == "runs on")


def _steps(text: str, *, runs_on: bool) -> Iterator[Step]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.rstrip("\n").split("\n")
        count = 1 + next(at for at, line in enumerate(lines) if not line.endswith("\\"))
        command, shown = "\n".join(lines[:count]), lines[count:]
        code = 0
        if shown and (found := _EXIT.fullmatch(shown[-1])):
            code, shown = int(found[1]), shown[:-1]
        yield Step(command, tuple(shown), code, runs_on)


def differences(shown: list[str], printed: list[str], learned: dict[str, str]) -> str | None:
    """Compares output with what a guide shows; returns the first line that is not there, None when all are.

    Args:
        shown: the guide's lines.
        printed: the lines of this run.
        learned: gets the value of this run for each value of the guide that differs from run to run.
    """
    at, free = 0, False
    for line in shown:
        if line.strip() == _ANY:
            free = True
            continue
        places = range(at, len(printed)) if free else range(at, min(at + 1, len(printed)))
        place = next((place for place in places if _kinds(printed[place]) == _kinds(line)), None)
        if place is None:
            return line
        learned |= dict(zip(_named(line), _named(printed[place]), strict=True))
        at, free = place + 1, False
    return None if free or at == len(printed) else f"nothing more, and there is {printed[at]!r}"


def _kinds(line: str) -> str:
    """Returns a line with each variable value replaced by its kind."""
    return re.sub(r"\s+", " ", _VARIABLE.sub(lambda found: f"<{found.lastgroup}>", line)).strip()


def _named(line: str) -> list[str]:
    return [found[0] for found in _VARIABLE.finditer(line) if found.lastgroup in _NAMED]


@dataclass
class Reader:
    """Somebody who follows guides in a folder, one after the other. Use as a context manager.

    Attributes:
        folder: where it starts.
        environment: what its commands see besides ``PATH`` and ``HOME``.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    _learned: dict[str, str] = field(default_factory=dict)
    _running: list["subprocess.Popen[str]"] = field(default_factory=list)
    _where: Path | None = None

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends what the guides left running, the last first."""
        for process in reversed(self._running):
            process.send_signal(signal.SIGTERM)
            process.wait(SECONDS)

    def follow(self, guide: Path) -> None:
        """Does everything that a guide says; raises ``AssertionError`` where it comes out otherwise."""
        for step in read_guide(guide.read_text(encoding="utf-8")):
            if isinstance(step, File):
                (self.place / step.name).write_text(self._in_this_run(step.text))
            elif step.runs_on:
                self._start(step)
            else:
                self._run(step)

    @property
    def place(self) -> Path:
        """The folder in which the next command runs."""
        return self._where or self.folder

    def _run(self, step: Step) -> None:
        marker = self.folder / ".place"
        script = f"{self._in_this_run(step.command)}\ncode=$?\npwd > {shlex.quote(str(marker))}\nexit $code"
        done = subprocess.run(
            ["bash", "-c", script],  # noqa: S607 - the reader's own shell
            cwd=self.place,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
            text=True,
        )
        assert done.returncode == step.code, f"$ {step.command}\n{done.stdout}\n[exit {done.returncode}]"
        self._where = Path(marker.read_text().strip())
        if step.shown:
            missing = differences(list(step.shown), done.stdout.splitlines(), self._learned)
            assert missing is None, f"$ {step.command}\n{done.stdout}\nthe guide shows: {missing}"

    def _start(self, step: Step) -> None:
        log = self.folder / f".log-{len(self._running)}"
        with log.open("w") as output:
            self._running.append(self._spawn(step, output))
        begin = SystemClock().monotonic_seconds()
        while missing := differences([*step.shown, _ANY], log.read_text().splitlines(), self._learned):
            assert self._running[-1].poll() is None, f"$ {step.command}\n{log.read_text()}\nit ended"
            waited = SystemClock().monotonic_seconds() - begin
            assert waited < SECONDS, f"$ {step.command}\n{log.read_text()}\nthe guide shows: {missing}"
            _wait_a_moment()

    def _spawn(self, step: Step, output: IO[str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["bash", "-c", f"exec {self._in_this_run(step.command)}"],  # noqa: S607 - the reader's own shell
            cwd=self.place,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )

    def _in_this_run(self, text: str) -> str:
        """Returns a command or a file with the values of this run in the place of the guide's."""
        for old, new in self._learned.items():
            text = text.replace(old, new)
        return text

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CRYPTLET_", "RAY_"))}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**kept, "PATH": path, "HOME": str(self.folder), "PYTHONWARNINGS": "ignore", **self.environment}


def _wait_a_moment() -> None:
    """Waits for a moment; the output of another process sets no event."""
    threading.Event().wait(LOOK_SECONDS)
