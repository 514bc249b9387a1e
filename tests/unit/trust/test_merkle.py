"""The RFC 6962 tree: published vectors, and every proof holds for its leaf and for nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import Digest
from fabric.trust import merkle
from fabric.trust.merkle import Tree, check_consistency, consistency, leaf_hash, root_from_inclusion
from tests.vectors.published import CT_CONSISTENCY, CT_INCLUSION, CT_LEAVES, CT_ROOTS

CT = [leaf_hash(bytes.fromhex(leaf)) for leaf in CT_LEAVES]
LEAVES = [leaf_hash(bytes([n])) for n in range(40)]
SIZES = st.integers(1, 40)


def hexed(path: list[Digest]) -> list[str]:
    return [one.hex() for one in path]


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    assert Tree(CT[:size]).root.hex() == CT_ROOTS[size - 1]


@pytest.mark.parametrize("vector", CT_INCLUSION, ids=lambda one: f"{one['index']} of {one['size']}")
def test_published_inclusion(vector: dict[str, object]) -> None:
    index, size = int(str(vector["index"])), int(str(vector["size"]))
    path = Tree(CT[:size]).inclusion(index)
    assert hexed(path) == vector["path"]
    assert root_from_inclusion(CT[index], index, size, path).hex() == CT_ROOTS[size - 1]


@pytest.mark.parametrize("vector", CT_CONSISTENCY, ids=lambda one: f"{one['old']} to {one['new']}")
def test_published_consistency(vector: dict[str, object]) -> None:
    old, new = int(str(vector["old"])), int(str(vector["new"]))
    proof = consistency(CT[:new], old)
    assert hexed(proof) == vector["path"]
    check_consistency((old, bytes.fromhex(CT_ROOTS[old - 1])), (new, bytes.fromhex(CT_ROOTS[new - 1])), proof)


def test_no_leaves() -> None:
    assert Tree([]).root.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert len(Tree([])) == 0
    with pytest.raises(IndexError):
        Tree([]).inclusion(0)


@given(SIZES, st.data())
def test_a_path_leads_from_its_leaf_alone_to_the_root(size: int, data: st.DataObject) -> None:
    index, other = (data.draw(st.integers(0, size - 1)) for _ in range(2))
    tree = Tree(LEAVES[:size])
    path = tree.inclusion(index)
    assert root_from_inclusion(LEAVES[index], index, size, path) == tree.root
    if other != index:
        assert reached(LEAVES[other], index, size, path) != tree.root
        assert reached(LEAVES[index], other, size, path) != tree.root


@given(SIZES, st.data())
def test_a_changed_path_leads_elsewhere(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    tree = Tree(LEAVES[:size])
    path = tree.inclusion(index)
    extra = [*path, Digest(bytes(32))]
    assert reached(LEAVES[index], index, size, extra) is None
    if path:
        assert reached(LEAVES[index], index, size, path[:-1]) is None
        at = data.draw(st.integers(0, len(path) - 1))
        changed = [*path]
        changed[at] = Digest(bytes(32))
        assert reached(LEAVES[index], index, size, changed) != tree.root


def reached(leaf: bytes, index: int, size: int, path: list[Digest]) -> Digest | None:
    try:
        return root_from_inclusion(leaf, index, size, path)
    except VerificationError:
        return None


@pytest.mark.parametrize(("index", "size"), [(1, 1), (-1, 3), (0, 0), (5, 3)])
def test_an_index_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(VerificationError, match="outside"):
        root_from_inclusion(LEAVES[0], index, size, [])


@given(SIZES, SIZES, st.data())
def test_consistency_holds_and_nothing_near_it(one: int, two: int, data: st.DataObject) -> None:
    old, new = sorted((one, two))
    roots = Tree(LEAVES[:old]).root, Tree(LEAVES[:new]).root
    proof = consistency(LEAVES[:new], old)
    check_consistency((old, roots[0]), (new, roots[1]), proof)
    wrong = [[*proof, Digest(bytes(32))]]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        wrong += [proof[:-1], [*proof[:at], Digest(bytes(32)), *proof[at + 1 :]]]
    for path in wrong:
        with pytest.raises(VerificationError):
            check_consistency((old, roots[0]), (new, roots[1]), path)
    with pytest.raises(VerificationError):
        check_consistency((old, bytes(32)), (new, roots[1]), proof)
    with pytest.raises(VerificationError):
        check_consistency((old, roots[0]), (new, bytes(32)), proof)


@pytest.mark.parametrize(("old", "new"), [(0, 1), (2, 1), (-1, 1)])
def test_sizes_without_consistency(old: int, new: int) -> None:
    with pytest.raises(VerificationError):
        check_consistency((old, bytes(32)), (new, bytes(32)), [])
    with pytest.raises(ValueError, match="consistency"):
        consistency(LEAVES[:new], old)


def test_an_entry_cannot_pass_for_an_inner_node() -> None:
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != merkle.node_hash(left, right)


def test_paths_in_json() -> None:
    path = Tree(LEAVES).inclusion(3)
    assert list(merkle.parse_path(hexed(path), "path")) == path
    for value in (None, "00" * 32, ["00"], [1], ["00" * 32] * 65):
        with pytest.raises(Malformed, match="path"):
            merkle.parse_path(value, "path")
