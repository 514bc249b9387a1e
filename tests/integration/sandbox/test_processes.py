"""What is left of containers, and when; and what there is of them while they live."""

import asyncio
import contextlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fabric.core.clock import SystemClock
from fabric.core.errors import ContainerLost
from fabric.enclave.containers.container import Container, Fault
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Bundle, Limits, Reply
from tests.integration.sandbox.conftest import LIMITS
from tests.support.wheels import call, until, wheel

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]

ROOT = Path(__file__).resolve().parents[3]
OWNER = "tests.support.container_owner"
ORDINARY = 64_001
"""A user id that no account has."""


def children(pid: int) -> list[int]:
    """Returns all descendants of a process."""
    try:
        direct = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return direct + [below for child in direct for below in children(child)]


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status not in "XZ"


async def gone(pids: list[int]) -> None:
    await until(lambda: not any(is_alive(pid) for pid in pids))


@asynccontextmanager
async def owner(folder: Path, hostile: Bundle, *prefix: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Starts a process that owns containers; yields it and the first line that it says."""
    command = (*prefix, sys.executable) if not prefix or prefix[0] == "unshare" else prefix
    process = await asyncio.create_subprocess_exec(
        *(*command, "-m", OWNER, str(folder), str(hostile.wheel), hostile.entry),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.fault
@pytest.mark.parametrize("victim", ["host", "waiter", "zygote"])
async def test_nothing_survives(tmp_path: Path, hostile: Bundle, victim: str) -> None:
    """Whoever of the chain is killed, all below it ends at once, the looping container and the stopped one too."""
    async with owner(tmp_path, hostile) as (process, said):
        assert said == "ready"
        below = children(process.pid)
        assert len(below) >= 5  # waiter, zygote, two containers, the spare
        os.kill({"host": process.pid, "waiter": below[0], "zygote": below[1]}[victim], signal.SIGKILL)
        await gone(below)


async def test_closing_leaves_nothing(tmp_path: Path, plain: Bundle) -> None:
    processes, descriptors = set(children(os.getpid())), opened()
    host = await ContainerHost.start(tmp_path, Limits(), SystemClock())
    await host.run(plain, b"t", [call("double")])
    below = set(children(os.getpid())) - processes
    assert below
    await host.aclose()
    await gone(list(below))
    assert opened() == descriptors


async def test_a_bundle_that_is_ended_takes_its_running_containers_with_it(
    tmp_path: Path, plain: Bundle, hostile: Bundle
) -> None:
    host = await ContainerHost.start(tmp_path, Limits(), SystemClock())
    await host.run(hostile, b"t", [call("echo")])
    await host.run(hostile, b"idle", [call("echo")])
    assert await host.run(plain, b"t", [call("remember")]) == [Reply(b'{"n":1}')]
    endless = call("loop", deadline_ms=600_000)
    running = asyncio.ensure_future(host.run(hostile, b"t", [endless, call("echo")]))
    await until(lambda: host._places[hostile.measurement, b"t"].users == 1)
    await asyncio.sleep(0)
    host.end(hostile.measurement)
    lost, unbegun = await running
    assert [reply.failure.code for reply in (lost, unbegun) if reply.failure] == ["container-lost", "container-lost"]
    (later,) = await host.run(hostile, b"other", [call("echo")])
    assert later.failure is not None
    assert "unloaded the bundle" in later.failure.message
    assert await host.run(plain, b"t", [call("remember")]) == [Reply(b'{"n":2}')]  # nobody else was hurt
    assert {name for (name, _), place in host._places.items() if place.container is not None} == {plain.measurement}
    await host.aclose()


async def test_after_closing_nothing_starts_again(tmp_path: Path, plain: Bundle, hostile: Bundle) -> None:
    host = await ContainerHost.start(tmp_path, Limits(), SystemClock())
    await host.run(hostile, b"t", [call("echo")])
    endless = call("loop", deadline_ms=600_000)
    running = asyncio.ensure_future(host.run(hostile, b"t", [endless, call("echo")]))
    waiting = asyncio.ensure_future(host.run(hostile, b"t", [call("echo")]))
    await asyncio.sleep(0)
    await host.aclose()
    for task in (running, waiting):
        with pytest.raises(ContainerLost, match="closed"):
            await task
    assert not host._places
    with pytest.raises(ContainerLost, match="closed"):
        await host.run(plain, b"t", [call("double")])


async def test_calls_that_take_the_time_of_their_batch_leave_the_rest_unbegun(tmp_path: Path, plain: Bundle) -> None:
    host = await ContainerHost.start(tmp_path, Limits(batch_ms=0), SystemClock())
    for _ in range(2):
        first, *others = await host.run(plain, b"t", [call("double", b'{"n":%d}' % number) for number in range(1, 4)])
        assert first == Reply(b'{"n":2}')
        assert {reply.failure.code for reply in others if reply.failure} == {"no-capacity"}
        assert len(others) == 2
    await host.aclose()


def opened() -> list[str]:
    """Returns what kinds of sockets and process handles this process holds."""
    kinds = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            kinds.append(str(path.readlink()).partition(":")[0])
    return sorted(kind for kind in kinds if kind in {"socket", "anon_inode"})


async def test_a_killed_zygote_is_replaced(tmp_path: Path, plain: Bundle) -> None:
    host = await ContainerHost.start(tmp_path, Limits(), SystemClock())
    assert await host.run(plain, b"t", [call("remember")]) == [Reply(b'{"n":1}')]
    assert host._zygote is not None
    below = children(host._zygote.pid)
    os.kill(host._zygote.pid, signal.SIGKILL)
    await host._zygote._process.wait()
    await gone(below)
    assert await host.run(plain, b"t", [call("remember")]) == [Reply(b'{"n":1}')]
    await host.aclose()


async def test_twenty_cold_starts(host: ContainerHost, plain: Bundle) -> None:
    assert all([await host.cold_start_seconds(plain, call("double")) > 0 for _ in range(20)])


async def test_seen_from_outside(host: ContainerHost, plain: Bundle) -> None:
    await host.run(plain, b"outside", [call("double")])
    container = host._places[plain.measurement, b"outside"].container
    assert container is not None
    proc = Path(f"/proc/{container.pid}")
    limits = {line[:25].strip(): line[26:].split()[:2] for line in (proc / "limits").read_text().splitlines()}
    for name in ("Max core file size", "Max file size", "Max locked memory", "Max msgqueue size"):
        assert limits[name] == ["0", "0"], name
    assert limits["Max address space"] == [str(host._limits.memory_bytes)] * 2
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    assert status["Threads"].strip() == "1"
    assert (proc / "oom_score_adj").read_text().strip() == "1000"


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_class_that_never_loads_leaves_no_process(tmp_path: Path, *, is_cancelled: bool) -> None:
    path = wheel(tmp_path, {"endless.py": "while True: pass"})
    host = await ContainerHost.start(tmp_path / "host", LIMITS, SystemClock())
    await until(lambda: not locked(host))  # those of the self-test are gone
    running = asyncio.ensure_future(host.run(Bundle(b"e" * 32, path, "endless:Endless"), b"t", [call("any")]))
    await until(lambda: bool(locked(host)))
    [container] = locked(host)
    if is_cancelled:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    else:
        [reply] = await running
        assert reply.failure is not None
        assert reply.failure.code == "limit-exceeded"
    await gone([container])
    await host.aclose()


def locked(host: ContainerHost) -> list[int]:
    """Returns the containers that have begun to load something."""
    assert host._zygote is not None
    return [pid for pid in children(host._zygote.pid) if is_alive(pid) and is_filtered(pid)]


def is_filtered(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return "\nSeccomp:\t2\n" in Path(f"/proc/{pid}/status").read_text()
    return False


async def test_a_handle_that_came_too_late_still_ends_its_process() -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
    handle = os.pidfd_open(child.pid)
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    socket.send_fds(theirs, [b"\0"], [handle])
    os.close(handle)
    with theirs, pytest.raises(Fault, match="not loaded within 0 ms"):
        await Container.adopt(ours, bytes(16), Limits(load_ms=0))
    assert await child.wait() == -signal.SIGKILL


async def test_where_it_cannot_be_built_nothing_is_served(tmp_path: Path, hostile: Bundle) -> None:
    # Root inside a user namespace that maps nobody else cannot become anybody else.
    if os.getuid() != 0:
        pytest.skip("needs root, to be root of a namespace")
    async with owner(tmp_path, hostile, "unshare", "--user", "--map-root-user") as (_, said):
        assert "cannot become any of the users" in said
        assert "run the enclave as an ordinary user" in said


@pytest.fixture
def ordinary(hostile: Bundle) -> Iterator[tuple[Path, str, Bundle]]:
    """Yields a folder of an ordinary user, a Python that it may read, and the hostile bundle."""
    system, version = shutil.which("python3", path="/usr/bin"), platform.python_version_tuple()[:2]
    if os.getuid() != 0 or system is None or not Path(f"/usr/lib/python{'.'.join(version)}").is_dir():
        pytest.skip("as an ordinary user every other test shows it; as root it takes a Python that others may read")
    place = Path("/var/tmp") / f"cryptlet-user-{os.getpid()}"  # noqa: S108 - pytest's folders are closed to others
    try:
        python, wheel = _environment(place, system, hostile.wheel)
        yield place / "host", python, Bundle(hostile.measurement, wheel, hostile.entry)
    finally:
        shutil.rmtree(place, ignore_errors=True)


async def test_as_an_ordinary_user(ordinary: tuple[Path, str, Bundle]) -> None:
    folder, python, bundle = ordinary
    user = ("setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", python)
    async with owner(folder, bundle, *user) as (process, said):
        assert said == "ready"
        assert {owners(pid) for pid in children(process.pid)} - {()} == {(str(ORDINARY),) * 4}


def owners(pid: int) -> tuple[str, ...]:
    """Returns the user ids of a process: real, effective, saved, of the file system; none of one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        # A spare comes to be by a fork whose parent goes at once: one may end between the list and this look.
        return ()
    return next(tuple(line.split()[1:]) for line in lines if line.startswith("Uid:"))


async def test_below_root_nobody_is_root(host: ContainerHost) -> None:
    assert host._zygote is not None
    below = [host._zygote.pid, *children(host._zygote.pid)]
    users = {user for pid in below for user in owners(pid)}
    assert len(users) == 1
    assert "0" not in users


def _environment(place: Path, system: str, wheel: Path) -> tuple[str, Path]:
    """Makes an environment of the system's Python that sees our packages, and a folder of the ordinary user."""
    place.mkdir()
    subprocess.run([system, "-m", "venv", "--without-pip", str(place / "venv")], check=True, timeout=60)
    (packages,) = (place / "venv").glob("lib/python*/site-packages")
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "ours.pth").write_text(f"{ROOT}\n{ours}\n")
    copy = place / "bundle.whl"
    copy.write_bytes(wheel.read_bytes())
    (place / "host").mkdir()
    os.chown(place / "host", ORDINARY, ORDINARY)
    return str(place / "venv/bin/python"), copy


async def test_a_bundle_that_is_ended_while_its_container_is_launched_does_not_run(
    tmp_path: Path, hostile: Bundle
) -> None:
    host = await ContainerHost.start(tmp_path, Limits(), SystemClock())
    running = asyncio.ensure_future(host.run(hostile, b"t", [call("loop", deadline_ms=600_000)]))
    await asyncio.sleep(0)
    [place] = host._places.values()
    assert place.container is None
    host.end(hostile.measurement)
    [reply] = await running
    assert reply.failure is not None
    assert reply.failure.code == "container-lost"
    assert place.container is None
    await host.aclose()
