"""geth of the 1.13 line, the last whose nodes seal clique blocks: found by its version, or built by Go's own tools.

    python -m adapters.ethereum.geth    finds or builds one, and prints where it is

Later lines bear the same name and refuse to seal, so the version is asked for first.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from fabric.core.errors import ConfigError, FabricError

VERSION: Final = "1.13.15"
"""What is built. Any 1.13 that is found will do: the network's rules end with London."""
MODULE: Final = f"github.com/ethereum/go-ethereum/cmd/geth@v{VERSION}"
BUILD_SECONDS: Final = 1_500
_LINE: Final = re.compile(r"^Version: 1\.13\.\d+\b", re.MULTILINE)
_GO: Final = re.compile(r"go1\.(\d+)")
_STRICT_LINKER: Final = 23
"""Since this minor version Go refuses a reference that a dependency of geth (fjl/memsize) makes into the runtime."""
_ANSWER_SECONDS: Final = 20


def cached() -> Path:
    """Returns where a built geth lies: outside every checkout, by version."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "cryptlet-fabric" / f"geth-{VERSION}" / "geth"


def find_geth() -> Path | None:
    """Returns a geth 1.13: of ``GETH`` in the environment, else one on ``PATH``, else the built one.

    Raises:
        ConfigError: ``GETH`` names another program or version.
    """
    if named := os.environ.get("GETH"):
        if _is_right(Path(named)):
            return Path(named)
        message = f"GETH={named} is no geth 1.13: asked for its version it says {_said(Path(named))!r}"
        raise ConfigError(message)
    on_path = shutil.which("geth")
    places = [*([Path(on_path)] if on_path else []), cached()]
    return next((place for place in places if place.exists() and _is_right(place)), None)


def obtain() -> Path:
    """Returns a geth 1.13, built if there is none, which takes a minute or a few.

    Raises:
        ConfigError: there is none and none can be built; the message says why, and what to do.
    """
    return find_geth() or _build()


def _build() -> Path:
    go = shutil.which("go")
    if go is None:
        raise ConfigError(_sentence("there is no Go to build one with"))
    sys.stderr.write(f"building geth {VERSION} with Go, once for this machine; it takes a minute or a few\n")
    place = cached()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as draft:
        # Without cgo it needs no C compiler, and is built in a third of the time.
        environment = os.environ | {"CGO_ENABLED": "0", "GOBIN": draft}
        command = [go, "install", *_linker(go), MODULE]
        try:
            subprocess.run(  # noqa: S603 - an argument list, no shell
                command, cwd=draft, env=environment, check=True, capture_output=True, text=True, timeout=BUILD_SECONDS
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigError(_sentence(f"Go did not build one: {_complaint(error)}")) from error
        (Path(draft) / "geth").replace(place)
    return place


def _linker(go: str) -> list[str]:
    match = _GO.match(_output([go, "env", "GOVERSION"]))
    return ["-ldflags=-checklinkname=0"] if match and int(match[1]) >= _STRICT_LINKER else []


def _complaint(error: Exception) -> str:
    """Returns the last line that Go printed, which is the one that says what failed."""
    printed = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
    lines = str(printed).strip().splitlines()
    return lines[-1] if lines else str(error)


def _sentence(why: str) -> str:
    return (
        f"a clique network needs geth 1.13, and {why}: put a geth 1.13 on PATH, name one with GETH=...,"
        " or make Go and its module proxy reachable and run `make geth`"
    )


def _is_right(program: Path) -> bool:
    return _LINE.search(_output([str(program), "version"])) is not None


def _said(program: Path) -> str:
    lines = [line for line in _output([str(program), "version"]).splitlines() if line.strip()]
    return " ".join(lines[:2])[:80] or "nothing"


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - an argument list, no shell
            command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout


def main() -> int:
    """Prints where a geth 1.13 is, built if need be; returns the exit code."""
    try:
        sys.stdout.write(f"{obtain()}\n")
    except FabricError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
