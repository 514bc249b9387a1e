"""What a command reads: bounded, whatever the file is."""

import io
import sys
from pathlib import Path

import pytest

from fabric.cli.inputs import STANDARD_INPUT, read_input
from fabric.core.errors import Malformed


def test_a_file_and_standard_input_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").write_bytes(b"12345")
    assert read_input(tmp_path / "in", 5) == b"12345"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"12345")))
    assert read_input(STANDARD_INPUT, 5) == b"12345"


def test_what_is_too_long_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Malformed, match="/dev/zero: an input has at most 16777216 bytes"):
        read_input(Path("/dev/zero"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"123456")))
    with pytest.raises(Malformed, match="a body has at most 5 bytes"):
        read_input(STANDARD_INPUT, 5, "a body")
    with pytest.raises(Malformed, match="missing: cannot be read: No such file"):
        read_input(tmp_path / "missing")
