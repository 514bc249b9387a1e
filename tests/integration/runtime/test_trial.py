"""The trial of Ray, and ``cryptlet doctor`` with everything that it starts: the real jail, Ray and token."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from fabric.core.errors import PlatformError
from fabric.runtime import trial
from fabric.runtime.token import Answer, ask, own_token
from tests.support.wheels import until

pytestmark = [pytest.mark.ray, pytest.mark.sandbox, pytest.mark.timeout(180)]

STARTED: Final = ("sandbox", "ray", "ray token")


def test_the_doctor_starts_the_sandbox_and_ray_and_tries_the_token(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f'state = "{tmp_path}/state"\ngateway.listen = "127.0.0.1:0"\n')
    command = [sys.executable, "-m", "fabric.cli.main", "doctor", "--config", str(tmp_path / "c.toml"), "--json"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.stderr == ""
    rows = {row["name"]: row for row in json.loads(done.stdout)["findings"]}
    assert [rows[name]["level"] for name in STARTED] == ["ok"] * 3, rows
    assert rows["ray token"]["said"] == ("without a token refused, with a wrong one refused, with its own answered")
    assert not (tmp_path / "state").exists(), "a doctor changes nothing"
    assert not [name for name in _commands() if "fabric.runtime.trial" in name and str(tmp_path) in name]


async def test_a_trial_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "START_SECONDS", 0.5)
    with pytest.raises(PlatformError, match="Ray did not start"):
        await trial.try_ray(tmp_path)
    await until(lambda: not [name for name in _commands() if str(tmp_path) in name])


def test_nobody_and_somebody_else_at_an_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert ask(f"127.0.0.1:{mute.getsockname()[1]}", "token") is Answer.SILENT
    assert ask("127.0.0.1:1", None) is Answer.SILENT


def test_where_a_token_comes_from(tmp_path: Path) -> None:
    (tmp_path / ".ray").mkdir()
    home = {"HOME": str(tmp_path)}
    assert own_token(home) is None
    (tmp_path / ".ray/auth_token").write_text("of the user\n")
    (tmp_path / "named").write_text("named\n")
    assert own_token(home) == "of the user"
    assert own_token({**home, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "named")}) == "named"
    assert own_token({**home, "RAY_AUTH_TOKEN": "given"}) == "given"


def _commands() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode(errors="replace"))
        except OSError:  # it ended
            continue
    return found
