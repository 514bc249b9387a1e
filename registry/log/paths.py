"""Paths of a tile log's static files (C2SP tlog-tiles)."""

from typing import Final

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
CHECKPOINT: Final = "checkpoint"


def hash_tile(level: int, index: int, width: int = WIDTH) -> str:
    """Returns the path of a tile of hashes: of leaves at level 0, of whole tiles below it at the others."""
    return f"tile/{level}/{_number(index)}{_partial(width)}"


def entry_tile(index: int, width: int = WIDTH) -> str:
    """Returns the path of a tile of entries."""
    return f"tile/entries/{_number(index)}{_partial(width)}"


def width_of(level: int, index: int, size: int) -> int:
    """Returns how many hashes a tile holds in a log of a size; 0 where it is not there."""
    return max(0, min(WIDTH, (size >> HEIGHT * level) - index * WIDTH))


def _number(index: int) -> str:
    """Spells an index in groups of three digits, ``x`` before all but the last: 1234067 is ``x001/x234/067``."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups))


def _partial(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"
