"""No committed file names a package registry's host, a path of some machine, or holds a key."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.tree import files, shown

# Taken apart, so that this file passes its own test.
HOSTS: Final = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("crates", "io"),
    ("proxy.golang", "org"),
    ("repo.maven.apache", "org"),
    ("repo1.maven", "org"),
    ("deb.debian", "org"),
)
FORBIDDEN: Final = {
    "registry host": re.compile("|".join(re.escape(".".join(parts)) for parts in HOSTS)),
    "path of a machine": re.compile(r"(?<![\w./-])/(?:root|work|home/[a-z]+)/"),
    "private key": re.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_committed_file_has_a(what: str) -> None:
    assert [place for path in files() for place in _places(path, FORBIDDEN[what])] == []


def _places(path: Path, pattern: re.Pattern[str]) -> list[str]:
    """Returns where a text file matches; other files hold no sentence to look for."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return []
    return [f"{shown(path)}:{number}" for number, line in enumerate(text.splitlines(), start=1) if pattern.search(line)]
