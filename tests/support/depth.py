"""How deep fault tests search: 1 for every change; ``make fault`` goes deeper by the variable ``FAULT_DEPTH``."""

import os
from typing import Final

DEPTH: Final = max(1, int(os.environ.get("FAULT_DEPTH", "1")))


def seeds(short: int = 1) -> list[int]:
    """Returns the seeds of a campaign: the first few for every change, as many more as the depth says."""
    return list(range(1, short * DEPTH + 1))
