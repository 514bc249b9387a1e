"""Rebuild: build a project once more in a clean place, and compare byte for byte.

The place has another path, times, modes, umask, time zone and locale, no environment, and of the project only what its
manifest lists. What still gives the same wheel there gives it everywhere; run as a program it is that other builder.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from fabric.bundles import archive
from fabric.bundles.build import IMPORT_SECONDS, Built, build, read_sources
from fabric.core.errors import AuthorError, FabricError

_ENVIRONMENT: Final = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PATH": os.defpath}
"""As far from UTC as a clock can be, and no locale."""
_UMASK: Final = 0o077
_TIME: Final = 86_400 * 3653  # 1980-01-02; nothing of a wheel is as old
_SHOWN: Final = 60


def rebuild(folder: Path) -> bytes:
    """Returns the wheel that a clean place gives for the sources of a project.

    Raises:
        Malformed: ``cryptlet.toml`` is no manifest.
        AuthorError: the folder is no project, or cannot be built in a clean place.
    """
    with tempfile.TemporaryDirectory(prefix="cryptlet-rebuild-") as scratch:
        place, wheel = Path(scratch, "clean", folder.resolve().name[::-1] or "project"), Path(scratch, "wheel")
        _copy(folder, place)
        command = [sys.executable, "-I", "-B", "-m", "fabric.bundles.rebuild", str(place), str(wheel)]
        environment = {**_ENVIRONMENT, "HOME": scratch, "TMPDIR": scratch}
        try:
            done = subprocess.run(  # noqa: S603 - our own program
                command,
                cwd=scratch,
                env=environment,
                umask=_UMASK,
                capture_output=True,
                check=False,
                timeout=2 * IMPORT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise AuthorError(f"{folder}: building it again took longer than {2 * IMPORT_SECONDS} s") from error
        if done.returncode or not wheel.is_file():
            said = done.stderr.decode(errors="replace").strip().replace(str(place), str(folder))[-500:]
            raise AuthorError(
                f"{folder}: cannot be built in a clean place, from what cryptlet.toml lists alone: {said}"
            )
        return wheel.read_bytes()


def check_reproducible(built: Built, folder: Path) -> None:
    """Builds a project again in a clean place.

    Args:
        built: what was built from the folder.
        folder: the project folder.

    Raises:
        AuthorError: another wheel came out; names the first file in it that differs, and both contents where they do.
    """
    again = rebuild(folder)
    if again != built.wheel:
        raise AuthorError(
            f"{folder}: another wheel in a clean place: {first_difference(built.wheel, again)}. A class whose schemas"
            f" depend on the time, the environment, the locale or the order of a set measures differently elsewhere:"
            f" write such values down as constants"
        )


def first_difference(here: bytes, there: bytes) -> str:
    """Returns the first file of two canonical wheels that differs, and where; RECORD only where nothing else does."""
    one, two = archive.read(here), archive.read(there)
    for name in sorted(one.keys() | two.keys(), key=lambda name: (name.endswith("/RECORD"), name)):
        left, right = one.get(name), two.get(name)
        if left is None or right is None:
            return f"{name} is only in the one built {'there' if left is None else 'here'}"
        if left != right:
            at = next((at for at, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), len(left))
            begin = max(0, at - _SHOWN // 3)
            return f"{name} differs from byte {at} on: here {left[begin:][:_SHOWN]!r}, there {right[begin:][:_SHOWN]!r}"
    return "no file, but the archive around them"


def _copy(folder: Path, place: Path) -> None:
    """Copies what the manifest lists, and gives it other times and modes."""
    for name, content in read_sources(folder).items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)
        os.utime(path, (_TIME, _TIME))


def main() -> int:
    """Builds the project of the first argument into the file of the second; says on stderr why it cannot."""
    try:
        wheel = build(Path(sys.argv[1])).wheel
    except FabricError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    Path(sys.argv[2]).write_bytes(wheel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
