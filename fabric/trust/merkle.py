"""RFC 6962 Merkle tree over SHA-256: hashes, inclusion and consistency proofs (RFC 9162 sections 2.1.3, 2.1.4).

Verification is iterative over the path; a proof of the wrong length is refused, so every accepted
proof is unique.
"""

import hashlib
from collections.abc import Sequence

from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import Digest, parse_word

EMPTY_ROOT = Digest(hashlib.sha256(b"").digest())
_STEP = "inclusion"


def leaf_hash(entry: bytes) -> Digest:
    """Returns the hash of a leaf: SHA-256(0x00 || entry), RFC 6962 section 2.1."""
    return Digest(hashlib.sha256(b"\0" + entry).digest())


def node_hash(left: bytes, right: bytes) -> Digest:
    """Returns the hash of an inner node: SHA-256(0x01 || left || right), RFC 6962 section 2.1."""
    return Digest(hashlib.sha256(b"\1" + left + right).digest())


class Tree:
    """All levels of the tree over a fixed list of leaf hashes; proofs cost O(log n) look-ups."""

    def __init__(self, leaves: Sequence[Digest]) -> None:
        """Builds the levels bottom up.

        A node without sibling moves up unchanged, as RFC 6962 defines.
        """
        self._levels: list[list[Digest]] = [list(leaves)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            pairs = [node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
            self._levels.append(pairs + below[len(pairs) * 2 :])

    @classmethod
    def over(cls, entries: Sequence[bytes]) -> "Tree":
        """Builds the tree over entries."""
        return cls([leaf_hash(entry) for entry in entries])

    def __len__(self) -> int:
        """Returns the number of leaves."""
        return len(self._levels[0])

    @property
    def root(self) -> Digest:
        """The Merkle tree hash; of no leaves, SHA-256 of nothing."""
        return self._levels[-1][0] if self._levels[0] else EMPTY_ROOT

    def inclusion(self, index: int) -> list[Digest]:
        """Returns the audit path of a leaf, lowest sibling first.

        Raises ``IndexError`` outside the tree.
        """
        if not 0 <= index < len(self):
            message = f"leaf {index} of {len(self)}"
            raise IndexError(message)
        path = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                path.append(level[sibling])
            index >>= 1
        return path


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> Digest:
    """Returns the root that an inclusion proof leads to (RFC 9162 section 2.1.3.2).

    Raises:
        VerificationError: the index lies outside the tree or the path has the wrong length.
    """
    if not 0 <= index < size:
        raise VerificationError(_STEP, f"leaf {index} outside a tree of {size}")
    node, last = Digest(leaf), size - 1
    for sibling in path:
        if last == 0:
            raise VerificationError(_STEP, "path longer than the tree is high")
        if index & 1 or index == last:
            node = node_hash(sibling, node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        index, last = index >> 1, last >> 1
    if last:
        raise VerificationError(_STEP, "path shorter than the tree is high")
    return node


def consistency(leaves: Sequence[Digest], old_size: int) -> list[Digest]:
    """Returns the proof that the first ``old_size`` leaves are a prefix of all (RFC 9162 section 2.1.4.1)."""
    if not 0 < old_size <= len(leaves):
        message = f"consistency from {old_size} to {len(leaves)} leaves"
        raise ValueError(message)
    return [] if old_size == len(leaves) else _subproof(leaves, old_size, whole=True)


def check_consistency(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> None:
    """Checks that tree ``new`` (size, root) extends tree ``old`` (RFC 9162 section 2.1.4.2).

    Raises:
        VerificationError: it does not, or the proof is not of the form that these sizes require.
    """
    (old_size, old_root), (new_size, new_root) = old, new
    if not 0 < old_size <= new_size:
        raise VerificationError("consistency", f"sizes {old_size} and {new_size}")
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if old_size == new_size:
        if proof or old_root != new_root:
            raise VerificationError("consistency", "equal sizes with different roots or a proof")
        return
    if not proof:
        raise VerificationError("consistency", "empty proof between different sizes")
    roots = _fold(path, old_size - 1, new_size - 1)
    if roots != (old_root, new_root):
        raise VerificationError("consistency", "the new tree does not extend the old one")


def _fold(path: Sequence[bytes], old_last: int, new_last: int) -> tuple[bytes, bytes]:
    while old_last & 1:
        old_last, new_last = old_last >> 1, new_last >> 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if new_last == 0:
            raise VerificationError("consistency", "proof longer than the tree is high")
        if old_last & 1 or old_last == new_last:
            old_node, new_node = node_hash(sibling, old_node), node_hash(sibling, new_node)
            while not old_last & 1 and old_last:
                old_last, new_last = old_last >> 1, new_last >> 1
        else:
            new_node = node_hash(new_node, sibling)
        old_last, new_last = old_last >> 1, new_last >> 1
    if new_last:
        raise VerificationError("consistency", "proof shorter than the tree is high")
    return old_node, new_node


def _subproof(leaves: Sequence[Digest], size: int, *, whole: bool) -> list[Digest]:
    if size == len(leaves):
        return [] if whole else [Tree(leaves).root]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if size <= split:
        return [*_subproof(leaves[:split], size, whole=whole), Tree(leaves[split:]).root]
    return [*_subproof(leaves[split:], size - split, whole=False), Tree(leaves[:split]).root]


def parse_path(value: object, field: str) -> tuple[Digest, ...]:
    """Reads a JSON list of at most 64 hexadecimal digests; raises ``Malformed``."""
    if not isinstance(value, list) or len(value) > 64:  # noqa: PLR2004 - no tree is higher
        raise Malformed(field, "expected a list of at most 64 digests")
    return tuple(Digest(parse_word(item, field)) for item in value)
