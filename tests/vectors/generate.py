"""Writes every vector file; with ``--check`` only compares, and says which file differs."""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Returns 1 where ``--check`` found a file that is not what would be written."""
    sys.path.insert(0, str(HERE.parents[1]))
    from tests.vectors import (  # noqa: PLC0415 - found by the path above
        gen_bundle,
        gen_data_service,
        gen_hyperledger,
        gen_names,
        gen_proof,
        gen_registry,
        gen_rules,
        gen_standing,
        gen_trust,
    )

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = False
    files = {
        "bundle.json": gen_bundle.document,
        "data_service.json": gen_data_service.document,
        "hyperledger_receipt.json": gen_hyperledger.document,
        "names.json": gen_names.document,
        "proof.json": gen_proof.document,
        "registry.json": gen_registry.document,
        "rules.json": gen_rules.document,
        "standing.json": gen_standing.document,
        "trust.json": gen_trust.document,
    }
    for name, make in files.items():
        path, text = HERE / name, make()
        if check and (not path.exists() or path.read_text() != text):
            sys.stderr.write(f"{name} is not what generate.py writes\n")
            stale = True
        elif not check:
            path.write_text(text)
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
