"""Files that a user names."""

from pathlib import Path

from fabric.core.errors import NotFound, Refused
from registry.book.bodies import MAX_WHEEL_BYTES


def read_wheel(path: Path) -> bytes:
    """Returns a wheel file; raises ``NotFound`` and ``Refused``."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_WHEEL_BYTES + 1)
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror or error}; `cryptlet build FOLDER` makes a wheel") from error
    if len(data) > MAX_WHEEL_BYTES:
        raise Refused(f"{path}: more than {MAX_WHEEL_BYTES} bytes, which no registry takes")
    return data
