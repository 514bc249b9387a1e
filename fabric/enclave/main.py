"""The enclave's process: ``python -m fabric.enclave.main``, started by ``fabric.enclave.launch`` only.

Order: harden; leave the memory that others may have opened (as root, into a user namespace of its own); fork the
signing child, which makes the keys; start the containers and attack them; drop every right but that of signalling
containers; serve. When the signing child ends, so does the enclave.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fabric.core.clock import SystemClock
from fabric.core.collector import spare_the_collector
from fabric.core.errors import FabricError
from fabric.enclave.bundles import BundleShelf
from fabric.enclave.config import SOCKET, EnclaveConfig, SetUp, parse_set_up
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Limits
from fabric.enclave.kinds import kind_of
from fabric.enclave.run import Runner
from fabric.enclave.service import Service, complain
from fabric.enclave.signing.child import fork_signing_child
from fabric.enclave.signing.client import SigningClient, open_signing_client
from fabric.signers.hardening import drop_privileges, harden, renew_memory
from fabric.signers.spawn import read_set_up, tell_error, tell_ready
from fabric.wire.local import Door

MAX_REQUEST_BYTES: Final = 64 << 20
CAP_KILL: Final = 5
"""Stays with root's enclave, for containers run as another user; it reaches its own user namespace and no further."""
EXIT_LOST: Final = 3
"""The signing child or the sandbox is gone; launch a new enclave and register its keys."""
_CANNOT_START: Final = 2


def main() -> int:
    """Runs the enclave until SIGTERM; returns the exit code."""
    try:
        set_up = parse_set_up(read_set_up())
        harden(set_up.parent)
        # From here on by relative paths: without capabilities even root may not pass every folder above.
        os.chdir(set_up.folder)
        renew_memory(own_user_namespace=os.geteuid() == 0)
        stream, child = fork_signing_child(set_up.config)
        _watch_children_without_threads()
        return asyncio.run(_live(set_up, stream, child))
    except FabricError as error:
        sys.stderr.write(f"enclave: {error}\n")
        tell_error(error)
        return _CANNOT_START


async def _live(set_up: SetUp, stream: socket.socket, child: int) -> int:
    """Starts the parts, serves, and takes them down again."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    lost = asyncio.Event()

    def lose() -> None:
        lost.set()
        ended.set()

    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_reader(child, lose)
    signing = await open_signing_client(stream)
    await signing.describe()  # says why, where the child could not start
    for destination in set_up.config.destinations:
        kind_of(destination.kind)  # a missing adapter must show now, not in the first batch
    host = await ContainerHost.start(_host_folder(), Limits(), SystemClock())
    try:
        drop_privileges(keep=CAP_KILL)
        harden(os.getppid())  # a change of capabilities may take the bonds back
        server = await _serve(set_up.config, host, signing, lose)
        await ended.wait()
        server.close()
    finally:
        loop.remove_reader(child)
        await host.aclose()
    return EXIT_LOST if lost.is_set() else 0


async def _serve(
    config: EnclaveConfig, host: ContainerHost, signing: SigningClient, lose: Callable[[], None]
) -> asyncio.Server:
    """Opens the socket, then says that the enclave is ready."""
    await signing.begin(host.isolation)
    identity = await signing.describe()
    runner = Runner(config, host, signing, BundleShelf(Path("bundles")))
    service = Service(runner, lose)
    server = await Door(service.answer, complain, MAX_REQUEST_BYTES).serve(Path(SOCKET))
    spare_the_collector()
    tell_ready({"attester": identity.attester.hex(), "pid": os.getpid()})
    return server


def _watch_children_without_threads() -> None:
    """Python 3.11 waits for a subprocess in a thread, which would keep its own capabilities."""
    if sys.version_info < (3, 12):
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())  # type: ignore[deprecated]


def _host_folder() -> Path:
    containers = Path("containers").absolute()
    containers.mkdir(mode=0o700, exist_ok=True)
    return containers


if __name__ == "__main__":
    sys.exit(main())
