"""The state folder: one fabric at a time, what is made once stays, private files are private."""

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fabric.core.errors import ConfigError, Malformed
from fabric.gateway.endpoint import KEY_FILE, read_api_key
from fabric.gateway.state import open_state


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_second_fabric_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    first = open_state(tmp_path / "state")
    with pytest.raises(ConfigError, match="in use by a running fabric"):
        open_state(tmp_path / "state")
    first.lock.close()
    open_state(tmp_path / "state").lock.close()


def test_the_lock_ends_with_the_process(tmp_path: Path) -> None:
    """Also with one that was killed: the kernel lets go of it."""
    program = """
import os, sys
from pathlib import Path
from fabric.gateway.state import open_state
state = open_state(Path(sys.argv[1]))
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == -9
    open_state(tmp_path).lock.close()


@pytest.mark.parametrize("blocked", ["file", "readonly"])
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, blocked: str) -> None:
    (tmp_path / "file").write_text("")
    if blocked == "readonly" and os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (tmp_path / "readonly").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match=f"{blocked}.*choose another with --state"):
        open_state(tmp_path / blocked / "state")


def test_the_id_is_made_once(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    name = state.fabric_id()
    assert state.fabric_id() == name
    assert len(name) == 32
    state.lock.close()
    again = open_state(tmp_path)
    assert again.fabric_id() == name
    again.lock.close()


def test_epochs_only_grow(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    assert [state.next_epoch() for _ in range(3)] == [1, 2, 3]
    state.lock.close()
    again = open_state(tmp_path)
    assert again.next_epoch() == 4
    again.lock.close()


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5"])
def test_a_spoiled_epoch_is_an_error_and_not_a_second_first_one(tmp_path: Path, text: str) -> None:
    state = open_state(tmp_path)
    (tmp_path / "epoch").write_text(text)
    with pytest.raises(ConfigError, match="epoch"):
        state.next_epoch()
    state.lock.close()


def test_a_spoiled_id_is_an_error(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    (tmp_path / "fabric-id").write_text("short")
    with pytest.raises(Malformed, match="fabric-id"):
        state.fabric_id()
    state.lock.close()


def test_keys_are_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRYPTLET_API_KEY", raising=False)
    state = open_state(tmp_path)
    digest = state.local_key_digest()
    assert mode(tmp_path / "keys") == 0o700
    assert mode(tmp_path / KEY_FILE) == 0o600
    assert hashlib.sha256(read_api_key(tmp_path).encode()).hexdigest() == digest == state.local_key_digest()
    state.lock.close()


def test_everything_lies_in_the_folder(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    paths = [state.keys, state.appraiser, state.database, state.blobs, state.policy, state.endpoint]
    paths += [state.enclaves, state.ray, state.ledger("native")]
    assert len(set(paths)) == len(paths)
    assert all(path.is_relative_to(tmp_path) for path in paths)
    state.lock.close()


def test_the_folder_is_private_whoever_made_it(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    for place in (tmp_path / "state", tmp_path / "deep" / "state"):
        open_state(place).lock.close()
        assert mode(place) == 0o700


@pytest.mark.parametrize("text", [b"", b"\n", b"short", b"\xff\xfe"])
def test_a_spoiled_key_lets_nobody_in(tmp_path: Path, text: bytes) -> None:
    state = open_state(tmp_path)
    state.local_key_digest()
    (tmp_path / KEY_FILE).write_bytes(text)
    with pytest.raises(ConfigError, match=r"local-caller\.key"):
        state.local_key_digest()
    state.lock.close()


def test_what_is_made_once_survives_a_loss_of_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())

    monkeypatch.setattr(os, "fsync", fsync)
    state = open_state(tmp_path)
    assert state.next_epoch() == 1
    assert synced == [tmp_path / "epoch.draft", tmp_path]  # the bytes, then the name
    state.lock.close()
