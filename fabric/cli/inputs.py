"""What a command reads on behalf of its user: a file, or standard input, and no more of it than can be of use."""

import sys
from pathlib import Path

from fabric.core.errors import Malformed

MAX_BYTES = 16 << 20
"""As long an input as a fabric takes (docs/spec/api.md)."""
STANDARD_INPUT = Path("-")


def read_input(path: Path, limit: int = MAX_BYTES, what: str = "an input") -> bytes:
    """Returns the bytes of a file, or of standard input for ``-``.

    Raises:
        Malformed: it cannot be read, or is longer than ``limit`` bytes.
    """
    try:
        if path == STANDARD_INPUT:
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with path.open("rb") as file:
                data = file.read(limit + 1)
    except OSError as error:
        raise Malformed(str(path), f"cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise Malformed(str(path), f"{what} has at most {limit} bytes")
    return data
