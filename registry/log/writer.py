"""Writer of a tile log: puts the tiles of new leaves in place, then the checkpoint that covers them."""

from collections.abc import Callable, Sequence
from typing import Final

from fabric.core.ids import Digest
from fabric.trust.checkpoint import Checkpoint, sign_note
from fabric.trust.merkle import EMPTY_ROOT, leaf_hash, node_hash
from registry.files import Shelf
from registry.log.paths import CHECKPOINT, HEIGHT, WIDTH, entry_tile, hash_tile
from registry.log.tree import encode_entries


class LogWriter:
    """A log's static files, all of which follow from its leaves: after a crash they are simply written again.

    Attributes:
        origin: of the log.
        key: its Ed25519 public key.
    """

    def __init__(self, shelf: Shelf, origin: str, key: bytes, sign: Callable[[bytes], bytes]) -> None:
        """Takes the folder of the log's files and its signer."""
        self.origin: Final = origin
        self.key: Final = key
        self._shelf = shelf
        self._sign = sign
        self._rows: list[list[Digest]] = [[]]
        self._leaves: list[bytes] = []

    @property
    def size(self) -> int:
        """How many leaves were taken in."""
        return len(self._leaves)

    @property
    def checkpoint(self) -> Checkpoint:
        """Of all the leaves that were taken in."""
        return Checkpoint(self.origin, self.size, self._root())

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Takes in the next leaves; nothing is written yet."""
        for leaf in leaves:
            self._leaves.append(leaf)
            self._push(leaf_hash(leaf))

    def emit(self, since: int) -> None:
        """Writes the tiles that changed since the log had a size, then the checkpoint; raises ``StoreError``."""
        files = self._entry_tiles(since // WIDTH)
        for level, row in enumerate(self._rows[::HEIGHT]):
            for index in range((since >> HEIGHT * level) // WIDTH, -(-len(row) // WIDTH)):
                part = row[index * WIDTH : (index + 1) * WIDTH]
                files[hash_tile(level, index, len(part))] = b"".join(part)
        self._shelf.put_all(files)
        checkpoint = self.checkpoint
        self._shelf.put(CHECKPOINT, sign_note(checkpoint, self.key, self._sign(checkpoint.body)).encode())

    def _entry_tiles(self, first: int) -> dict[str, bytes]:
        spans = {index: self._leaves[index * WIDTH :][:WIDTH] for index in range(first, -(-self.size // WIDTH))}
        return {entry_tile(index, len(part)): encode_entries(part) for index, part in spans.items()}

    def _push(self, digest: Digest) -> None:
        """Adds a leaf's hash, and the hash of every tree that it completes."""
        level = 0
        self._rows[0].append(digest)
        while len(self._rows[level]) % 2 == 0:
            if level + 1 == len(self._rows):
                self._rows.append([])
            left, right = self._rows[level][-2:]
            self._rows[level + 1].append(node_hash(left, right))
            level += 1

    def _root(self) -> Digest:
        """Joins the whole trees that the size is made of, the smallest first."""
        peaks = [row[-1] for row in self._rows if len(row) % 2]
        if not peaks:
            return EMPTY_ROOT
        root = peaks[0]
        for peak in peaks[1:]:
            root = node_hash(peak, root)
        return root
