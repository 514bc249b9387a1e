"""Processes named by pid and start time, so that a number which the kernel gave to another is never signalled."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_START_FIELD: Final = 19
"""Of ``/proc/<pid>/stat``, counted after the name in parentheses: field 22 of proc_pid_stat(5)."""


@dataclass(frozen=True)
class Process:
    """One process of one boot of the machine.

    Attributes:
        pid: its number.
        started: its start in clock ticks since the boot.
        boot: the kernel's random id of the boot.
    """

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Returns the process that has the number now, or None."""
        fields = _stat(pid)
        return None if fields is None else cls(pid, int(fields[_START_FIELD]), _BOOT.read_text().strip())

    def is_running(self) -> bool:
        """Says whether it still runs; one that ended and waits to be reaped does not."""
        fields = _stat(self.pid)
        return fields is not None and fields[0] not in "ZX" and Process.of(self.pid) == self

    def kill(self) -> bool:
        """Ends it at once; False where it no longer ran, or is another user's."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # The handle is of whatever bears the number now; from here on it cannot become another process.
            if not self.is_running():
                return False
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return False
        finally:
            os.close(handle)
        return True


def descendants(pid: int) -> list[Process]:
    """Returns the processes below one, parents before children."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdecimal() else None
        if fields is not None:
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, level = [], [pid]
    while level:
        level = [child for parent in level for child in parents.get(parent, ())]
        found += [process for child in level if (process := Process.of(child)) is not None]
    return found


def record(path: Path, processes: list[Process]) -> None:
    """Writes processes down, so that a later start can end what this one left."""
    rows: list[JsonValue] = [
        {"boot": process.boot, "pid": process.pid, "started": process.started} for process in processes
    ]
    fresh = path.with_suffix(".new")
    fresh.write_bytes(canonical.encode(rows))
    fresh.replace(path)


def recorded(path: Path) -> list[Process]:
    """Reads what ``record`` wrote; no file is no process.

    Raises:
        Malformed: the file holds something else.
    """
    if not path.exists():
        return []
    rows = canonical.decode(path.read_bytes())
    if not isinstance(rows, list):
        raise Malformed(path.name, "expected a list of processes")
    return [_process(row, path.name) for row in rows]


def _process(row: JsonValue, name: str) -> Process:
    if not isinstance(row, dict) or set(row) != {"boot", "pid", "started"}:
        raise Malformed(name, "expected objects with boot, pid, started")
    fields: JsonObject = row
    pid, started, boot = fields["pid"], fields["started"], fields["boot"]
    if type(pid) is not int or type(started) is not int or not isinstance(boot, str):
        raise Malformed(name, "pid and started are numbers, boot is text")
    return Process(pid, started, boot)


def _stat(pid: int) -> list[str] | None:
    """Returns the fields of ``/proc/<pid>/stat`` after the name, which may itself hold spaces and parentheses."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
