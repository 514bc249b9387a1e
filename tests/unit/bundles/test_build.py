"""Building: reproducible, from a project folder; what is wrong with a project is said in one sentence."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from fabric.bundles import archive
from fabric.bundles.build import build
from fabric.core.errors import AuthorError, FabricError, Malformed
from tests.support.projects import BAD, COLD_CHAIN, FINGERPRINT, SOURCE, TOML, built, write_project


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    """Another folder, other times, other modes, other order of the files on disk."""
    copy = tmp_path / "elsewhere"
    shutil.copytree(COLD_CHAIN, copy, copy_function=shutil.copyfile)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    assert build(copy).wheel == built(COLD_CHAIN).wheel


def test_methods_are_derived_from_the_class() -> None:
    methods = built(COLD_CHAIN).bundle.manifest.methods
    assert list(methods) == ["judge"]
    assert methods["judge"]["input"] is None
    output = methods["judge"]["output"]
    assert isinstance(output, dict)
    assert {"accepted", "mean_kinetic_millicelsius"} <= set(output["properties"])  # type: ignore[arg-type]


def test_only_listed_modules_go_in() -> None:
    names = {name for name in archive.read(built(COLD_CHAIN).wheel) if ".dist-info/" not in name}
    expected = {"__init__.py", "judge.py", "kinetics.py", "logger_file.py", "series.py"}
    assert names == {f"cold_chain/{name}" for name in expected}


@pytest.mark.parametrize("project", [COLD_CHAIN, FINGERPRINT, BAD], ids=lambda project: project.name)
def test_the_bundles_of_this_tree_are_built(project: Path) -> None:
    assert built(project).bundle.manifest.project.cryptlet.entry


def test_a_changed_source_is_another_measurement(tmp_path: Path) -> None:
    first = build(write_project(tmp_path / "a"))
    second = build(write_project(tmp_path / "b", source=SOURCE.replace("Hello", "Hallo")))
    assert first.bundle.measurement != second.bundle.measurement
    assert first.filename == second.filename == "greeter-1.0.0-py3-none-any.whl"


def test_sources_may_lie_in_a_root(tmp_path: Path) -> None:
    write_project(tmp_path, toml=TOML.replace("[source]", '[source]\nroot = "src/greeter"'))
    (tmp_path / "src/greeter").mkdir(parents=True)
    (tmp_path / "__init__.py").rename(tmp_path / "src/greeter/__init__.py")
    assert list(build(tmp_path).bundle.modules) == ["greeter/__init__.py"]


@pytest.mark.parametrize(
    ("toml", "source", "error", "message"),
    [
        (TOML, SOURCE.replace("def greet", "async def greet"), AuthorError, "__init__.py:13): it is `async`"),
        (TOML, SOURCE + "\n1 +\n", AuthorError, "__init__.py:18: invalid syntax"),
        (TOML, SOURCE + "\nimport missing\n", AuthorError, "No module named 'missing'"),
        (TOML, SOURCE + "\nfrom . import left_out\n", AuthorError, "left_out"),
        (TOML, SOURCE + "\nraise SystemExit(3)\n", AuthorError, "SystemExit: 3"),
        (TOML, SOURCE + "\nimport os\nos._exit(3)\n", AuthorError, "ended its process (3)"),
        (TOML, SOURCE.replace("\n", "\r\n"), AuthorError, "carriage returns"),
        (TOML, SOURCE + "\0", AuthorError, "null byte"),
        (TOML.replace("Greeter", "Greter"), SOURCE, AuthorError, "did you mean 'Greeter'"),
        (TOML.replace("utility", "contract"), SOURCE, AuthorError, "derive it from ContractCryptlet"),
        (
            TOML.replace("__init__.py", "__init__.py', 'no.py").replace('"', "'"),
            SOURCE,
            AuthorError,
            "no.py: cannot be",
        ),
        (TOML.replace("strict", "perhaps"), SOURCE, Malformed, "determinism.mode"),
        (TOML.replace("{package}", "json"), SOURCE, AuthorError, "module of Python itself"),
    ],
)
def test_what_is_wrong_is_said(toml: str, source: str, error: type[FabricError], message: str, tmp_path: Path) -> None:
    write_project(tmp_path, toml=toml)
    (tmp_path / "__init__.py").write_bytes(source.encode())
    with pytest.raises(error) as refusal:
        build(tmp_path)
    assert message in str(refusal.value)


def test_what_a_module_prints_does_not_disturb(tmp_path: Path) -> None:
    assert build(write_project(tmp_path, source=SOURCE + "\nprint('{}')\n")).bundle.manifest.methods.keys() == {"greet"}


def test_a_folder_without_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match=r"cryptlet\.toml: cannot be read: No such file"):
        build(tmp_path)


def test_links_are_refused(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    (tmp_path / "outside.py").write_text(SOURCE)
    (project / "__init__.py").unlink()
    (project / "__init__.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(AuthorError, match="a link"):
        build(project)


def test_nothing_of_the_builder_is_imported_here(tmp_path: Path) -> None:
    build(write_project(tmp_path, name="never-imported"))
    assert "never_imported" not in sys.modules
