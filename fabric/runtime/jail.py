"""Jail: a process tree that sees only what it is shown and can touch nothing outside (docs/runtime.md).

``python -m fabric.runtime.jail WALLS DESCRIPTOR COMMAND...`` makes user, mount, pid, net, ipc, uts namespaces, builds a
root folder from an allow-list, drops every capability, and runs COMMAND below a process 1 of its own. When the starter
or process 1 ends, by whatever signal, the kernel ends everything inside. The identity of the user does not change:
files and sockets are reached as before where they are shown at all, which is why the walls must hide the keys.
"""

import ctypes
import dataclasses
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, Self

from fabric.enclave.sandbox import kernel
from fabric.runtime import fence
from fabric.runtime.fence import Ports

SESSION: Final = "/ray"
"""Where the writable folder appears inside: short, because a Unix socket's path has at most 107 bytes."""
SOCKETS: Final = "/enclaves"
"""Where the folder of enclaves appears inside a jail that other machines know of: the same on all of them."""
EXIT_NO_WALLS: Final = 70
"""The exit status of a jail that could not be built (``EX_SOFTWARE``); the reason is on standard error."""

_NAMESPACES: Final = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
)
_SYSTEM: Final = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
)
_HOSTNAME: Final = "localhost"
_DEVICES: Final = ("null", "zero", "full", "random", "urandom")
_MS_UNBINDABLE: Final = 1 << 17
_SYS_MOUNT_SETATTR: Final = 442  # the same number on every machine
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_LOCKED: Final = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV  # MOUNT_ATTR_* have the same values
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1


@dataclass(frozen=True)
class Walls:
    """What a jail shows; paths are absolute and the same inside as outside.

    Attributes:
        base: an empty folder on which the root is built; nothing is left in it.
        writable: the one folder that can be written, shown as ``SESSION``.
        shown: folders shown read-only, besides the system's programs and libraries.
        hidden: folders that are empty inside wherever they lie below a shown one.
        reachable: folders shown read-only although they lie below a hidden one; sockets in them can be connected to.
        shared_memory: size of ``/dev/shm`` in bytes.
        sockets: the folder shown read-only as ``SOCKETS``; none where empty.
        reach: the only ports that can be connected to, on any machine (``fabric.runtime.fence``); without them the
            jail has a network of its own.
    """

    base: str
    writable: str
    shown: tuple[str, ...]
    hidden: tuple[str, ...]
    reachable: tuple[str, ...]
    shared_memory: int
    sockets: str = ""
    reach: Ports | None = None

    def encode(self) -> str:
        """Returns the walls as a command-line argument."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def decode(cls, text: str) -> Self:
        """Reads what ``encode`` wrote; only our own process does."""
        fields = json.loads(text)
        values: dict[str, Any] = {name: tuple(fields[name]) for name in ("shown", "hidden", "reachable")}
        reach = fields["reach"] and (fields["reach"][0], fields["reach"][1])
        names = ("base", "writable", "shared_memory", "sockets")
        values |= {name: fields[name] for name in names}
        return cls(**values, reach=reach)


def own_code() -> tuple[str, ...]:
    """Returns what this Python needs to run the same code inside: its prefixes, site-packages and this package."""
    package = str(Path(__file__).resolve().parents[1])
    prefixes = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]
    sites = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    return tuple(sorted({package, *prefixes, *map(os.path.realpath, prefixes), *sites, *_links(Path(sys.executable))}))


def _links(program: Path) -> Iterator[str]:
    """Yields the symbolic links between an environment's ``python`` and the program, which may lie in any folder."""
    while program.is_symlink():
        program = Path(os.path.normpath(program.parent / program.readlink()))
        yield str(program)


def enter(walls: Walls, command: Sequence[str], keep: Sequence[int] = ()) -> int:
    """Runs a command inside the walls; returns its exit status, negative for a signal.

    Args:
        walls: what it sees.
        command: program and arguments.
        keep: file descriptors that it inherits.

    Raises:
        OSError: a wall cannot be built; the text names the kernel call.
    """
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(_NAMESPACES if walls.reach is None else _NAMESPACES & ~kernel.CLONE_NEWNET)
    kernel.die_with_parent()  # after unshare, which takes it back
    _map_identity(uid, gid)
    first = os.fork()
    if first == 0:
        _first_process(walls, command, keep)
    for descriptor in keep:
        os.close(descriptor)
    return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])


def _first_process(walls: Walls, command: Sequence[str], keep: Sequence[int]) -> NoReturn:
    """Process 1 inside: builds the walls, starts the command, and reaps whatever is left to it."""
    status = EXIT_NO_WALLS
    try:
        kernel.die_with_parent()
        _build(walls)
        kernel.drop_bounding_set()
        kernel.drop_capabilities()
        kernel.no_new_privileges()
        if walls.reach is not None:
            fence.raise_fence(walls.reach)
        status = _supervise(command, keep)
    except OSError as error:
        os.write(2, f"jail: {error}\n".encode())
    finally:
        os._exit(status)


def _supervise(command: Sequence[str], keep: Sequence[int]) -> int:
    child = os.fork()
    if child == 0:
        kernel.die_with_parent()
        for descriptor in keep:
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - its only form
        try:
            os.execv(command[0], list(command))  # noqa: S606 - the program that the starter named
        except OSError as error:
            raise OSError(error.errno, f"cannot run {command[0]}: {error.strerror}") from error
    for descriptor in keep:
        os.close(descriptor)
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status) & 0xFF


def _map_identity(uid: int, gid: int) -> None:
    """Maps only the own user and group, to themselves."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _build(walls: Walls) -> None:
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    root = Path(walls.base)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("jail", str(root), "tmpfs", flags, "mode=0755,size=4m")
    # Or a shown folder that holds the root would show it again, without the covers of what is hidden.
    kernel.mount(None, str(root), None, _MS_UNBINDABLE)
    temporary, memory, session = (_folder(root, path) for path in ("/tmp", "/dev/shm", SESSION))  # noqa: S108 - inside
    kernel.mount("tmp", str(temporary), "tmpfs", flags, "mode=1777,size=64m")
    for path in _outermost(_SYSTEM + walls.shown):
        _show(path, root)
    _hide(walls, root)
    _kernel_files(root)
    # Or Ray asks who it is and finds the address of an interface that is not here.
    (_folder(root, "/etc") / "hosts").write_text(f"127.0.0.1 {_HOSTNAME}\n")
    _set_attributes(root, _LOCKED, 0, recursive=True)
    for name in _DEVICES:
        _set_attributes(root / "dev" / name, 0, kernel.MS_NODEV)
    _set_attributes(temporary, 0, kernel.MS_RDONLY)
    kernel.mount("shm", str(memory), "tmpfs", flags | kernel.MS_NOEXEC, f"mode=1777,size={walls.shared_memory}")
    kernel.mount(walls.writable, str(session), None, kernel.MS_BIND)
    _set_attributes(session, flags, 0)
    if walls.reach is None:
        _raise_loopback()
    kernel.set_hostname(_HOSTNAME.encode())
    os.chdir(root)
    kernel.pivot_here()


def _outermost(paths: Sequence[str]) -> Iterator[str]:
    """Yields the existing paths that lie below no other of them."""
    existing = {path for path in paths if Path(path).exists()}
    for path in sorted(existing):
        if not any(str(parent) in existing and not parent.is_symlink() for parent in Path(path).parents):
            yield path


def _show(path: str, root: Path) -> None:
    """Binds a file or folder with what is mounted below it; a symbolic link is made again."""
    source, target = Path(path), root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    if source.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    kernel.mount(path, str(target), None, kernel.MS_BIND | kernel.MS_REC)


def _hide(walls: Walls, root: Path) -> None:
    """Covers the hidden folders, then shows again what is reachable below them."""
    for path in sorted(walls.hidden):
        target = root / path.lstrip("/")
        if target.is_dir():
            kernel.mount("hidden", str(target), "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0555,size=64k")
    for path in walls.reachable:
        _show(path, root)
    if walls.sockets:
        kernel.mount(walls.sockets, str(_folder(root, SOCKETS)), None, kernel.MS_BIND | kernel.MS_REC)


def _kernel_files(root: Path) -> None:
    """A ``/proc`` of these processes only, and five devices; no disk, no ``/sys``."""
    proc = _folder(root, "/proc")
    kernel.mount("proc", str(proc), "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    # Nobody inside may make a user namespace, in which they would have capabilities again.
    (proc / "sys/user/max_user_namespaces").write_text("0")
    for name in _DEVICES:
        _show(f"/dev/{name}", root)


def _folder(root: Path, path: str) -> Path:
    target = root / path.lstrip("/")
    target.mkdir(parents=True, exist_ok=True)
    return target


def _set_attributes(path: Path, set_flags: int, clear_flags: int, *, recursive: bool = False) -> None:
    """Changes mount flags without naming the others, which a remount would have to repeat (mount_setattr(2))."""
    arguments = struct.pack("QQQQ", set_flags, clear_flags, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(path),
        ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
        arguments,
        ctypes.c_size_t(len(arguments)),
    )
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount_setattr {path}: {os.strerror(number)}")


def _raise_loopback() -> None:
    """Switches on the only interface of the new network: Ray's processes talk to one another over it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(handle, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def main(arguments: Sequence[str]) -> int:
    """Runs ``WALLS DESCRIPTOR COMMAND...``; the descriptor is handed on to the command."""
    walls, descriptor, *command = arguments
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starter decides when the jail ends
    try:
        return enter(Walls.decode(walls), command, (int(descriptor),))
    except OSError as error:
        sys.stderr.write(f"jail: {error}\n")
        return EXIT_NO_WALLS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
