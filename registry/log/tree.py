"""Proofs from tiles: a reader computes them itself, and trusts the tiles only so far as a signed root confirms them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import Digest
from fabric.trust.checkpoint import Checkpoint
from fabric.trust.merkle import Tree, check_consistency, leaf_hash, node_hash, root_from_inclusion
from registry.log.paths import HEIGHT, WIDTH, entry_tile, hash_tile, width_of

Read = Callable[[str, int], bytes]
"""Reads a static file: its path, and how many bytes it may have."""
_HASH: Final = 32
_LENGTH: Final = 2
SPLIT: Final = "consistency"
"""The step of ``check_extends`` that proves two histories."""
MAX_ENTRY: Final = (1 << 8 * _LENGTH) - 1


class Tiles:
    """A log of one size, read from its tiles. Every tile is read once.

    Attributes:
        size: how many entries the log has here.
    """

    def __init__(self, read: Read, size: int) -> None:
        """Takes the reader of static files."""
        self.size: Final = size
        self._read = read
        self._tiles: dict[tuple[int, int], list[Digest]] = {}

    def inclusion(self, index: int) -> list[Digest]:
        """Returns the audit path of a leaf, lowest first (RFC 9162 section 2.1.3.1)."""
        return self._path(index, 0, self.size)

    def consistency(self, old: int) -> list[Digest]:
        """Returns the proof that the first ``old`` leaves are a prefix (RFC 9162 section 2.1.4.1); ``0 < old``."""
        return [] if old == self.size else self._subproof(old, (0, self.size), whole=True)

    def first(self, count: int) -> Digest:
        """Returns the root over the first leaves, as the tiles have it; ``0 < count <= size``."""
        return self._subtree(0, count)

    def _path(self, index: int, start: int, end: int) -> list[Digest]:
        if end - start == 1:
            return []
        split = start + _split(end - start)
        if index < split:
            return [*self._path(index, start, split), self._subtree(split, end)]
        return [*self._path(index, split, end), self._subtree(start, split)]

    def _subproof(self, old: int, span: tuple[int, int], *, whole: bool) -> list[Digest]:
        start, end = span
        if old == end:
            return [] if whole else [self._subtree(start, end)]
        split = start + _split(end - start)
        if old <= split:
            return [*self._subproof(old, (start, split), whole=whole), self._subtree(split, end)]
        return [*self._subproof(old, (split, end), whole=False), self._subtree(start, split)]

    def _subtree(self, start: int, end: int) -> Digest:
        """Returns the hash over leaves; a whole tree whose place is a multiple of its size stands in one tile."""
        count = end - start
        if count & (count - 1) == 0:
            return self._node(count.bit_length() - 1, start // count)
        split = start + _split(count)
        return node_hash(self._subtree(start, split), self._subtree(split, end))

    def _node(self, level: int, index: int) -> Digest:
        high, low = divmod(level, HEIGHT)
        first = index << low
        row = self._tile(high, first // WIDTH)[first % WIDTH :][: 1 << low]
        if len(row) != 1 << low:
            raise Malformed("log tile", f"level {high}, tile {first // WIDTH}: too short for a log of {self.size}")
        while len(row) > 1:
            row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
        return row[0]

    def _tile(self, level: int, index: int) -> list[Digest]:
        key = (level, index)
        if key not in self._tiles:
            width = width_of(level, index, self.size)
            data = self._read(hash_tile(level, index, width), width * _HASH)
            if len(data) != width * _HASH:
                raise Malformed("log tile", f"{hash_tile(level, index, width)}: {len(data)} bytes for {width} hashes")
            self._tiles[key] = [Digest(data[at : at + _HASH]) for at in range(0, len(data), _HASH)]
        return self._tiles[key]


def check_leaf(tiles: Tiles, checkpoint: Checkpoint, index: int, leaf: bytes) -> None:
    """Refuses a leaf that is not at this place under the checkpoint.

    Raises:
        VerificationError: step ``inclusion``.
    """
    path = tiles.inclusion(index) if index < tiles.size else []
    if root_from_inclusion(leaf_hash(leaf), index, checkpoint.size, path) != checkpoint.root:
        raise VerificationError("inclusion", f"leaf {index} is not in the log of {checkpoint.size} entries")


def check_extends(tiles: Tiles, old: Checkpoint, new: Checkpoint) -> None:
    """Refuses a log that does not go on from where it was.

    Raises:
        VerificationError: step ``consistency``: two histories, which the two roots prove. Step ``tiles``: the tiles are
            not those of the new root, so that nothing is known of the old one. Step ``size``: the new log is shorter.
    """
    if not old.size:
        return
    if old.size > new.size:
        raise VerificationError("size", f"{new.size} entries after {old.size}")
    shown = _proven(tiles, old.size, new) if old.size < new.size else new.root
    if shown != old.root:
        raise VerificationError(
            SPLIT, f"the first {old.size} entries have the root {old.root.hex()} there and {shown.hex()} here"
        )


def _proven(tiles: Tiles, count: int, new: Checkpoint) -> Digest:
    """Returns the root over the first leaves that a signed root commits to, by a proof from the tiles."""
    shown = tiles.first(count)
    try:
        check_consistency((count, shown), (new.size, new.root), tiles.consistency(count))
    except VerificationError as error:
        raise VerificationError(
            "tiles", f"the tiles here do not give the signed root over {new.size} entries: take another mirror"
        ) from error
    return shown


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """Returns a tile of entries: each behind its length, two bytes, big-endian."""
    return b"".join(len(entry).to_bytes(_LENGTH, "big") + entry for entry in entries)


def decode_entries(data: bytes) -> list[bytes]:
    """Reads a tile of entries; raises ``Malformed``."""
    entries, at = [], 0
    while at < len(data):
        end = at + _LENGTH + int.from_bytes(data[at : at + _LENGTH], "big")
        if at + _LENGTH > len(data) or end > len(data):
            raise Malformed("log entries", "cut off")
        entries.append(data[at + _LENGTH : end])
        at = end
    return entries


def read_entries(read: Read, start: int, size: int) -> list[bytes]:
    """Returns the entries from ``start`` on of a log of a size, whose places nobody has checked yet."""
    found: list[bytes] = []
    for index in range(start // WIDTH, -(-size // WIDTH)):
        width = min(WIDTH, size - index * WIDTH)
        entries = decode_entries(read(entry_tile(index, width), width * (MAX_ENTRY + _LENGTH)))
        if len(entries) != width:
            raise Malformed("log entries", f"tile {index} holds {len(entries)} entries instead of {width}")
        found.extend(entries[max(0, start - index * WIDTH) :])
    return found


def root_of(leaves: Sequence[bytes]) -> Digest:
    """Returns the tree hash over entries."""
    return Tree.over(leaves).root


def _split(count: int) -> int:
    """Returns the largest power of two below a count of at least 2."""
    return 1 << (count - 1).bit_length() - 1
