"""The tile log: paths of C2SP, proofs from tiles against RFC 9162's, what is spoiled refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import FabricError, Malformed, VerificationError
from fabric.core.ids import Digest, sha256
from fabric.trust.checkpoint import open_note
from fabric.trust.merkle import Tree, consistency, leaf_hash
from registry.book.entry import decode_entry, decode_leaf
from registry.files import Shelf
from registry.log.paths import entry_tile, hash_tile, width_of
from registry.log.tree import (
    SPLIT,
    Read,
    Tiles,
    check_extends,
    check_leaf,
    decode_entries,
    encode_entries,
    read_entries,
    root_of,
)
from registry.log.writer import LogWriter
from tests.support.registries import ALICE


def test_paths_are_those_of_the_specification() -> None:
    assert hash_tile(0, 1234067) == "tile/0/x001/x234/067"
    assert hash_tile(1, 0, 5) == "tile/1/000.p/5"
    assert entry_tile(1000) == "tile/entries/x001/000"
    assert [width_of(0, 1, size) for size in (256, 257, 512, 600)] == [0, 1, 256, 256]
    assert width_of(1, 0, 513) == 2


def _entry(number: int) -> bytes:
    return f"entry {number}".encode()


def _written(folder: Path, sizes: list[int]) -> tuple[LogWriter, Shelf]:
    shelf = Shelf(folder)
    writer = LogWriter(shelf, "log.test", ALICE.key.public, ALICE.key.sign)
    for size in sizes:
        since = writer.size
        writer.extend([_entry(number) for number in range(since, size)])
        writer.emit(since)
    return writer, shelf


def _reader(shelf: Shelf) -> Read:
    def read(path: str, limit: int) -> bytes:
        data = shelf.read(path)
        assert data is not None, path
        assert len(data) <= limit
        return data

    return read


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 513, 700])
def test_proofs_from_tiles_are_those_of_the_tree(tmp_path: Path, size: int) -> None:
    writer, shelf = _written(tmp_path, [size // 2 or 1, size])
    entries = [_entry(number) for number in range(size)]
    tree, hashes = Tree.over(entries), [leaf_hash(entry) for entry in entries]
    note = shelf.read("checkpoint")
    assert note is not None
    checkpoint = open_note(note.decode(), ALICE.key.public)
    assert (checkpoint.size, checkpoint.root) == (size, tree.root) == (writer.checkpoint.size, root_of(entries))
    tiles = Tiles(_reader(shelf), size)
    for index in {0, size // 3, size - 1}:
        assert tiles.inclusion(index) == tree.inclusion(index)
        check_leaf(tiles, checkpoint, index, entries[index])
        with pytest.raises(VerificationError, match="is not in the log"):
            check_leaf(tiles, checkpoint, index, b"another")
    for old in {1, size // 2 or 1, size}:
        assert tiles.consistency(old) == consistency(hashes, old)
        before = type(checkpoint)("log.test", old, Tree(hashes[:old]).root)
        check_extends(tiles, before, checkpoint)
        if old < size:
            with pytest.raises(VerificationError) as caught:
                check_extends(tiles, type(checkpoint)("log.test", old, Digest(bytes(32))), checkpoint)
            assert caught.value.step == SPLIT
            with pytest.raises(VerificationError) as caught:  # other tiles than the checkpoint's say nothing of a split
                check_extends(tiles, before, type(checkpoint)("log.test", size, Digest(bytes(32))))
            assert caught.value.step == "tiles"
    assert read_entries(_reader(shelf), size // 2, size) == entries[size // 2 :]


def test_a_tile_that_was_spoiled_proves_nothing(tmp_path: Path) -> None:
    writer, shelf = _written(tmp_path, [300])
    data = shelf.read(hash_tile(0, 0))
    assert data is not None
    shelf.put(hash_tile(0, 0), data[:32] + sha256(b"x") + data[64:])
    with pytest.raises(VerificationError):
        check_leaf(Tiles(_reader(shelf), 300), writer.checkpoint, 0, _entry(0))
    shelf.put(hash_tile(0, 0), data[:-1])
    with pytest.raises(Malformed, match="8191 bytes for 256 hashes"):
        check_leaf(Tiles(_reader(shelf), 300), writer.checkpoint, 0, _entry(0))


def test_a_tile_of_entries_is_read_whole_or_not() -> None:
    data = encode_entries([b"", b"a", b"b" * 300])
    assert decode_entries(data) == [b"", b"a", b"b" * 300]
    for cut in range(1, len(data)):
        try:
            found = decode_entries(data[:cut])
        except Malformed:
            continue
        assert encode_entries(found) == data[:cut]


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_malformed(data: bytes) -> None:
    for read in (decode_entry, decode_leaf):
        with pytest.raises(FabricError):
            read(data)
