"""Attacks on files: read, list, write or link anything that is not the container's own."""

# An attack makes the very call that it is named after, on the folders that everyone knows.
# ruff: noqa: PTH101, PTH102, PTH104, PTH116, PTH208, PTH211, S108

import json
import os
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from fabric.enclave.sandbox.attacks.bait import Attack, Bait

_ELSEWHERE: Final = (
    "/bin", "/boot", "/dev", "/dev/shm", "/etc", "/home", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin", "/srv",
    "/sys", "/tmp", "/usr/bin", "/var", "/var/tmp",
)  # fmt: skip
_FILES: Final = (
    "/etc/passwd", "/etc/shadow", "/etc/resolv.conf", "/proc/self/environ", "/proc/1/environ", "/proc/version",
    "/sys/kernel/notes", "/dev/null", "/dev/urandom", "/dev/mem", "/dev/kmsg",
)  # fmt: skip
# Set by the enclave for the zygote, see fabric.enclave.containers.zygote; LC_CTYPE comes from Python itself.
_ENVIRONMENT: Final = {"LC_ALL", "LC_CTYPE", "MALLOC_ARENA_MAX", "PYTHONHASHSEED", "TZ"}
_CHANNEL: Final = 3
_DESCRIPTORS: Final = 4096


def _read_secret(bait: Bait) -> str | None:
    return f"read {Path(bait['file']).read_text()!r}"


def _stat_secret(bait: Bait) -> str | None:
    return f"a file of {Path(bait['file']).stat().st_size} bytes"


def _traverse_up(bait: Bait) -> str | None:
    return _open("../" * 64 + bait["file"])


def _traverse_proc(bait: Bait) -> str | None:
    for process in ("self", "1", str(bait["pid"])):
        if _succeeds(_open, f"/proc/{process}/root{bait['file']}"):
            return f"root of process {process}"
    return None


def _read_system_files(bait: Bait) -> str | None:
    del bait
    return _listed(path for path in _FILES if _succeeds(_open, path))


def _list_elsewhere(bait: Bait) -> str | None:
    # Folders above those that Python imports from must exist; they hold nothing else.
    above = {str(parent) for path in sys.path for parent in Path(path).parents}
    del bait
    return _listed(path for path in _ELSEWHERE if path not in above and _succeeds(os.listdir, path))


def _list_root(bait: Bait) -> str | None:
    del bait
    expected = {"app", *(part for path in sys.path for part in Path(path).parts[1:2])}
    return _listed(sorted(set(os.listdir("/")) - expected))


def _write_file(bait: Bait) -> str | None:
    del bait
    folders = ("/", "/app", "/tmp", "/dev/shm", "/var/tmp", str(Path(json.__file__).parent))
    flags = os.O_WRONLY | os.O_CREAT
    return _listed(folder for folder in folders if _succeeds(os.open, f"{folder}/attack", flags))


def _change_code(bait: Bait) -> str | None:
    del bait
    path = json.__file__
    ways: dict[str, Callable[[], object]] = {
        "open to write": lambda: os.open(path, os.O_WRONLY),
        "truncate": lambda: os.truncate(path, os.stat(path).st_size),
        "chmod": lambda: os.chmod(path, 0o644),
        "utime": lambda: os.utime(path),
        "rename": lambda: os.rename(path, path),
    }
    return _listed(name for name, way in ways.items() if _succeeds(way))


def _link(bait: Bait) -> str | None:
    ways: dict[str, Callable[[], object]] = {
        "symbolic": lambda: os.symlink(bait["file"], "/app/link"),
        "hard": lambda: os.link(bait["file"], "/app/link"),
        "node": lambda: os.mknod("/app/node", stat.S_IFCHR | 0o600, os.makedev(1, 5)),
        "fifo": lambda: os.mkfifo("/app/fifo"),
        "folder": lambda: os.mkdir("/app/folder"),
    }
    return _listed(name for name, way in ways.items() if _succeeds(way))


def _inherited_descriptors(bait: Bait) -> str | None:
    del bait
    found = []
    for descriptor in range(_DESCRIPTORS):
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:
            continue
        is_null = descriptor < _CHANNEL and stat.S_ISCHR(mode)
        if not is_null and not (descriptor == _CHANNEL and stat.S_ISSOCK(mode)):
            found.append(f"descriptor {descriptor} of mode {mode:o}")
    return _listed(found)


def _environment(bait: Bait) -> str | None:
    del bait
    return _listed(sorted(set(os.environ) - _ENVIRONMENT))


def _open(path: str) -> str:
    os.close(os.open(path, os.O_RDONLY))
    return f"opened {path}"


def _succeeds(way: Callable[..., object], *arguments: object) -> bool:
    try:
        way(*arguments)
    except OSError:
        return False
    return True


def _listed(found: Iterable[str]) -> str | None:
    return ", ".join(found) or None


ATTACKS: Final[dict[str, Attack]] = {
    "read a file of the enclave": _read_secret,
    "stat a file of the enclave": _stat_secret,
    "leave the root by ..": _traverse_up,
    "leave the root by /proc": _traverse_proc,
    "read system files": _read_system_files,
    "list system folders": _list_elsewhere,
    "list the root": _list_root,
    "write a file": _write_file,
    "change the platform's code": _change_code,
    "make links and nodes": _link,
    "inherit descriptors": _inherited_descriptors,
    "inherit environment": _environment,
}
