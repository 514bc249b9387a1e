"""The self-test at start: every attack of the sandbox's table runs in a container, against bait that is really there.

An attack counts as blocked when the kernel refused it, or ended its container where nothing else can come of it;
whatever else happens counts as got through, so that one which broke or was cut off cannot pass for a safe container.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fabric.core.errors import ContainerLost, SandboxUnavailable
from fabric.enclave.containers.container import Container, Fault
from fabric.enclave.containers.launch import launch_probe
from fabric.enclave.containers.model import Call, Limits, Reply
from fabric.enclave.containers.zygote import Zygote
from fabric.enclave.sandbox.attacks import ATTACKS, BLOCKED
from fabric.enclave.sandbox.attacks.bait import Bait

ENDED: Final = frozenset({"system call of another instruction set", "allocate in pieces"})
"""Attacks that the kernel may answer by ending the container."""
DEADLINE_MS: Final = 20_000
"""A bound against hanging; each attack takes milliseconds."""
_EXPECTED_STATUS: Final = {
    "CapEff": "0000000000000000",
    "CapBnd": "0000000000000000",
    "NoNewPrivs": "1",
    "Seccomp": "2",
}


async def check(zygote: Zygote, folder: Path, limits: Limits, *, native: bool = False) -> None:
    """Attacks containers of this zygote from inside, and looks at one from outside.

    Args:
        zygote: forks them.
        folder: where the bait is laid out.
        limits: of each container.
        native: whether they are of those that may load native code; nothing else gets through there either.

    Raises:
        SandboxUnavailable: names what got through, or why no container could be made.
    """
    with bait(folder, limits) as given:
        replies = await attack(zygote, given, limits, native=native)
    through = [f"{name} ({seen})" for name, seen in replies.items() if seen is not None]
    if through:
        where = "container for native code" if native else "container"
        message = f"the self-test got through the {where}: {'; '.join(through)}; nothing is served"
        raise SandboxUnavailable(message)


async def attack(zygote: Zygote, given: Bait, limits: Limits, *, native: bool = False) -> dict[str, str | None]:
    """Runs every attack; returns by its name what got through, or None.

    Raises:
        SandboxUnavailable: no container could be made.
    """
    seen: dict[str, str | None] = {}
    container: Container | None = None
    data = json.dumps(given).encode()
    for name in ATTACKS:
        if container is None:
            container = await _probe(zygote, limits, native=native)
            seen["seen from outside"] = _outside(container)
        progress = await container.run([_call(name, data)])
        seen[name] = _verdict(name, progress.replies[0])
        if not progress.is_sound:
            container.kill()
            container = None
    if container is not None:
        container.kill()
    return seen


@contextlib.contextmanager
def bait(folder: Path, limits: Limits) -> Iterator[Bait]:
    """Lays out what an attack would find if it got out: a file, listening sockets, a process."""
    secret = folder / "bait"
    secret.write_text("bait")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        name = f"cryptlet-fabric-bait-{os.getpid()}-{id(abstract)}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        yield Bait(
            file=str(secret),
            pid=os.getpid(),
            port=tcp.getsockname()[1],
            abstract=name,
            memory_bytes=limits.memory_bytes,
        )
    secret.unlink()


async def _probe(zygote: Zygote, limits: Limits, *, native: bool) -> Container:
    try:
        return await launch_probe(zygote, limits, native=native)
    except (Fault, ContainerLost) as error:
        message = f"no container could be made: {error}"
        raise SandboxUnavailable(message) from error


def _verdict(name: str, reply: Reply) -> str | None:
    if reply.output is not None:
        return None if reply.output == BLOCKED else reply.output.decode()
    if reply.failure is not None and reply.failure.code == ContainerLost.code and name in ENDED:
        return None
    return "no answer" if reply.failure is None else reply.failure.message


def _outside(container: Container) -> str | None:
    """Returns what is wrong with a container in the kernel's own words, or None (proc_pid_status(5))."""
    lines = Path(f"/proc/{container.pid}/status").read_text().splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    if "0" in status["Uid"] + status["Gid"]:
        return "root outside"
    for name, expected in _EXPECTED_STATUS.items():
        if status[name] != [expected]:
            return f"{name} is {' '.join(status[name])}, expected {expected}"
    return None


def _call(name: str, data: bytes) -> Call:
    return Call(bytes(32), name, data, 0, 0, bytes(32), DEADLINE_MS)
