"""Writes the description of the registry's API; with ``--check`` compares instead of writing."""

import json
import sys
from pathlib import Path
from typing import Final

from registry.server.operations import describe

ROOT: Final = Path(__file__).parents[2]
TARGET: Final = ROOT / "docs/spec/registry-api.openapi.json"


def main(arguments: list[str]) -> int:
    """Returns 1 where ``--check`` finds another description than would be written."""
    text = json.dumps(describe(), indent=2) + "\n"
    if "--check" not in arguments:
        TARGET.write_text(text)
        return 0
    if not TARGET.exists() or TARGET.read_text() != text:
        print(f"{TARGET.relative_to(ROOT)} is stale: make gen", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
