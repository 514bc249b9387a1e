"""How deep fault tests search: 1 for every change; ``make fault`` goes deeper by the variable ``FAULT_DEPTH``."""

import os
import secrets
from typing import Final

DEPTH: Final = max(1, int(os.environ.get("FAULT_DEPTH", "1")))


def seeds(short: int = 1) -> list[int]:
    """Returns the seeds of a campaign: the first few for every change, as many more as the depth says."""
    return list(range(1, short * DEPTH + 1))


def seed_of_run() -> int:
    """Returns the seed of a campaign: ``FAULT_SEED``; else the same one for every change, and any one in depth."""
    named = os.environ.get("FAULT_SEED")
    return int(named) if named else 1 if DEPTH == 1 else secrets.randbelow(1 << 32)
