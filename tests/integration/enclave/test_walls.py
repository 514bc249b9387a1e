"""Who has power over whom: siblings over nothing, and nobody in the enclave's own namespace over its keys."""

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fabric.enclave.launch import EnclaveProcess
from tests.support.endings import children

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]
OPEN = "import sys; open(sys.argv[1], 'rb')"
ATTACH = "import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(16, int(sys.argv[1]), 0, 0) == 0)"


def parts(enclave: EnclaveProcess) -> dict[str, int]:
    """Returns the processes that hold keys or build records."""
    signing, *_ = children(enclave.pid)
    return {"enclave": enclave.pid, "signing child": signing}


async def attempt(prefix: list[str], code: str, argument: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of Python behind a prefix; skips where the prefix itself cannot run."""
    command = [*prefix, sys.executable, "-I", "-c", code, argument]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False, text=True)
    if "unshare" in done.stderr or "nsenter" in done.stderr:
        pytest.skip(done.stderr)
    return done


def sibling() -> list[str]:
    """Returns the prefix of a process in a user namespace of its own, where Ray's tasks are."""
    return ["unshare", "--user", "--map-root-user"]


def inside(enclave: EnclaveProcess) -> list[str]:
    """Returns the prefix of a process with every capability in the enclave's own user namespace."""
    return ["nsenter", f"--user=/proc/{enclave.pid}/ns/user", "--preserve-credentials"]


async def test_a_sibling_namespace_cannot_read_or_trace_it(enclave: EnclaveProcess) -> None:
    for pid in parts(enclave).values():
        for name in ("mem", "environ", "maps"):
            assert "PermissionError" in (await attempt(sibling(), OPEN, f"/proc/{pid}/{name}")).stderr
        assert (await attempt(sibling(), ATTACH, str(pid))).returncode == 0


async def test_not_even_all_power_in_the_enclaves_namespace_opens_the_signing_child(enclave: EnclaveProcess) -> None:
    """The enclave itself has less than this."""
    if os.geteuid() != 0:
        pytest.skip("only root's enclave has a user namespace of its own")
    for pid in parts(enclave).values():
        assert "PermissionError" in (await attempt(inside(enclave), OPEN, f"/proc/{pid}/mem")).stderr
        assert (await attempt(inside(enclave), ATTACH, str(pid))).returncode == 0


def status(pid: int) -> dict[str, str]:
    """Returns what the kernel says of a process (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def descriptors(pid: int) -> list[str]:
    """Returns what the descriptors of a process lead to."""
    return [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]


async def test_its_rights_are_gone(enclave: EnclaveProcess) -> None:
    for name, pid in parts(enclave).items():
        found = status(pid)
        allowed = {"enclave": 1 << 5, "signing child": 0}[name]  # CAP_KILL, for containers of another user
        assert int(found["CapPrm"], 16) & ~allowed == 0
        assert int(found["CapEff"], 16) & ~allowed == 0
        assert (found["NoNewPrivs"], found["TracerPid"], found["Threads"]) == ("1", "0", "1")


async def test_its_files_are_private(enclave: EnclaveProcess) -> None:
    assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in enclave.socket.parent.iterdir()} == {
        "bundles": 0,
        "containers": 0,
        "log": 0,
        "sock": 0,
    }


async def test_the_signing_child_has_no_descriptor_but_its_socket(enclave: EnclaveProcess) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may look")
    links = descriptors(parts(enclave)["signing child"])
    others = [link for link in links if not link.startswith("socket:")]
    assert [Path(link).name for link in others] == ["log"]  # standard error
    assert len(links) - len(others) == 1
