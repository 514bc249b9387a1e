"""The zygote: a warm, key-less process with one thread, from which containers are forked.

It is started by the enclave with a clean environment as ``python -m fabric.enclave.sandbox.zygote CONTROL FOLDER``.
It leaves every right behind before it serves: own process tree (its end kills every container), own read-only root, an
outside user that is not root, no capabilities. Each request on the control socket is one container.
"""

import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final, NoReturn

from fabric.core.errors import SandboxUnavailable
from fabric.enclave.sandbox import (
    determinism,
    kernel,
    landlock,
    lockdown,
    preload,
    rootfs,
    seccomp,
    spawn,
    syscalls,
)

_MAX_DESCRIPTORS: Final = 2
# No account has these ids: between the ranges that systemd and container engines give out. Where an outer user
# namespace does not map the first, "nobody" has to do.
_OUTSIDE_IDS: Final = (2_000_000_000, 65_534)


def main(arguments: list[str]) -> NoReturn:
    """Builds the sandbox, says so on the control socket, and forks a container for every request on it."""
    control = socket.socket(fileno=int(arguments[1]))
    os.umask(0o022)
    try:
        _become_init()
        nursery = _prepare(Path(arguments[2]), control.fileno())
        spare = nursery.spare()
        handle = spare.handle()
    except (OSError, SandboxUnavailable) as error:
        control.send(json.dumps({"error": f"the sandbox cannot be built: {error}"}).encode()[: spawn.MAX_REQUEST_BYTES])
        os._exit(1)
    control.send(json.dumps({"landlock": landlock.abi()}).encode())
    _serve(control, nursery, spare, handle)


def _become_init() -> None:
    """Continues as the first process of a new process tree, with mounts of its own; the caller only waits for it."""
    kernel.die_with_parent()
    user, group = os.getuid(), os.getgid()
    flags = kernel.CLONE_NEWNS | kernel.CLONE_NEWPID
    if user == 0:
        spawn.unshare(flags)
    else:
        spawn.unshare(flags | kernel.CLONE_NEWUSER)
        spawn.write_maps("/proc", f"{user} {user} 1", f"{group} {group} 1")
    child = os.fork()
    if child:
        _wait_for(child)


def _wait_for(child: int) -> NoReturn:
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    _leave_rights()
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _prepare(folder: Path, control: int) -> spawn.Nursery:
    determinism.install()
    preload.preload()
    _check_single_thread()
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    rootfs.enter(folder, rootfs.sources())
    ruleset, machine = landlock.read_only_ruleset("/"), syscalls.machine()
    lock, native = (lockdown.Lock(ruleset, seccomp.program(machine, native=granted)) for granted in (False, True))
    _leave_rights()
    # The owner of /proc/self/uid_map is the user only while the process may be dumped.
    kernel.set_dumpable(dumpable=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    gc.collect()
    gc.freeze()  # a later collection would write to every page that the containers share
    return spawn.Nursery(lock, native, proc, rootfs.import_path(), control)


def _leave_rights() -> None:
    kernel.drop_bounding_set()
    if os.getuid() == 0:
        _leave_root()
    kernel.drop_capabilities()
    kernel.no_new_privileges()
    kernel.die_with_parent()  # last: a change of user takes it back


def _leave_root() -> None:
    for outside in _OUTSIDE_IDS:
        try:
            os.setgroups([])
            os.setresgid(outside, outside, outside)
            os.setresuid(outside, outside, outside)
        except OSError:
            continue
        return
    message = f"root cannot become any of the users {_OUTSIDE_IDS}; run the enclave as an ordinary user"
    raise SandboxUnavailable(message)


def _check_single_thread() -> None:
    # A fork copies one thread and the locks that the others hold.
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        message = f"the zygote has {threads} threads, expected 1; a site package starts one at import"
        raise SandboxUnavailable(message)


def _serve(control: socket.socket, nursery: spawn.Nursery, spare: spawn.Spare, handle: int) -> NoReturn:
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, spawn.MAX_REQUEST_BYTES, _MAX_DESCRIPTORS)
        if not message:
            os._exit(0)  # the enclave is gone
        try:
            handle = handle if handle >= 0 else spare.handle()
            with socket.socket(fileno=os.dup(descriptors[0])) as channel:
                socket.send_fds(channel, [b"\0"], [handle])
            spare.become(message, *descriptors)
            os.close(handle)
        except (OSError, SandboxUnavailable) as error:
            # The enclave sees the channel close without a handle. What was wrong stays in the log.
            sys.stderr.write(f"no container: {error}\n")
        for descriptor in descriptors:
            os.close(descriptor)
        spare.line.close()
        spare, handle = nursery.spare(), -1


if __name__ == "__main__":
    main(sys.argv)
