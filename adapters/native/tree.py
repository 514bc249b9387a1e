"""The RFC 6962 tree of a growing log: appending costs O(1) amortised, any root or proof of any size O(log n)."""

from fabric.core.ids import Digest
from fabric.trust.merkle import EMPTY_ROOT, node_hash


class GrowingTree:
    """Leaf hashes and the hashes of all complete subtrees above them; level k holds those of 2**k leaves."""

    def __init__(self) -> None:
        """Starts empty."""
        self._levels: list[list[Digest]] = [[]]

    def __len__(self) -> int:
        """Returns the number of leaves."""
        return len(self._levels[0])

    def append(self, leaf: Digest) -> None:
        """Adds a leaf hash, and each subtree that it completes."""
        self._levels[0].append(leaf)
        level = 0
        while not len(self._levels[level]) & 1:
            if level + 1 == len(self._levels):
                self._levels.append([])
            self._levels[level + 1].append(node_hash(*self._levels[level][-2:]))
            level += 1

    def truncate(self, size: int) -> None:
        """Drops every leaf from a position on: what was appended was not committed."""
        for level, nodes in enumerate(self._levels):
            del nodes[size >> level :]

    def leaf(self, index: int) -> Digest:
        """Returns the hash of a leaf."""
        return self._levels[0][index]

    def root(self, size: int) -> Digest:
        """Returns the root that the tree had at a size."""
        _check(0 <= size <= len(self), f"size {size} of {len(self)}")
        return self._hash(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[Digest]:
        """Returns the audit path of a leaf in the tree of a size (RFC 9162 section 2.1.3.1)."""
        _check(0 <= index < size <= len(self), f"leaf {index} in size {size} of {len(self)}")
        start, path = 0, []
        while size > 1:
            split = _split(size)
            if index < start + split:
                path.append(self._hash(start + split, size - split))
                size = split
            else:
                path.append(self._hash(start, split))
                start, size = start + split, size - split
        return path[::-1]

    def consistency(self, old: int, new: int) -> list[Digest]:
        """Returns the proof that the tree of size ``new`` extends that of size ``old`` (RFC 9162 section 2.1.4.1)."""
        _check(0 < old <= new <= len(self), f"from {old} to {new} of {len(self)}")
        start, size, whole, path = 0, new, True, []
        while start + size != old:
            split = _split(size)
            if old <= start + split:
                path.append(self._hash(start + split, size - split))
                size = split
            else:
                path.append(self._hash(start, split))
                start, size, whole = start + split, size - split, False
        if not whole:
            path.append(self._hash(start, size))
        return path[::-1]

    def _hash(self, start: int, size: int) -> Digest:
        """Hash of a subtree; RFC 6962 only asks for those that start at a multiple of their height's power of two."""
        if not size & (size - 1):
            level = size.bit_length() - 1
            return self._levels[level][start >> level]
        split = _split(size)
        return node_hash(self._hash(start, split), self._hash(start + split, size - split))


def _split(size: int) -> int:
    """Returns the largest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1


def _check(holds: bool, message: str) -> None:  # noqa: FBT001 - an assertion, read like one
    if not holds:
        raise ValueError(message)
