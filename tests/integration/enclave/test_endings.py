"""How an enclave ends: with its signing child, with its launcher, and never by halves."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from fabric.core.errors import PlatformError
from fabric.enclave.launch import EnclaveProcess, launch
from tests.support.enclaves import config
from tests.support.endings import Ending, children

pytestmark = pytest.mark.sandbox
LAUNCHER = """\
import asyncio, json, sys
from pathlib import Path
from fabric.enclave.launch import launch
from tests.support.enclaves import config

async def main():
    folder = Path(sys.argv[1])
    process = await launch(folder / "e", config(folder))
    print(json.dumps([process.spawned.process.pid, process.pid]), flush=True)
    await process.wait()

asyncio.run(main())
"""


async def test_when_the_signing_child_is_killed_the_enclave_ends(doomed: EnclaveProcess) -> None:
    ending = Ending(doomed.pid)
    os.kill(children(doomed.pid)[0], signal.SIGKILL)
    assert await doomed.wait() == 3
    assert ending.wait()
    with pytest.raises(PlatformError):
        await doomed.describe()


async def test_when_the_enclave_is_killed_everything_below_it_ends(doomed: EnclaveProcess) -> None:
    endings = [Ending(pid) for pid in children(doomed.pid)]
    os.kill(doomed.pid, signal.SIGKILL)
    assert all([await asyncio.to_thread(ending.wait) for ending in endings])
    assert await doomed.wait() == 128 + signal.SIGKILL


async def test_when_its_launcher_is_killed_the_enclave_ends(tmp_path: Path) -> None:
    launcher = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LAUNCHER, str(tmp_path)), stdout=asyncio.subprocess.PIPE, cwd=Path.cwd()
    )
    assert launcher.stdout is not None
    guardian, enclave = json.loads(await launcher.stdout.readline())
    endings = [Ending(pid) for pid in (guardian, enclave, *children(enclave))]
    launcher.kill()
    await launcher.wait()
    assert all([await asyncio.to_thread(ending.wait) for ending in endings])


async def test_sigterm_ends_it_in_order(doomed: EnclaveProcess) -> None:
    doomed.spawned.process.terminate()
    assert await doomed.wait() == 0


async def test_an_attester_key_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    attester = config(tmp_path).attester_key
    attester.write_text("nonsense")
    attester.chmod(0o600)
    with pytest.raises(PlatformError, match="expected 64 hexadecimal digits"):
        await launch(tmp_path / "e", config(tmp_path))
