"""Ctrl-C and SIGTERM end a command that has not got to its work yet."""

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fabric.cli.stopping import until_told

CONFIG = """
state = "{state}"
[ledgers.far]
kind = "ethereum"
embedded = false
options = {{ url = "http://127.0.0.1:{port}", timeout_seconds = 30 }}
"""


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_fabric_that_still_waits_for_a_ledger_can_be_stopped(tmp_path: Path, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = tmp_path / "fabric.toml"
        config.write_text(CONFIG.format(state=tmp_path / "state", port=silent.getsockname()[1]))
        command = [sys.executable, "-m", "fabric.cli.main", "up", "--config", str(config)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            silent.settimeout(60)
            with silent.accept()[0]:  # it has asked, and is not answered
                process.send_signal(number)
                # Had it gone on, it would end by itself, with the error that the ledger does not answer.
                assert process.wait(60) == 0, process.stderr and process.stderr.read()
        finally:
            process.kill()
            process.communicate()


async def test_a_second_signal_does_not_break_into_the_end() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0.05)
            ended.append("in order")

    await until_told(work())
    assert ended == ["in order"]


async def test_an_error_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await until_told(work())
