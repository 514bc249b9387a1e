"""The growing tree against the plain one of fabric.trust.merkle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapters.native.tree import GrowingTree
from fabric.core.ids import Digest, sha256
from fabric.trust.merkle import (
    EMPTY_ROOT,
    Tree,
    check_consistency,
    consistency,
    leaf_hash,
    root_from_inclusion,
)

LEAVES = [leaf_hash(n.to_bytes(2, "big")) for n in range(70)]


def grown(size: int) -> GrowingTree:
    tree = GrowingTree()
    for leaf in LEAVES[:size]:
        tree.append(leaf)
    return tree


@given(size=st.integers(1, 70), data=st.data())
def test_it_agrees_with_the_plain_tree_at_every_size(size: int, data: st.DataObject) -> None:
    tree, at = grown(size), data.draw(st.integers(1, size))
    index, old = data.draw(st.integers(0, at - 1)), data.draw(st.integers(1, at))
    plain = Tree(LEAVES[:at])
    assert tree.root(at) == plain.root
    assert tree.inclusion(index, at) == plain.inclusion(index)
    assert tree.consistency(old, at) == consistency(LEAVES[:at], old)


def test_every_pair_of_sizes_is_consistent() -> None:
    tree = grown(40)
    for new in range(1, 41):
        for old in range(1, new + 1):
            proof = tree.consistency(old, new)
            check_consistency((old, tree.root(old)), (new, tree.root(new)), proof)


def test_the_empty_tree() -> None:
    assert GrowingTree().root(0) == EMPTY_ROOT


@pytest.mark.parametrize("size", [-1, 4])
def test_no_root_beyond_the_tree(size: int) -> None:
    with pytest.raises(ValueError, match="size"):
        grown(3).root(size)


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3), (0, 4), (0, 0)])
def test_no_path_beyond_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="leaf"):
        grown(3).inclusion(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 3), (2, 1), (1, 4)])
def test_no_consistency_beyond_the_tree(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="from"):
        grown(3).consistency(old, new)


def test_a_proof_costs_few_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    tree, count = GrowingTree(), 0
    for n in range(100_000):
        tree.append(Digest(n.to_bytes(32, "big")))

    def counted(left: bytes, right: bytes) -> Digest:
        nonlocal count
        count += 1
        return sha256(b"\1", left, right)

    monkeypatch.setattr("adapters.native.tree.node_hash", counted)
    root, path = tree.root(99_999), tree.inclusion(77_777, 99_999)
    assert count < 60  # a tree of 2**17 leaves is 17 high
    assert root_from_inclusion((77_777).to_bytes(32, "big"), 77_777, 99_999, path) == root


class LogMachine(RuleBasedStateMachine):
    """Appends and truncates at random; every root that was ever published stays a prefix of what is there."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = GrowingTree()
        self.leaves: list[Digest] = []
        self.published: list[tuple[int, Digest]] = []

    @rule(entries=st.lists(st.binary(max_size=4), max_size=9))
    def append(self, entries: list[bytes]) -> None:
        for entry in entries:
            self.leaves.append(leaf_hash(entry))
            self.tree.append(self.leaves[-1])

    @rule()
    def publish(self) -> None:
        if self.leaves:
            self.published.append((len(self.tree), self.tree.root(len(self.tree))))

    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        low = max((size for size, _ in self.published), default=0)
        size = data.draw(st.integers(low, len(self.leaves)))
        del self.leaves[size:]
        self.tree.truncate(size)

    @invariant()
    def the_root_is_the_plain_one(self) -> None:
        assert self.tree.root(len(self.tree)) == Tree(self.leaves).root

    @invariant()
    def published_roots_are_prefixes(self) -> None:
        size = len(self.tree)
        for old, root in self.published[-3:]:
            check_consistency((old, root), (size, self.tree.root(size)), self.tree.consistency(old, size))


TestLog = LogMachine.TestCase
