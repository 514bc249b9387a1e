"""Words of names: how namespaces, cryptlets and versions are spelled."""

import re
from typing import Final

from fabric.core.errors import Malformed

MAX_NAME: Final = 64
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_VERSION: Final = re.compile(
    r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})((a|b|rc)([1-9][0-9]{0,3}))?"
)
Rank = tuple[int, tuple[int, ...], str, int]


def check_name(text: str, what: str) -> str:
    """Returns the text if it is words of a-z and 0-9 joined by ``-``; raises ``Malformed``."""
    if len(text) > MAX_NAME or not _NAME.fullmatch(text):
        expected = f"words of a-z and 0-9 joined by '-', beginning with a letter, at most {MAX_NAME} characters"
        raise Malformed(what, f"expected {expected}, got {ascii(text)[:80]}")
    return text


def rank(version: str) -> Rank:
    """Returns what versions are ordered by: every release stands above every pre-release; raises ``Malformed``."""
    found = _VERSION.fullmatch(version)
    if not found:
        raise Malformed("version", f"expected 1.2.3, or 1.2.3rc1 before a release, got {ascii(version)[:40]}")
    numbers = tuple(int(part) for part in found.group(1, 2, 3))
    return int(found.group(4) is None), numbers, found.group(5) or "", int(found.group(6) or 0)
