"""Whatever ends the gateway ends Ray; what an earlier run left is ended by the next; without a jail Ray is refused."""

import os
import select
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fabric.core.errors import PlatformError, SandboxUnavailable
from fabric.runtime import jail, processes
from fabric.runtime.cluster import Cluster, ClusterConfig
from fabric.runtime.processes import Process
from tests.integration.runtime.parts import ROOT, State

pytestmark = [pytest.mark.ray, pytest.mark.sandbox]

GATEWAY = """
import asyncio, sys
from pathlib import Path
from fabric.core.errors import FabricError
from fabric.runtime.cluster import Cluster, ClusterConfig

async def main(folder, unjailed):
    config = ClusterConfig(folder / "ray", hidden=(folder,), reachable=(), cpus=1, allow_unjailed_ray=unjailed)
    try:
        cluster = await Cluster.start(config)
    except FabricError as error:
        print(error.code, error, flush=True)
        return
    print("running", cluster.jailed, flush=True)
    if sys.stdin.readline():
        await cluster.stop()
        print("stopped", flush=True)

asyncio.run(main(Path(sys.argv[1]), "unjailed" in sys.argv))
"""
NO_NAMESPACES = ["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh"]


def gateway(folder: Path, *options: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [*prefix, sys.executable, "-c", GATEWAY, str(folder), *options]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def await_end(process: Process) -> None:
    """Returns when a process that is nobody's child of ours has ended."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if process.is_running():
            assert select.select([handle], [], [], 60)[0]
    finally:
        os.close(handle)


@pytest.mark.fault
@pytest.mark.parametrize("options", [(), ("unjailed",)], ids=["jailed", "unjailed"])
def test_a_killed_gateway_takes_ray_with_it(tmp_path: Path, options: tuple[str, ...]) -> None:
    prefix = tuple(NO_NAMESPACES) if options else ()
    process = gateway(tmp_path, *options, prefix=prefix)
    assert said(process) == f"running {not options}"
    tree = processes.descendants(process.pid)
    assert len(tree) >= 6
    written = processes.recorded(tmp_path / "ray/processes.json")
    process.send_signal(signal.SIGKILL)
    process.wait()
    for member in tree if not options else tree[:1]:
        await_end(member)
    if options:
        # Without a jail, agents of Ray may outlive it: they are what the record is for.
        for member in written:
            member.kill()
            await_end(member)
        shutil.rmtree((tmp_path / "ray/temporary").read_text())
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()


def test_without_user_namespaces_ray_is_refused(tmp_path: Path) -> None:
    process = gateway(tmp_path, prefix=tuple(NO_NAMESPACES))
    output, _ = process.communicate()
    assert output.startswith("sandbox Ray's jail cannot be built (jail: ")
    assert "allow_unjailed_ray = true" in output


def test_unjailed_ray_ends_cleanly(tmp_path: Path) -> None:
    process = gateway(tmp_path, "unjailed", prefix=tuple(NO_NAMESPACES))
    assert said(process) == "running False"
    tree = processes.descendants(process.pid)
    temporary = Path((tmp_path / "ray/temporary").read_text())
    assert temporary.is_dir()
    output, _ = process.communicate("stop\n")
    assert output == "stopped\n"
    assert [member for member in tree if member.is_running()] == []
    assert not temporary.exists()


async def test_the_next_start_ends_what_was_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(tmp_path).make()
    left, spared = sleeper(), sleeper()
    one, two = Process.of(left.pid), Process.of(spared.pid)
    assert one is not None
    assert two is not None
    (tmp_path / "ray").mkdir()
    processes.record(tmp_path / "ray/processes.json", [one, replace(two, started=two.started - 1)])
    # A jail in which there is no Python ends at once: this test is about what comes before it.
    monkeypatch.setattr(jail, "own_code", tuple)
    try:
        with pytest.raises(SandboxUnavailable, match=f"cannot run {sys.executable}"):
            await Cluster.start(state.cluster())
        assert left.wait() == -signal.SIGKILL
        assert spared.poll() is None
    finally:
        for process in (left, spared):
            process.kill()
            process.wait()


async def test_a_wall_that_cannot_be_built_names_the_reason(tmp_path: Path) -> None:
    state = State(tmp_path).make()
    with pytest.raises(SandboxUnavailable, match=r"mount /.*/nowhere: No such file or directory"):
        await Cluster.start(replace(state.cluster(), reachable=(tmp_path / "nowhere",)))


async def test_a_folder_that_cannot_be_used_is_an_error_that_is_tried_again(tmp_path: Path) -> None:
    config = ClusterConfig(tmp_path / "ray", hidden=(tmp_path,), reachable=())
    config.folder.mkdir()
    (config.folder / "session").write_text("in the way")
    with pytest.raises(PlatformError, match=r"Ray did not start: .*session"):
        await Cluster.start(config)


async def test_a_ray_that_cannot_be_written_down_is_ended(tmp_path: Path) -> None:
    config = ClusterConfig(tmp_path / "ray", hidden=(tmp_path,), reachable=())
    (config.folder / "processes.new").mkdir(parents=True)
    before = {process.pid for process in processes.descendants(os.getpid())}
    with pytest.raises(PlatformError, match=r"Ray did not start: .*processes.new"):
        await Cluster.start(config)
    assert {process.pid for process in processes.descendants(os.getpid())} <= before


@pytest.mark.parametrize("text", ["", "{parent}", "{parent}/cryptlet-ray-"])
async def test_a_note_that_was_cut_short_empties_no_other_folder(tmp_path: Path, text: str) -> None:
    (tmp_path / "others/cryptlet-ray-").mkdir(parents=True)
    (tmp_path / "others/file").write_text("of others")
    config = ClusterConfig(tmp_path / "ray", hidden=(tmp_path,), reachable=())
    (config.folder / "processes.new").mkdir(parents=True)  # so that Ray does not start
    (config.folder / "temporary").write_text(text.format(parent=tmp_path / "others"))
    with pytest.raises(PlatformError):
        await Cluster.start(config)
    assert (tmp_path / "others/file").exists()
    assert (tmp_path / "others/cryptlet-ray-").exists()
    assert not (config.folder / "temporary").exists()
