"""``cryptlet verify``: 0 accepted, 3 refused, 2 unreadable; one sentence that nothing in the file can forge."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fabric.cli.main import main
from fabric.cli.plain import plain
from fabric.core.canonical import MAX_DEPTH
from fabric.trust.proof import Proof
from tests.support.proofs import Recipe, policy


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "policy.json").write_bytes(policy().encode())
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["cryptlet", *map(str, arguments)])
    return main()


def write(folder: Path, proof: Proof | bytes) -> Path:
    path = folder / "a.proof.json"
    path.write_bytes(proof if isinstance(proof, bytes) else proof.encode())
    return path


def test_accepted(state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(state, Recipe().make())
    assert run(monkeypatch, "verify", path, "--state", state) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "accepted"
    assert "cold-chain@1.0.0" in out
    assert "operator-final" in out
    assert err == ""


def test_what_was_granted_is_shown(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for binding, shown in (({}, False), ({"capabilities": ["native"]}, True)):
        path = write(state, Recipe(binding=binding).make())
        assert run(monkeypatch, "verify", path, "--state", state) == 0
        assert ("  granted      native" in capsys.readouterr().out.splitlines()) is shown


def test_accepted_as_json(state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(state, Recipe().make())
    assert run(monkeypatch, "verify", path, "--policy", state / "policy.json", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["accepted"] is True
    assert (document["status"], document["source"], document["assurance"]) == ("operator-final", "proven", "software")
    assert document["output"] == {"accepted": True, "mean": 5123}


def test_refused(state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(state, replace(Recipe().make(), output={"accepted": False, "mean": 5123}))
    assert run(monkeypatch, "verify", path, "--state", state) == 3
    out, _ = capsys.readouterr()
    assert out == "refused at step 2 (statement): the output is not the one whose digest the record carries\n"
    assert run(monkeypatch, "verify", path, "--state", state, "--json") == 3
    document = json.loads(capsys.readouterr().out)
    assert (document["accepted"], document["step"], document["number"]) == (False, "statement", 2)


def test_consistent_and_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, Recipe().make())
    assert run(monkeypatch, "verify", path, "--state", tmp_path / "nowhere") == 3
    assert capsys.readouterr().out == "refused at step 10 (policy): consistent, not trusted: no policy was given\n"


@pytest.mark.parametrize(
    "data",
    [b"", b"no json", b"{", b"\xff", b"[" * 100_000, b" " * ((16 << 20) + 1)],
    ids=["empty", "text", "cut", "bytes", "deep", "long"],
)
def test_unreadable(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    assert run(monkeypatch, "verify", write(state, data), "--state", state) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_a_file_that_is_not_there_is_unreadable(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "verify", state / "missing", "--state", state) == 2
    assert "missing: cannot be read: No such file" in capsys.readouterr().err
    path = write(state, Recipe().make())
    assert run(monkeypatch, "verify", path, "--policy", state / "no.json") == 2
    assert run(monkeypatch, "verify", path, "--policy", path) == 2


def test_the_deepest_proof_is_readable(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert run(monkeypatch, "verify", write(state, Recipe(input=deep).make()), "--state", state) == 0


@pytest.mark.parametrize("data", [b"{}", b"null", b"[1, 2]", b'{"format":"cryptlet-fabric/proof/v1"}'])
def test_json_that_is_no_proof_is_refused(state: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    assert run(monkeypatch, "verify", write(state, data), "--state", state) == 3


def test_a_file_cannot_forge_the_verdict(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that clears the line and writes another verdict stays a name."""
    name = "\x1b[2K\raccepted\n"
    proof = Recipe(publication={"name": name}, statement={"cryptlet": "another"}).make()
    assert run(monkeypatch, "verify", write(state, proof), "--state", state) == 3
    out, _ = capsys.readouterr()
    assert "\x1b" not in out
    assert "\r" not in out
    assert out.count("\n") == 1
    assert plain(name) == r"\x1b[2K\raccepted\n"
    assert plain("Zürich 5 °C") == "Zürich 5 °C"


def test_the_command_as_it_is_installed(state: Path) -> None:
    """Exit codes of a real process, once for each."""
    good = write(state, Recipe().make())
    command = [sys.executable, "-m", "fabric.cli.main", "verify", str(good), "--state", str(state)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    good.write_bytes(good.read_bytes().replace(b'"mean":5123', b'"mean":5122'))
    assert subprocess.run(command, check=False, capture_output=True).returncode == 3
    good.write_bytes(b"no json")
    assert subprocess.run(command, check=False, capture_output=True).returncode == 2
