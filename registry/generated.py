"""Generated files: written from the code that they describe, or held against it."""

import sys
from pathlib import Path


def write_or_check(target: Path, text: str, arguments: list[str]) -> int:
    """Writes a generated file, or with ``--check`` among the arguments compares; returns 1 where it differs."""
    if "--check" not in arguments:
        target.write_text(text)
        return 0
    if not target.exists() or target.read_text() != text:
        sys.stderr.write(f"{target.name} is stale: make gen\n")
        return 1
    return 0
