"""Words of versions: how they are spelled and ordered."""

import re
from typing import Final

from fabric.core.errors import Malformed

_VERSION: Final = re.compile(
    r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})((a|b|rc)([1-9][0-9]{0,3}))?"
)
Rank = tuple[int, tuple[int, ...], str, int]


def rank(version: str) -> Rank:
    """Returns what versions are ordered by: every release stands above every pre-release; raises ``Malformed``."""
    found = _VERSION.fullmatch(version)
    if not found:
        raise Malformed("version", f"expected 1.2.3, or 1.2.3rc1 before a release, got {ascii(version)[:40]}")
    numbers = tuple(int(part) for part in found.group(1, 2, 3))
    return int(found.group(4) is None), numbers, found.group(5) or "", int(found.group(6) or 0)
