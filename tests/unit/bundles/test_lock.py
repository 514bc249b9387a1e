"""Locked dependencies: named by hash, part of the measurement, pure, and hiding nothing."""

import io
import zipfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.bundles import archive
from fabric.bundles.build import build
from fabric.bundles.bundle import NO_DEPENDENCIES, read_bundle
from fabric.bundles.lint import lint
from fabric.bundles.lock import Dependency, import_names, lock_of, take_wheels
from fabric.bundles.manifest import parse_project
from fabric.bundles.rebuild import check_reproducible
from fabric.core import canonical
from fabric.core.errors import AuthorError, Malformed
from fabric.core.ids import sha256
from fabric.trust.publication import measure
from tests.support.locked import SPELLER, foreign_wheel, locked_toml, write_locked
from tests.support.projects import TOML

WHEEL: Final = foreign_wheel()
FILENAME: Final = "speller-2.1-py3-none-any.whl"


def _dependency(wheel: bytes = WHEEL, name: str = "speller") -> Dependency:
    filename = f"{name}-2.1-py3-none-any.whl"
    return Dependency(name=name, version="2.1", sha256=sha256(wheel).hex(), filename=filename)


def test_a_lock_is_part_of_the_measurement(tmp_path: Path) -> None:
    built = build(write_locked(tmp_path))
    lock = canonical.encode(
        [{"filename": FILENAME, "name": "speller", "sha256": sha256(WHEEL).hex(), "version": "2.1"}]
    )
    assert built.bundle.lock_digest == sha256(lock) != NO_DEPENDENCIES
    assert built.bundle.measurement == measure(sha256(built.wheel), sha256(lock))
    assert archive.read(built.wheel)["greeter-1.0.0.dist-info/lock.json"] == lock
    assert built.dependencies == {FILENAME: WHEEL}
    check_reproducible(built, tmp_path)


def test_the_lock_must_follow_from_the_manifest(tmp_path: Path) -> None:
    entries = archive.read(build(write_locked(tmp_path)).wheel)
    folder = "greeter-1.0.0.dist-info"
    for change in ({f"{folder}/lock.json": b"[]"}, {"greeter/more.py": b""}):
        with pytest.raises(Malformed):
            read_bundle(archive.write({**entries, **change}))
    without = {name: content for name, content in entries.items() if not name.endswith("lock.json")}
    with pytest.raises(Malformed, match=r"lock\.json: not in the wheel"):
        read_bundle(archive.write(without))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"speller"', '"Speller"', "dependencies.0.name"),
        ('"2.1"', '"2.2"', "is not called after speller 2.2"),
        ('"speller-2.1', '"spell-2.1', "is not called after speller 2.1"),
        ("py3-none-any", "cp311-cp311-linux_x86_64", "dependencies.0.filename"),
        ("speller-2.1-py3", "../speller-2.1-py3", "dependencies.0.filename"),
        (".whl", ".tar.gz", "dependencies.0.filename"),
        ("version", "sha265 = 1\nversion", "dependencies.0.sha265: unknown key - did you mean 'sha256'?"),
        ('sha256 = "', 'sha256 = "0', "dependencies.0.sha256"),
    ],
)
def test_a_wrong_lock_names_its_key(old: str, new: str, reason: str) -> None:
    head, _, table = locked_toml(WHEEL, TOML.format(name="greeter", version="1.0.0", package="greeter")).partition("[[")
    with pytest.raises(Malformed) as refusal:
        parse_project(f"{head}[[{table.replace(old, new)}".encode())
    assert reason in str(refusal.value)


def test_nothing_is_listed_twice() -> None:
    toml = TOML.format(name="greeter", version="1.0.0", package="greeter")
    with pytest.raises(Malformed, match="a dependency is listed twice"):
        parse_project(locked_toml(WHEEL, locked_toml(WHEEL, toml)).encode())


def test_the_order_of_the_author_does_not_count() -> None:
    one, two = _dependency(), _dependency(b"2", "another")
    assert lock_of([one, two]) == lock_of([two, one])
    assert lock_of([]) == b"[]"


def test_only_what_is_locked_is_taken() -> None:
    other = foreign_wheel({"words/__init__.py": b""})
    assert take_wheels([_dependency()], [WHEEL], "greeter") == {FILENAME: WHEEL}
    with pytest.raises(Malformed, match=f"no wheel with SHA-256 {sha256(WHEEL).hex()} was given"):
        take_wheels([_dependency()], [other], "greeter")
    with pytest.raises(Malformed, match="1 wheels are locked, 2 were given"):
        take_wheels([_dependency()], [WHEEL, other], "greeter")
    with pytest.raises(Malformed, match="0 wheels are locked, 1 were given"):
        take_wheels([], [WHEEL], "greeter")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"speller/fast.so": b""}, "not pure"),
        ({"speller/fast.PYD": b""}, "not pure"),
        ({"evil.pth": b"import os"}, "not pure"),
        ({"speller/model.pkl": b""}, "not pure"),
        ({"speller-2.1.data/scripts/run": b""}, "not pure"),
        ({"../evil.py": b""}, "leaves the folder"),
        ({"/evil.py": b""}, "leaves the folder"),
        ({"a\\b.py": b""}, "leaves the folder"),
        ({"json/__init__.py": b""}, "brings 'json', which stands in a container already"),
        ({"pydantic.py": b""}, "brings 'pydantic'"),
        ({"fabric/sdk/__init__.py": b""}, "brings 'fabric'"),
        ({"greeter/__init__.py": b""}, "brings 'greeter', which the bundle or another dependency has too"),
    ],
)
def test_a_wheel_that_is_not_pure_or_hides_something_is_refused(files: dict[str, bytes], reason: str) -> None:
    wheel = foreign_wheel({**SPELLER, **files})
    with pytest.raises(Malformed) as refusal:
        take_wheels([_dependency(wheel)], [wheel], "greeter")
    assert reason in str(refusal.value)


def test_two_dependencies_may_not_hide_each_other() -> None:
    one, two = foreign_wheel(), foreign_wheel({**SPELLER, "more.py": b""})
    with pytest.raises(Malformed, match="brings 'speller'"):
        take_wheels([_dependency(one), _dependency(two, "other")], [one, two], "greeter")


def test_links_bombs_and_crowds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        link = zipfile.ZipInfo("speller/link.py")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    with pytest.raises(Malformed, match="a link"):
        import_names(buffer.getvalue(), FILENAME)
    with pytest.raises(Malformed, match="bytes unpacked"):
        import_names(foreign_wheel({"speller/zeros.bin": bytes((64 << 20) + 1)}), FILENAME)
    with pytest.raises(Malformed, match="files, none twice"):
        import_names(foreign_wheel({f"speller/m{number}.py": b"" for number in range(4096)}), FILENAME)
    monkeypatch.setattr("fabric.bundles.lock.MAX_WHEEL_BYTES", 10)
    with pytest.raises(Malformed, match="at most 10 bytes"):
        import_names(WHEEL, FILENAME)


@given(st.integers(0, len(WHEEL) - 1), st.binary(max_size=4))
def test_any_bytes_give_names_or_malformed(at: int, put: bytes) -> None:
    for candidate in (put, WHEEL[:at] + put + WHEEL[at + 1 :], WHEEL[:at]):
        try:
            assert isinstance(import_names(candidate, FILENAME), frozenset)
        except Malformed:
            continue


def test_a_project_without_its_wheel_is_told(tmp_path: Path) -> None:
    project = write_locked(tmp_path)
    (project / "wheels" / FILENAME).write_bytes(foreign_wheel({"speller/__init__.py": b"evil = 1\n"}))
    with pytest.raises(Malformed, match=r"no wheel with SHA-256 [0-9a-f]{64} was given"):
        build(project)
    (project / "wheels" / FILENAME).unlink()
    with pytest.raises(AuthorError, match=r"wheels/speller-2\.1-py3-none-any\.whl: cannot be read"):
        build(project)


def test_the_lint_knows_what_a_dependency_brings(tmp_path: Path) -> None:
    bundle = build(write_locked(tmp_path)).bundle
    project = bundle.manifest.project
    assert lint(bundle.modules, project, bundle.toml, frozenset({"speller"})) == ()
    assert lint(bundle.modules, project, bundle.toml, None) == ()
    (found,) = lint(bundle.modules, project, bundle.toml)
    assert (found.said, found.line) == ("imports speller", 4)
