"""Writes the header that the demo's contract imports; with ``--check`` compares instead of writing."""

import sys
from pathlib import Path
from typing import Final

from fabric.bundles.build import build
from registry.generated import write_or_check
from registry.header.solidity import solidity

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = ROOT / "cryptlets/contract/cold_chain"
TARGET: Final = ROOT / "adapters/ethereum/contracts/src/libraries/ColdChain.sol"
FIELDS: Final = ("accepted", "mean_kinetic_millicelsius", "seconds_out_of_range", "excursions")
"""Of the binding's codec in the demo (``fabric.cli.demo.bindings``)."""


def main(arguments: list[str]) -> int:
    """Returns 1 where ``--check`` finds another header than would be written."""
    return write_or_check(TARGET, solidity(build(PROJECT).bundle, FIELDS), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
