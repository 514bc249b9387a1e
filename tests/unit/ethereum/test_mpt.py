"""The receipt trie: known roots, every size around a branch's width, and proofs that differ in one byte."""

from typing import Final

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from adapters.ethereum.mpt import EMPTY_ROOT, Trie, check_proof, index_key
from fabric.core.errors import VerificationError

# The tests that all clients of Ethereum share (ethereum/tests, TrieTests/trieanyorder.json).
KNOWN: Final = {
    "dogs": (
        {"doe": "reindeer", "dog": "puppy", "dogglesworth": "cat"},
        "8aad789dff2f538bca5d8ea56e8abe10f4c7ba3a5dea95fea4cd6e7c3a1168d3",
    ),
    "puppy": (
        {"do": "verb", "horse": "stallion", "doge": "coin", "dog": "puppy"},
        "5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84",
    ),
    "foo": (
        {"foo": "bar", "food": "bass"},
        "17beaa1648bafa633cda809c90c04af50fc8aed3cb40d16efbddee6fdf63c4c3",
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_roots(name: str) -> None:
    items, root = KNOWN[name]
    trie = Trie({key.encode(): value.encode() for key, value in items.items()})
    assert trie.root.hex() == root
    for key, value in items.items():
        assert check_proof(trie.root, key.encode(), trie.proof(key.encode())) == value.encode()


def test_the_empty_trie_has_the_known_root() -> None:
    assert Trie({}).root == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    with pytest.raises(KeyError):
        Trie({}).proof(index_key(0))


@pytest.mark.parametrize("size", [1, 2, 16, 17, 127, 128, 129, 255, 256, 257])
def test_every_item_is_proven(size: int) -> None:
    trie = block(size)
    for index in range(size):
        assert check_proof(trie.root, index_key(index), trie.proof(index_key(index))) == receipt(index)


def test_a_proof_shows_nothing_else() -> None:
    trie = block(40)
    proof = trie.proof(index_key(7))
    for wrong in (6, 8, 40, 200):
        with pytest.raises(VerificationError):
            check_proof(trie.root, index_key(wrong), proof)
    with pytest.raises(VerificationError):
        check_proof(bytes(32), index_key(7), proof)


def test_a_proof_has_one_length() -> None:
    trie = block(200)
    proof = trie.proof(index_key(7))
    assert len(proof) > 1
    for wrong in ([], proof[:-1], [*proof, proof[-1]], [*proof, b""], proof[1:]):
        with pytest.raises(VerificationError):
            check_proof(trie.root, index_key(7), wrong)


@given(st.data())
def test_no_byte_of_a_proof_is_free(data: st.DataObject) -> None:
    trie = block(20)
    proof = trie.proof(index_key(3))
    node = data.draw(st.integers(0, len(proof) - 1))
    place = data.draw(st.integers(0, len(proof[node]) - 1))
    flipped = bytearray(proof[node])
    flipped[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(VerificationError):
        check_proof(trie.root, index_key(3), [*proof[:node], bytes(flipped), *proof[node + 1 :]])


@given(st.dictionaries(st.binary(max_size=6), st.binary(min_size=1, max_size=40), max_size=30))
def test_any_mapping_is_proven(items: dict[bytes, bytes]) -> None:
    trie = Trie(items)
    for key, value in items.items():
        assert check_proof(trie.root, key, trie.proof(key)) == value


@given(st.binary(max_size=4), st.lists(st.binary(max_size=80), max_size=4))
def test_any_bytes_are_refused(key: bytes, proof: list[bytes]) -> None:
    root = keccak(proof[0]) if proof else bytes(32)
    with pytest.raises(VerificationError):
        check_proof(root, key, [*proof, b"one too many"])


def receipt(index: int) -> bytes:
    return index.to_bytes(2, "big") * 150


def block(size: int) -> Trie:
    return Trie({index_key(index): receipt(index) for index in range(size)})
