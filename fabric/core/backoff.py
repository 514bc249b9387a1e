"""Retry arithmetic: attempt and seed in, delay out."""

import random
from typing import Final

BASE_SECONDS: Final = 0.05
MAX_SECONDS: Final = 30.0


def delay_seconds(attempt: int, seed: bytes) -> float:
    """Returns the delay before the given attempt (1 is the first retry): exponential with full jitter.

    The seed makes the jitter reproducible and different for each entry.
    """
    ceiling = min(MAX_SECONDS, BASE_SECONDS * 2.0 ** min(attempt, 32))
    jitter = random.Random(seed + attempt.to_bytes(4, "big"))  # noqa: S311 - spreads load
    return jitter.uniform(ceiling / 2, ceiling)
