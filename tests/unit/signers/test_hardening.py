"""Hardening, in processes of its own: what it sets, and when it refuses to go on."""

import os
import subprocess
import sys

HARDEN = "import os; from fabric.signers.hardening import *; harden(os.getppid()); "


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a child process."""
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=False, text=True)


def test_a_hardened_process_is_not_dumpable_and_dumps_no_core() -> None:
    done = run(
        HARDEN + "import ctypes, resource; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),"
        " resource.getrlimit(resource.RLIMIT_CORE), oct(os.umask(0)))"
    )
    assert done.stdout == "0 (0, 0) 0o77\n"


def test_it_stays_so_in_renewed_memory() -> None:
    done = run(HARDEN + "renew_memory(); import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))")
    assert (done.stdout, done.returncode) == ("0\n", 0)


def test_the_guardian_ends_as_its_child_ends() -> None:
    assert run(HARDEN + "renew_memory(); os._exit(7)").returncode == 7
    assert run(HARDEN + "renew_memory(); os.kill(os.getpid(), 9)").returncode == 128 + 9


def test_another_parent_is_refused() -> None:
    done = run("from fabric.signers.hardening import *; harden(1)")
    if os.getpid() != 1:
        assert "is gone" in done.stderr


def test_privileges_do_not_come_back() -> None:
    status = "print([line for line in open('/proc/self/status') if line.startswith(('CapPrm', 'CapEff', 'NoNew'))])"
    done = run(HARDEN + f"drop_privileges(); os.execl('{sys.executable}', 'python', '-c', \"\"\"{status}\"\"\")")
    assert done.stdout.count("0000000000000000") == 2, done.stderr
    assert "NoNewPrivs:\\t1" in done.stdout


def test_a_process_with_threads_keeps_its_privileges_from_nobody() -> None:
    thread = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start(); "
    done = run(HARDEN + thread + "drop_privileges()")
    assert "threads" in done.stderr
