"""Whatever is wrong with a command line, the answer is one message that says what, where and what next: no traceback.

The exit code is 2 for what cannot be read or is not there, 3 for what was read and refused.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from fabric.cli.main import main
from tests.support.projects import SOURCE, built, write_project

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in an empty folder; gives the exit code and all that it said."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["cryptlet", *arguments])
        code = main()
        told = capfd.readouterr()
        return code, told.out + told.err

    return run_command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", ["Usage: cryptlet", "verify", "build"]),
        ("verfiy proof.json", ["No such command 'verfiy'", "Did you mean 'verify'", "cryptlet --help"]),
        ("up --prt 3", ["No such option: --prt", "cryptlet up --help"]),
        ("invoke shipments judge", ["Missing argument", "cryptlet invoke --help"]),
        ("node up --name a --address b", ["--head", "--join ADDRESS:PORT", "give one of the two"]),
        ("node up --head --name a --address b", ["ray.token", "cryptlet node token FILE"]),
        ("node up --head --name a --address b --ports 1", ["--ports", "expected FIRST-LAST", "21000-21063"]),
        ("node token .", ["token file .", "exists"]),
        ("demo --shipments many", ["--shipments", "valid integer"]),
        ("demo --shipments 0", ["--shipments"]),
        ("verify nothing.json", ["nothing.json", "No such file"]),
        ("verify .", ["error: .", "directory"]),
        ("verify noise", ["noise", "no JSON text"]),
        ("verify empty.json --policy nothing.json", ["nothing.json", "No such file"]),
        ("build nowhere", ["nowhere/cryptlet.toml", "No such file"]),
        ("publish nothing.whl --registry r --key k", ["nothing.whl", "cryptlet build"]),
        ("publish noise --registry r --key k", ["noise", "cryptlet build"]),
        ("invoke shipments judge empty.json", ["no fabric runs on .state", "cryptlet up"]),
        ("invoke shipments judge nothing.csv", ["nothing.csv", "No such file"]),
        ("result zz", ["INVOCATION", "64 lower-case hexadecimal digits"]),
        (f"result {'ab' * 32}", ["no fabric runs on .state", "cryptlet up"]),
        ("bind nothing.toml", ["no fabric runs on .state", "cryptlet up"]),
        ("up --config nothing.toml", ["nothing.toml", "No such file"]),
        ("up --config noise", ["noise", "no TOML"]),
        ("up --config slip.toml", ["slip.toml", "unknown key 'stat'", "did you mean 'state'"]),
    ],
)
def test_a_wrong_use_is_told(run: Run, tmp_path: Path, arguments: str, said: list[str]) -> None:
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "noise").write_bytes(b"\x8f\x00 [[")
    (tmp_path / "slip.toml").write_text('stat = "here"')
    code, told = run(*arguments.split())
    assert code == 2
    assert [part for part in said if part not in told] == [], told
    assert "Traceback" not in told


def test_a_wrong_variable_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTLET_GATEWAY__LISEN", "here")
    code, told = run("up")
    assert (code, told.count("\n")) == (2, 1)
    assert "CRYPTLET_GATEWAY__LISEN: unknown key 'gateway.lisen' - did you mean 'listen'?" in told


def test_a_project_whose_class_is_wrong_is_refused(run: Run, tmp_path: Path) -> None:
    write_project(tmp_path / "project", source=SOURCE.replace("value: Name) -> Name", "value: int) -> Name"))
    code, told = run("build", "project")
    assert code == 2
    assert "greet" in told


def test_a_changed_wheel_is_not_published(run: Run, tmp_path: Path) -> None:
    wheel = bytearray(built(write_project(tmp_path / "project")).wheel)
    wheel[len(wheel) // 2] ^= 1
    (tmp_path / "changed.whl").write_bytes(wheel)
    code, told = run("publish", "changed.whl", "--registry", "registry", "--key", "key.pem")
    assert code == 2
    assert "changed.whl" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changed.whl", "project"]


def test_a_proof_in_another_spelling_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "proof.json").write_text("{ }")
    code, told = run("verify", "proof.json")
    assert code == 3
    assert "refused at step 1 (format)" in told
