"""Beside: the wheels that a bundle stands on, found where `cryptlet build` puts them: in the folder of the bundle's."""

from pathlib import Path

from fabric.bundles.bundle import Bundle
from fabric.bundles.lock import MAX_WHEEL_BYTES, take_wheels
from fabric.core.errors import NotFound, Oversize


def wheels_beside(wheel: Path, bundle: Bundle) -> dict[str, bytes]:
    """Returns the wheels of a bundle's dependencies by file name, in the order of its lock, each checked by its hash.

    Args:
        wheel: path of the bundle's wheel file.
        bundle: what was read from it.

    Raises:
        NotFound: one is not there; names it.
        Oversize: one is too large to be read.
        Malformed: one is not what is locked, or is not pure.
    """
    project = bundle.manifest.project
    found = [_read(wheel.with_name(one.filename)) for one in project.dependencies]
    return take_wheels(project.dependencies, found, project.source.package)


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_WHEEL_BYTES:
            raise Oversize(f"{path}: at most {MAX_WHEEL_BYTES} bytes, got {size}")
        return path.read_bytes()
    except OSError as error:
        message = (
            f"{path}: {error.strerror or error}; the bundle locks it, and `cryptlet build` puts it beside the bundle"
        )
        raise NotFound(message) from error
