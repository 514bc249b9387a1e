"""Context: what a cryptlet may know beyond its input, the same on every run of the same invocation.

The platform fixes time and entropy before an invocation runs, so that a rerun, or another member of a ring, gives the
same answer. A cryptlet that asks the machine instead (``datetime.now``, ``random.random``) loses that.
"""

import hashlib
import random
from datetime import UTC, datetime
from typing import Final

from fabric.core.ids import WORD_BYTES

MAX_ENTROPY_BYTES: Final = 65_536
_RANDOM: Final = b"cryptlet-fabric/context/random/v1\0"
_ENTROPY: Final = b"cryptlet-fabric/context/entropy/v1\0"


class Context:
    """One invocation, seen from inside.

    Attributes:
        invocation: id of the invocation, 32 bytes.
        as_of: the time of the invocation, UTC, whole seconds; it stands still while the method runs.
        random: generator seeded for this invocation; for sampling, never for keys.
        state_version: version of the contract's state that the result answers to; 0 in a utility cryptlet.
    """

    __slots__ = ("_drawn", "_seed", "as_of", "invocation", "random", "state_version")

    def __init__(self, invocation: bytes, as_of: datetime, seed: bytes, state_version: int) -> None:
        """Takes the invocation's fixed values; ``Context.of`` is what the platform calls."""
        self.invocation: Final = invocation
        self.as_of: Final = as_of
        self.state_version: Final = state_version
        self.random: Final = random.Random(_RANDOM + seed)  # noqa: S311 - reproducible is what it is for
        self._seed: Final = seed
        self._drawn = 0

    @classmethod
    def of(cls, invocation: bytes, as_of: int, seed: bytes, state_version: int = 0) -> "Context":
        """Returns the context of an invocation.

        Args:
            invocation: id, 32 bytes.
            as_of: Unix seconds.
            seed: 32 bytes that decide ``random`` and ``entropy``.
            state_version: version of the contract's state, 0 where there is none.

        Raises:
            ValueError: a length or number out of range; a mistake of the platform, not of the author.
        """
        if len(invocation) != WORD_BYTES or len(seed) != WORD_BYTES or state_version < 0:
            message = "expected 32 bytes of id, 32 bytes of seed and a state version from 0 on"
            raise ValueError(message)
        return cls(invocation, datetime.fromtimestamp(as_of, UTC), seed, state_version)

    def entropy(self, size: int) -> bytes:
        """Returns the next bytes of the invocation's entropy: SHAKE-256 of seed and number of the call.

        Args:
            size: number of bytes, at most ``MAX_ENTROPY_BYTES`` a call.

        Raises:
            ValueError: the size is out of range.
        """
        if not 0 <= size <= MAX_ENTROPY_BYTES:
            message = f"expected a size of 0 to {MAX_ENTROPY_BYTES} bytes, got {size}"
            raise ValueError(message)
        number = self._drawn.to_bytes(8, "big")
        self._drawn += 1
        return hashlib.shake_256(_ENTROPY + self._seed + number).digest(size)
