"""Every attack of the table, in a container and, where it is harmless, outside of one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from fabric.core.clock import SystemClock
from fabric.core.errors import SandboxUnavailable
from fabric.enclave.containers import selftest, zygote
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Limits
from fabric.enclave.sandbox.attacks import ATTACKS

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]

# Run outside a container, these do no harm to the machine and get through for every user.
HARMLESS: Final = (
    "read a file of the enclave",
    "stat a file of the enclave",
    "leave the root by ..",
    "leave the root by /proc",
    "read system files",
    "list system folders",
    "list the root",
    "inherit descriptors",
    "inherit environment",
    "fork",
    "start a thread",
    "execute a program",
    "signal the enclave",
    "signal everyone",
    "open a process handle",
    "raise priority",
    "see other processes",
    "set a timer",
    "TCP",
    "UDP",
    "abstract socket",
    "netlink",
    "socket pair",
    "map executable memory",
    "make memory executable",
    "load a library",
    "map a file as code",
    "map a file as code to write",
    "allocate beyond the limit",
    "allocate in pieces",
    "memory file",
    "clone",
    "control shared files",
    "kernel entropy",
)
OUTSIDE: Final = """
import json, os, sys
from fabric.enclave.sandbox.attacks import ATTACKS, attempt
bait = json.loads(sys.argv[1])
print(json.dumps({name: attempt(ATTACKS[name], bait) for name in json.loads(sys.argv[2])}))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen(host: ContainerHost, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """Returns what each attack got in a container."""
    assert host._zygote is not None
    with selftest.bait(tmp_path_factory.mktemp("bait"), host._limits) as given:
        return await selftest.attack(host._zygote, given, host._limits)


@pytest.mark.parametrize("name", [*ATTACKS, "seen from outside"])
async def test_an_attack_is_blocked(seen: dict[str, str | None], name: str) -> None:
    assert seen[name] is None


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """Returns what the harmless attacks got in an ordinary process."""
    ours, theirs = socket.socketpair()
    with ours, theirs, selftest.bait(tmp_path_factory.mktemp("bait"), Limits(memory_bytes=32 << 20)) as given:
        run = subprocess.run(
            [sys.executable, "-c", OUTSIDE, json.dumps(given), json.dumps(HARMLESS)],
            capture_output=True,
            check=True,
            timeout=60,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "MORE": "1"},
        )
    found: dict[str, str | None] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize("name", HARMLESS)
async def test_the_same_attack_gets_through_where_nothing_stops_it(outside: dict[str, str | None], name: str) -> None:
    verdict = outside[name]
    assert verdict is not None
    assert not verdict.startswith("did not run")


async def test_a_hole_is_named_and_nothing_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(zygote.ENVIRONMENT, "TOKEN", "secret")
    with pytest.raises(SandboxUnavailable, match=r"got through the container: inherit environment \(\"TOKEN\"\)"):
        await ContainerHost.start(tmp_path, Limits(), SystemClock())


async def test_a_zygote_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zygote, "_COMMAND", (sys.executable, "-c", "raise SystemExit('no such thing')"))
    with pytest.raises(SandboxUnavailable, match="ended at its start: no such thing"):
        await ContainerHost.start(tmp_path, Limits(), SystemClock())
