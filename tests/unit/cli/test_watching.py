"""Watching a project: what counts as a change, and that a save in several steps is one change."""

import os
from pathlib import Path

import pytest

from fabric.cli import watching
from fabric.cli.watching import Look, look, next_change


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0)


def test_sources_and_the_input_are_looked_at(tmp_path: Path) -> None:
    for name in ("cryptlet.toml", "src/a.py", "src/py.typed", ".venv/b.py", "src/__pycache__/c.py", "notes.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    given = tmp_path / "given.json"
    given.write_text("{}")
    seen = look(tmp_path, [given, tmp_path / "missing"])
    assert {path.name for path in seen} == {"cryptlet.toml", "a.py", "py.typed", "given.json"}


def test_a_change_a_new_file_and_a_removed_one_are_seen(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("x")
    first = look(tmp_path)
    os.utime(source, ns=(1, 1))
    second = look(tmp_path)
    (tmp_path / "b.py").write_text("y")
    third = look(tmp_path)
    source.unlink()
    assert len({str(each) for each in (first, second, third, look(tmp_path))}) == 4


async def test_a_save_in_several_steps_is_one_change() -> None:
    a, b = Path("a.py"), Path("b.py")
    old: Look = {a: (1, 1)}
    new: Look = {a: (2, 9), b: (3, 1)}
    looks = [new, new, {a: (2, 0)}, {}, old, old]
    assert await next_change(old, looks.pop) == [a, b]
    assert looks == []
