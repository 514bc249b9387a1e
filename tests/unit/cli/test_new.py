"""``cryptlet new`` and ``test``: what is made passes its own tests and every check, as it was written."""

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from fabric.bundles.build import build
from fabric.bundles.lint import lint
from fabric.cli.main import main
from fabric.cli.scaffold import _TAKEN_CLASSES, TEMPLATES, Kind, project_of, write_project
from fabric.core.errors import Malformed, StoreError

NAMES: Final = {Kind.UTILITY: "order-total", Kind.CONTRACT: "order", Kind.RELAY: "claim-relay"}


@pytest.fixture(scope="module", params=list(Kind))
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kind = request.param
    folder = tmp_path_factory.mktemp(kind) / "project"
    write_project(folder, project_of(NAMES[kind], kind))
    return folder


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a module of this environment in a folder."""
    command = [sys.executable, "-W", "ignore", "-B", "-m", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, text=True)


@pytest.mark.slow
def test_it_passes_its_own_tests(project: Path) -> None:
    done = run(project, "fabric.cli.main", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.slow
def test_it_is_clean_under_its_own_settings(project: Path, tmp_path: Path) -> None:
    for arguments in (
        ["mypy", "--cache-dir", str(tmp_path)],
        ["ruff", "check", "--no-cache", "."],
        ["ruff", "format", "--no-cache", "--check", "."],
    ):
        done = run(project, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_can_be_built_and_its_example_fits(project: Path) -> None:
    bundle = build(project).bundle
    manifest = bundle.manifest
    assert lint(bundle.modules, manifest.project, bundle.toml) == ()
    assert bundle.readme == (project / "README.md").read_text()
    assert manifest.project.cryptlet.licence == "Apache-2.0"
    (example,) = (project / "examples").iterdir()
    for method in manifest.methods.values():
        schema = method["input"]
        assert isinstance(schema, dict)
        assert set(json.loads(example.read_text())) == set(schema["properties"])  # type: ignore[arg-type]
    assert manifest.project.cryptlet.kind == ("contract" if manifest.title.startswith("order@") else "utility")


def test_an_editor_finds_its_settings(project: Path) -> None:
    for name in ("settings.json", "extensions.json", "cryptlet.schema.json"):
        assert json.loads((project / ".vscode" / name).read_text())
    settings = tomllib.loads((project / "pyproject.toml").read_text())["tool"]
    assert settings["pyright"]["typeCheckingMode"] == "strict"
    assert settings["mypy"]["strict"] is True
    schema = (project / "cryptlet.toml").read_text().splitlines()[0].removeprefix("#:schema ")
    assert (project / schema).is_file()
    assert next(project.rglob("py.typed")).is_file()


def test_a_class_never_has_the_name_of_a_model() -> None:
    used = set()
    for template in TEMPLATES.rglob("service.py.tmpl"):
        tree = ast.parse(template.read_text().replace("$class_name", "Own"))
        used |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)} - {"Own"}
        used |= {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
    assert {name for name in used if name[0].isupper()} == _TAKEN_CLASSES
    assert project_of("order", Kind.UTILITY).class_name == "OrderService"


@pytest.mark.parametrize(
    ("name", "rule", "other"),
    [
        ("Order Total", "words of a-z and 0-9", "order-total"),
        ("order_total", "words of a-z and 0-9", "order-total"),
        ("1st", "beginning with a letter", "my-1st"),
        ("a--b", "joined by -", "a-b"),
        ("", "words of a-z", "cryptlet"),
        ("ü" * 70, "64 letters at most", "cryptlet"),
        ("x" * 65, "64 letters at most", "x" * 55),
        ("class", "a word or a module of Python", "my-class"),
        ("json", "a word or a module of Python", "my-json"),
        ("fabric", "package that is installed", "my-fabric"),
        ("pytest", "package that is installed", "my-pytest"),
    ],
    ids=lambda one: one[:12],
)
def test_a_bad_name_is_refused_with_one_that_would_do(name: str, rule: str, other: str) -> None:
    with pytest.raises(Malformed) as refusal:
        project_of(name, Kind.UTILITY)
    assert rule in str(refusal.value)
    assert f"{other!r} would do" in str(refusal.value)
    project_of(other, Kind.UTILITY)


def test_a_folder_with_something_in_it_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes").write_text("mine")
    for options, expected in (([], 0), ([], 3), (["--folder", "mine"], 3), (["--folder", "mine/notes"], 3)):
        monkeypatch.setattr(sys, "argv", ["cryptlet", "new", "a-b", *options])
        assert main() == expected
    told = capsys.readouterr()
    assert "next: cryptlet test a-b" in told.out
    assert "mine: the folder is not empty and stays as it is; choose another with --folder" in told.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-b", "mine"]
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes"]


def test_a_project_is_one_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cryptlet", "new", "a-b", "--contract", "--relay"])
    assert main() == 2
    assert "leave --contract or --relay out" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_it_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path, *__: object, **___: object) -> int:
        raise OSError(28, "No space left on device", "cryptlet.toml")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StoreError, match="No space left"):
        write_project(tmp_path / "project", project_of("a-b", Kind.UTILITY))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_failing_test_and_a_missing_project_are_told(tmp_path: Path) -> None:
    write_project(tmp_path / "p", project_of("a-b", Kind.UTILITY))
    tests = tmp_path / "p/tests/test_a_b.py"
    tests.write_text(tests.read_text() + "\n\ndef test_no() -> None:\n    assert 1 == 2\n")
    done = run(tmp_path, "fabric.cli.main", "test", "p")
    assert (done.returncode, "1 failed" in done.stdout) == (1, True)
    done = run(tmp_path, "fabric.cli.main", "test", "p", "-k", "nothing")
    assert (done.returncode, "no test was found" in done.stderr) == (2, True)
    tests.write_text("import nothing_of_that_name\n")
    done = run(tmp_path, "fabric.cli.main", "test", "p")
    assert (done.returncode, "a test file cannot be imported" in done.stderr) == (2, True)
    done = run(tmp_path, "fabric.cli.main", "test")
    assert (done.returncode, "is no project" in done.stderr) == (2, True)


def test_a_missing_pytest_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_project(tmp_path / "p", project_of("a-b", Kind.UTILITY))
    monkeypatch.setattr("importlib.util.find_spec", _without_pytest)
    monkeypatch.setattr("fabric.cli.shadows.refuse_shadowed_packages", lambda: None)
    monkeypatch.setattr(sys, "argv", ["cryptlet", "test", str(tmp_path / "p")])
    assert main() == 2
    told = capsys.readouterr().err
    assert "pytest is not installed" in told
    assert "pip install 'cryptlet-fabric[test]'" in told


def _without_pytest(name: str) -> object:
    return None if name == "pytest" else object()
