"""Merkle-Patricia trie of a block's receipts: the root, the proof for one index, and its check.

The trie of the Yellow Paper, appendix D, built once from all values; nothing is ever deleted. A proof is the list of
nodes from the root down to the leaf, each in its RLP form, and has exactly one spelling: a node too many is refused,
since a byte that no hash covers could be changed by anyone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

import rlp
from eth_hash.auto import keccak

from fabric.core.errors import VerificationError

Node = list["bytes | Node"]

EMPTY_ROOT: Final = keccak(rlp.encode(b""))
HASH_BYTES: Final = 32
_BRANCH: Final = 17
_PAIR: Final = 2
_STEP: Final = "settlement"


def index_key(index: int) -> bytes:
    """Returns the key under which a block's trie holds its item number ``index``."""
    encoded: bytes = rlp.encode(index)
    return encoded


@dataclass
class Trie:
    """A trie over a fixed mapping of keys to values."""

    items: Mapping[bytes, bytes]
    root: bytes = field(init=False)
    _nodes: dict[bytes, bytes] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Builds all nodes; costs one hash a node."""
        pairs = sorted((_nibbles(key), value) for key, value in self.items.items())
        if not pairs:
            self.root = EMPTY_ROOT
            return
        encoded = rlp.encode(self._build(pairs, 0))
        self.root = keccak(encoded)
        self._nodes[self.root] = encoded

    def proof(self, key: bytes) -> list[bytes]:
        """Returns the nodes from the root to a key's leaf; raises ``KeyError`` for a key that is not in it."""
        if key not in self.items:
            raise KeyError(key)
        nodes = [self._nodes[self.root]]
        node, rest = rlp.decode(nodes[0]), _nibbles(key)
        while (step := _descend(node, rest)) is not None:
            child, rest = step
            if isinstance(child, bytes):
                nodes.append(self._nodes[child])
                child = rlp.decode(nodes[-1])
            node = child
        return nodes

    def _build(self, pairs: Sequence[tuple[bytes, bytes]], depth: int) -> Node:
        """Returns the node over sorted pairs that agree in their first ``depth`` nibbles."""
        first, last = pairs[0][0], pairs[-1][0]
        if len(pairs) == 1:
            return [_hex_prefix(first[depth:], leaf=True), pairs[0][1]]
        # Sorted, so what the outermost two share, all share.
        shared = depth
        while shared < min(len(first), len(last)) and first[shared] == last[shared]:
            shared += 1
        branch = self._branch(pairs, shared)
        if shared == depth:
            return branch
        return [_hex_prefix(first[depth:shared], leaf=False), self._reference(branch)]

    def _branch(self, pairs: Sequence[tuple[bytes, bytes]], depth: int) -> Node:
        children: Node = []
        start = 1 if len(pairs[0][0]) == depth else 0
        own = pairs[0][1] if start else b""
        for nibble in range(16):
            end = start
            while end < len(pairs) and pairs[end][0][depth] == nibble:
                end += 1
            child = self._build(pairs[start:end], depth + 1) if end > start else None
            children.append(self._reference(child) if child else b"")
            start = end
        return [*children, own]

    def _reference(self, node: Node) -> "bytes | Node":
        encoded = rlp.encode(node)
        if len(encoded) < HASH_BYTES:
            return node  # the Yellow Paper puts a short node into its parent
        digest = keccak(encoded)
        self._nodes[digest] = encoded
        return digest


def check_proof(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes:
    """Returns the value that a proof shows under a key.

    Raises:
        VerificationError: a node does not have the hash that its parent names, the proof leads elsewhere, or it has
            another number of nodes than lead to the key.
    """
    remaining = iter(proof)
    node, rest = _open(remaining, root), _nibbles(key)
    while (step := _descend(node, rest)) is not None:
        child, rest = step
        node = _open(remaining, child) if isinstance(child, bytes) else child
    if next(remaining, None) is not None:
        _fail("more nodes than lead to the key")
    value = node[-1]
    if not isinstance(value, bytes) or not value:
        _fail("nothing under this key")
    return value


def _open(remaining: Iterator[bytes], digest: bytes) -> Node:
    encoded = next(remaining, None)
    if encoded is None:
        _fail("fewer nodes than lead to the key")
    if keccak(encoded) != digest:
        _fail("a node differs from the hash that names it")
    try:
        node = rlp.decode(encoded)
    except Exception as error:  # noqa: BLE001 - the library's errors share no root but this
        _fail(f"a node is not RLP: {error}")
    if not isinstance(node, list):
        _fail("a node is no list")
    return node


def _descend(node: Node, rest: bytes) -> "tuple[bytes | Node, bytes] | None":
    """Returns the next node (its hash, or itself when short) and the rest of the key; None at the key's value."""
    if len(node) == _BRANCH:
        if not rest:
            return None
        child, rest = node[rest[0]], rest[1:]
    elif len(node) == _PAIR:
        leaf, shared = _read_prefix(node[0])
        if leaf and shared == rest:
            return None
        if leaf or not shared or rest[: len(shared)] != shared:
            _fail("leads to another key")
        child, rest = node[1], rest[len(shared) :]
    else:
        _fail(f"a node of {len(node)} items")
    if isinstance(child, bytes) and len(child) != HASH_BYTES:
        _fail("nothing under this key")
    return child, rest


def _nibbles(key: bytes) -> bytes:
    return bytes(half for byte in key for half in (byte >> 4, byte & 15))


def _hex_prefix(nibbles: bytes, *, leaf: bool) -> bytes:
    """Returns a path with its flags (Yellow Paper, appendix C): two for a leaf, one for an odd length."""
    flag = 2 * leaf
    padded = bytes([flag + 1]) + nibbles if len(nibbles) % 2 else bytes([flag, 0]) + nibbles
    return bytes(high << 4 | low for high, low in zip(padded[::2], padded[1::2], strict=True))


def _read_prefix(path: "bytes | Node") -> tuple[bool, bytes]:
    nibbles = _nibbles(path) if isinstance(path, bytes) else b""
    if not nibbles or nibbles[0] > 3 or (nibbles[0] % 2 == 0 and nibbles[1]):  # noqa: PLR2004 - two flags
        _fail("a path without its flags")
    return nibbles[0] >= _PAIR, nibbles[1 if nibbles[0] % 2 else 2 :]


def _fail(reason: str) -> NoReturn:
    raise VerificationError(_STEP, f"receipt trie: {reason}")
