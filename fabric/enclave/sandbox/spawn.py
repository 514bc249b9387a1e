"""From a fork of the zygote to a locked container: namespaces, bundle, lock, and only then the cryptlet's code."""

import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Final, NoReturn, TypedDict

from fabric.core.errors import SandboxUnavailable
from fabric.enclave.sandbox import inside, kernel, lockdown, preload, rootfs, unpack

INSIDE_ID: Final = 65_534
_NAMESPACES: Final = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
MAX_REQUEST_BYTES: Final = 16_384
_MAX_ERROR_BYTES: Final = 4096
_FIRST_TO_GO: Final = "1000"
"""Out of memory, the kernel ends a container before it ends anything else."""


class Request(TypedDict):
    """What the enclave asks for, beside two descriptors: the container's end of the channel, and the bundle.

    Attributes:
        loader: ``module:function`` that makes the service.
        entry: what the loader takes.
        nonce: of the first reply, hexadecimal.
        wheels: lengths of the bundle's wheel and of those that it stands on, which lie behind it in its file; none
            where there is no bundle.
        unpacked: places in ``wheels`` of those that are unpacked, because they hold native code.
        native: whether the bundle was granted native code; without it nothing is unpacked.
        memory_bytes: address space of the container.
        output_bytes: longest output.
    """

    loader: str
    entry: str
    nonce: str
    wheels: list[int]
    unpacked: list[int]
    native: bool
    memory_bytes: int
    output_bytes: int


@dataclass(frozen=True)
class Spare:
    """A container that stands in its namespaces and waits to be told what it shall be.

    Attributes:
        line: socket to it; it ends when this is closed.
    """

    line: socket.socket

    def handle(self) -> int:
        """Waits until it stands; returns a process handle (pidfd) on it.

        Raises:
            SandboxUnavailable: it could not be made.
        """
        message, handles, _, _ = socket.recv_fds(self.line, _MAX_ERROR_BYTES, 1)
        if not handles:
            raise SandboxUnavailable(message.decode() or "a container ended while it was made")
        return handles[0]

    def become(self, request: bytes, channel: int, bundle: int) -> None:
        """Tells it what to be; it works on its own from here on."""
        socket.send_fds(self.line, [request], [channel, bundle])
        self.line.close()


@dataclass(frozen=True)
class Nursery:
    """What the zygote hands to each of its children.

    Attributes:
        lock: rules and filter.
        native: the same, for what was granted native code.
        proc: descriptor of ``/proc``, which the root folder does not have; closed before the lock.
        path: where a container imports from, after its bundle.
        control: descriptor of the zygote's control socket; its children close it first.
    """

    lock: lockdown.Lock
    native: lockdown.Lock
    proc: int
    path: list[str]
    control: int

    def spare(self) -> Spare:
        """Forks a container; returns at once, while it enters its namespaces."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            ours.close()
            os.close(self.control)
            self._become_spare(theirs)
        theirs.close()
        return Spare(ours)

    def _become_spare(self, line: socket.socket) -> NoReturn:
        """Never returns into the zygote's loop, whatever happens."""
        try:
            self._enter_namespaces(line)
            preload.warm_models()  # touches now, while nobody waits, the pages that a fork copies when they are touched
        except BaseException as error:  # noqa: BLE001 - told through the pipe, then the fork ends
            line.send(str(error).encode()[:_MAX_ERROR_BYTES])
            os._exit(1)
        message, descriptors = _received(line)
        if not message:
            os._exit(0)
        self._become_container(json.loads(message), *descriptors)

    def _enter_namespaces(self, line: socket.socket) -> None:
        """Goes on as the first process of a process tree of its own; hands the zygote a handle on it."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        maps = (f"{INSIDE_ID} {os.getuid()} 1", f"{INSIDE_ID} {os.getgid()} 1")
        unshare(_NAMESPACES)
        write_maps(self.proc, *maps)
        _write(self.proc, "self/oom_score_adj", _FIRST_TO_GO)
        child = os.fork()
        if child:
            socket.send_fds(line, [b"\0"], [os.pidfd_open(child)])
            os._exit(0)

    def _become_container(self, request: Request, channel: int, bundle: int) -> NoReturn:
        nonce = bytes.fromhex(request["nonce"])
        try:
            self._prepare(request, bundle)
            lockdown.apply(self.native if request["native"] else self.lock, channel, request["memory_bytes"])
            channel = lockdown.CHANNEL
        except BaseException as error:  # noqa: BLE001 - told through the pipe, then the fork ends
            inside.reject(channel, nonce, error)
        inside.run(request["loader"], request["entry"], nonce, request["output_bytes"])

    def _prepare(self, request: Request, bundle: int) -> None:
        own, *others = self._mounted(request, bundle)
        # What it stands on comes last, so that it hides nothing of Python's or of the platform's.
        sys.path[:] = [*filter(None, [own]), *self.path, *others]
        sys.path_importer_cache.clear()
        sys.argv[:] = ["container"]

    def _mounted(self, request: Request, bundle: int) -> list[str]:
        """Returns where the wheels are: the file of each, or the folder that it was unpacked into."""
        paths = rootfs.mount_bundle(bundle, request["wheels"]) if request["wheels"] or request["native"] else []
        if request["native"]:
            with rootfs.native_folder():
                for place in request["unpacked"]:
                    target = f"{rootfs.NATIVE}/{place}"
                    unpack.unpack(paths[place], target, self.lock, request["memory_bytes"])
                    paths[place] = target
        return paths or [""]


def _received(line: socket.socket) -> tuple[bytes, list[int]]:
    try:
        message, descriptors, _, _ = socket.recv_fds(line, MAX_REQUEST_BYTES, 2)
    except OSError:
        return b"", []  # the zygote ended and left something unread
    return message, descriptors


def unshare(flags: int) -> None:
    """Enters new namespaces.

    Raises:
        SandboxUnavailable: the kernel, or an administrator, forbids it; the text says what to change.
    """
    try:
        kernel.unshare(flags)
    except OSError as error:
        message = (
            f"namespaces are forbidden here ({error.strerror}); allow unprivileged user namespaces:"
            " sysctl user.max_user_namespaces above 0; on Debian kernel.unprivileged_userns_clone=1; on Ubuntu"
            " kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile for this Python;"
            " inside an image, run it with a seccomp profile that permits unshare"
        )
        raise SandboxUnavailable(message) from error


def write_maps(proc: int | str, users: str, groups: str) -> None:
    """Says who this process is inside its new user namespace; ``proc`` is ``/proc`` or a descriptor of it.

    Raises:
        SandboxUnavailable: the kernel refused.
    """
    folder = os.open(proc, os.O_PATH | os.O_DIRECTORY) if isinstance(proc, str) else proc
    try:
        _write(folder, "self/setgroups", "deny")
        _write(folder, "self/uid_map", users)
        _write(folder, "self/gid_map", groups)
    except OSError as error:
        message = f"the user map of a namespace was refused ({error.strerror}); is /proc mounted?"
        raise SandboxUnavailable(message) from error
    finally:
        if folder != proc:
            os.close(folder)


def _write(folder: int, name: str, text: str) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
