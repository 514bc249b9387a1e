"""Regenerates the protobuf code beside its schemas; with ``--check`` compares instead of writing.

Run as ``python -m fabric.wire.generate``; needs the development tools (grpcio-tools).
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SCHEMAS: Final = Path("fabric/wire/v1")


Generate = Callable[[Path], list[Path]]
"""Writes generated files below a folder and returns their paths relative to it, which are those in the tree."""


def generate(target: Path) -> list[Path]:
    """Writes the generated files below ``target`` and returns their paths relative to it."""
    plain = [str(path.relative_to(ROOT)) for path in sorted((ROOT / SCHEMAS).glob("*.proto"))]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}"]
    outputs = [f"--python_out={target}", f"--pyi_out={target}"]
    subprocess.run([*command, *outputs, *plain], check=True, cwd=ROOT)
    return sorted(path.relative_to(target) for path in target.rglob("*_pb2*.py*"))


def main(generate: Generate) -> int:
    """Writes what a generator makes, or with ``--check`` says which file is stale; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        stale = [name for name in generate(target) if _differs(target / name, ROOT / name)]
        if "--check" not in sys.argv:
            for name in stale:
                shutil.copyfile(target / name, ROOT / name)
            return 0
    for name in stale:
        sys.stderr.write(f"{name} is stale: run `make gen`\n")
    return 1 if stale else 0


def _differs(new: Path, old: Path) -> bool:
    return not old.exists() or new.read_bytes() != old.read_bytes()


if __name__ == "__main__":
    sys.exit(main(generate))
