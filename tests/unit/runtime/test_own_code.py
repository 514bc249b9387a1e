"""What Ray's jail shows of this Python: also the links by which an environment finds its interpreter."""

import sys
from pathlib import Path

import pytest

from fabric.runtime import jail


def test_the_links_to_the_interpreter_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version manager links ``python3.11`` from a folder that is no prefix of anything."""
    real = Path(sys.executable).resolve()
    (tmp_path / "manager").mkdir()
    (tmp_path / "manager/python3.11").symlink_to(real)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3.11").symlink_to("../manager/python3.11")
    (tmp_path / "bin/python").symlink_to("python3.11")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    assert {str(tmp_path / "bin/python3.11"), str(tmp_path / "manager/python3.11"), str(real)} <= set(jail.own_code())
