import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import Malformed
from fabric.runtime import processes
from fabric.runtime.processes import Process


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])


def test_a_process_is_itself_until_it_ends() -> None:
    child = sleeper()
    process = Process.of(child.pid)
    assert process is not None
    assert process.is_running()
    assert process.kill()
    assert child.wait() == -signal.SIGKILL
    assert not process.is_running()
    assert not process.kill()
    assert Process.of(child.pid) is None


def test_another_process_with_the_number_is_left_alone() -> None:
    child = sleeper()
    process = Process.of(child.pid)
    assert process is not None
    for other in (replace(process, started=process.started - 1), replace(process, boot="another")):
        assert not other.is_running()
        assert not other.kill()
    assert child.poll() is None
    child.kill()
    child.wait()


def test_one_that_waits_to_be_reaped_does_not_run() -> None:
    child = sleeper()
    process = Process.of(child.pid)
    assert process is not None
    process.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process.is_running()
    child.wait()


def test_descendants_are_found() -> None:
    child = sleeper()
    assert child.pid in [process.pid for process in processes.descendants(os.getpid())]
    child.kill()
    child.wait()


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    assert processes.recorded(path) == []
    written = [Process(1, 2, "boot"), Process(3, 4, "boot")]
    processes.record(path, written)
    assert processes.recorded(path) == written


@given(st.binary(max_size=80))
def test_any_record_is_processes_or_malformed(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("record") / "processes.json"
    path.write_bytes(data)
    try:
        assert isinstance(processes.recorded(path), list)
    except Malformed:
        return
