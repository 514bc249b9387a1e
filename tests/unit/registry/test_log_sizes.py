"""The tile log around the sizes where tiles and their levels begin: 256 hashes, and 65,536."""

from pathlib import Path
from typing import Final

import pytest

from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import Digest
from fabric.trust.checkpoint import Checkpoint, open_note
from fabric.trust.merkle import Tree, consistency, leaf_hash
from registry.log.paths import entry_tile, hash_tile, width_of
from registry.log.tree import Read, Tiles, check_extends, check_leaf, encode_entries, read_entries
from registry.log.writer import LogWriter
from tests.support.memory_shelf import Memory
from tests.support.registries import ALICE

SIZES: Final = (1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537)
ENTRIES: Final = [number.to_bytes(3, "big") for number in range(SIZES[-1])]


@pytest.fixture(scope="module")
def logs() -> dict[int, Memory]:
    """A log as it was at each size, written once, from one size to the next."""
    shelf = Memory(Path("/nowhere"))
    writer = LogWriter(shelf, "log.test", ALICE.key.public, ALICE.key.sign)
    seen = {}
    for size in SIZES:
        since = writer.size
        writer.extend(ENTRIES[since:size])
        writer.emit(since)
        seen[size] = Memory(shelf.root)
        seen[size].files |= shelf.files
    return seen


@pytest.fixture(scope="module")
def hashes() -> list[Digest]:
    return [leaf_hash(entry) for entry in ENTRIES]


def _reader(shelf: Memory) -> Read:
    def read(path: str, limit: int) -> bytes:
        data = shelf.files[path]
        assert len(data) <= limit
        return data

    return read


def _checkpoint(shelf: Memory) -> Checkpoint:
    return open_note(shelf.files["checkpoint"].decode(), ALICE.key.public)


@pytest.mark.parametrize("size", SIZES)
def test_root_and_proofs_are_those_of_the_tree(logs: dict[int, Memory], hashes: list[Digest], size: int) -> None:
    tree, checkpoint, tiles = Tree(hashes[:size]), _checkpoint(logs[size]), Tiles(_reader(logs[size]), size)
    assert (checkpoint.size, checkpoint.root) == (size, tree.root)
    for index in {0, 255, 256, size // 3, 65_535, size - 1} & set(range(size)):
        assert tiles.inclusion(index) == tree.inclusion(index)
        check_leaf(tiles, checkpoint, index, ENTRIES[index])
        with pytest.raises(VerificationError, match=f"leaf {index} is not in the log of {size} entries"):
            check_leaf(tiles, checkpoint, index, b"another")
    with pytest.raises(VerificationError, match=f"leaf {size} outside a tree of {size}"):
        check_leaf(tiles, checkpoint, size, ENTRIES[-1])


@pytest.mark.parametrize("size", SIZES[1:])
def test_each_size_goes_on_from_the_former_ones(logs: dict[int, Memory], hashes: list[Digest], size: int) -> None:
    tiles, new = Tiles(_reader(logs[size]), size), _checkpoint(logs[size])
    for old in SIZES[: SIZES.index(size) + 1]:
        check_extends(tiles, _checkpoint(logs[old]), new)
        if old < size:
            with pytest.raises(VerificationError):
                check_extends(tiles, Checkpoint("log.test", old, Digest(b"\x07" * 32)), new)
            with pytest.raises(VerificationError):
                check_extends(Tiles(_reader(logs[old]), old), new, _checkpoint(logs[old]))
    old = SIZES[SIZES.index(size) - 1]
    assert tiles.consistency(old) == consistency(hashes[:size], old)


@pytest.mark.parametrize("size", SIZES)
def test_the_tiles_are_those_of_the_specification(logs: dict[int, Memory], hashes: list[Digest], size: int) -> None:
    """C2SP tlog-tiles: level 1 holds the roots of level 0's whole tiles; a partial tile says its width."""
    whole, rest = divmod(size, 256)
    paths = [hash_tile(0, index) for index in range(whole)] + ([hash_tile(0, whole, rest)] if rest else [])
    assert b"".join(logs[size].files[path] for path in paths) == b"".join(hashes[:size])
    if whole:
        upper = [Tree(hashes[at * 256 :][:256]).root for at in range(whole)]
        assert logs[size].files[hash_tile(1, 0, min(whole, 256))] == b"".join(upper)
        assert width_of(1, 0, size) == whole
    assert (width_of(2, 0, size) == 1) is (size >= 65_536)
    assert width_of(0, whole, size) == rest


def test_paths_of_the_specification() -> None:
    assert hash_tile(0, 1_234_067) == "tile/0/x001/x234/067"
    assert hash_tile(3, 999, 255) == "tile/3/999.p/255"
    assert entry_tile(1_000_000, 1) == "tile/entries/x001/x000/000.p/1"
    assert [hash_tile(1, number) for number in (0, 1, 999, 1_000)] == [
        "tile/1/000",
        "tile/1/001",
        "tile/1/999",
        "tile/1/x001/000",
    ]


@pytest.mark.parametrize("index", [0, 200, 255, 256, 511, 512])
def test_no_bit_of_a_tile_is_free(logs: dict[int, Memory], index: int) -> None:
    """What a proof reads of a tile it rests on: another hash there gives another proof, and that is refused."""
    size = 513
    checkpoint, honest = _checkpoint(logs[size]), _Spoiled(logs[size])
    proof = Tiles(honest, size).inclusion(index)
    refused = 0
    for path in sorted(honest.read):
        for at in range(index % 32, len(logs[size].files[path]), 32):
            tiles = Tiles(_Spoiled(logs[size], (path, at)), size)
            if tiles.inclusion(index) == proof:
                check_leaf(tiles, checkpoint, index, ENTRIES[index])
                continue
            with pytest.raises(VerificationError):
                check_leaf(tiles, checkpoint, index, ENTRIES[index])
            refused += 1
    assert refused >= len(proof)


class _Spoiled:
    """Reads files, one of which has another bit, and notes which."""

    def __init__(self, shelf: Memory, place: tuple[str, int] | None = None) -> None:
        self.read: set[str] = set()
        self._shelf = shelf
        self._place = place

    def __call__(self, path: str, _limit: int) -> bytes:
        self.read.add(path)
        data = bytearray(self._shelf.files[path])
        if self._place is not None and path == self._place[0]:
            data[self._place[1]] ^= 1
        return bytes(data)


@pytest.mark.parametrize("start", [0, 1, 255, 256, 257, 512])
def test_entries_are_read_from_anywhere(logs: dict[int, Memory], start: int) -> None:
    assert read_entries(_reader(logs[513]), start, 513) == ENTRIES[start:513]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (encode_entries(ENTRIES[:256])[:-1], "cut off"),
        (encode_entries(ENTRIES[:256]) + b"\0", "cut off"),
        (encode_entries(ENTRIES[:255]), "tile 0 holds 255 entries instead of 256"),
        (encode_entries(ENTRIES[:257]), "tile 0 holds 257 entries instead of 256"),
        (b"", "tile 0 holds 0 entries instead of 256"),
    ],
    ids=["short", "long", "one less", "one more", "empty"],
)
def test_a_tile_of_entries_that_is_not_whole_is_none(logs: dict[int, Memory], data: bytes, said: str) -> None:
    spoiled = Memory(Path("/nowhere"))
    spoiled.files |= logs[513].files | {entry_tile(0): data}
    with pytest.raises(Malformed, match=said):
        read_entries(lambda path, _: spoiled.files[path], 0, 513)
