"""Writes the description of the registry's API; with ``--check`` compares instead of writing."""

import json
import sys
from pathlib import Path
from typing import Final

from registry.generated import write_or_check
from registry.server.operations import describe

ROOT: Final = Path(__file__).parents[2]
TARGET: Final = ROOT / "docs/spec/registry-api.openapi.json"


def main(arguments: list[str]) -> int:
    """Returns 1 where ``--check`` finds another description than would be written."""
    return write_or_check(TARGET, json.dumps(describe(), indent=2) + "\n", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
