"""The embedded ledger's blocks on disk: cut where a kill tore them, refused where anything else spoiled them."""

import asyncio
import errno
import os
from pathlib import Path

import pytest
import structlog

from adapters.hyperledger.embedded.blockfile import HEAD_BYTES, NAME, BlockFile
from adapters.hyperledger.embedded.orderer import Orderer, OrdererHalted
from adapters.hyperledger.proto import common_pb2, peer_pb2
from fabric.core.errors import ConfigError, StoreError
from tests.support.hl_books import CHANNEL, Books
from tests.support.waiting import stop, until

pytestmark = pytest.mark.fault

VALID = peer_pb2.VALID


@pytest.fixture
async def books(tmp_path: Path) -> Books:
    """Three blocks: the first one, and two with a transaction each."""
    books = Books.make(tmp_path)
    for key in "ab":
        assert await books.commit(books.parts(key).envelope()) == [VALID]
    return books


def _reread(books: Books, data: bytes) -> Books:
    (books.folder / NAME).write_bytes(data)
    return books.again()


def _starts(data: bytes) -> list[int]:
    """Returns where each block's record begins, and where the last one ends."""
    found, at = [0], 0
    while at < len(data):
        at += HEAD_BYTES + int.from_bytes(data[at : at + 8], "big")
        found.append(at)
    return found


def test_whatever_a_kill_leaves_of_the_last_block_is_cut_off(books: Books) -> None:
    whole = (books.folder / NAME).read_bytes()
    begin = _starts(whole)[2]
    for end in range(begin, len(whole)):
        file = books.folder / str(end)
        file.mkdir()
        (file / NAME).write_bytes(whole[:end])
        blocks = BlockFile(file)
        with structlog.testing.capture_logs() as logs:
            assert [block.header.number for block in blocks.read()] == [0, 1]
        assert (file / NAME).read_bytes() == whole[:begin]
        assert [line["event"] for line in logs] == ["part of a block cut off"] * (end > begin)
        blocks.close()


def test_zeros_that_a_loss_of_power_leaves_are_cut_off(books: Books) -> None:
    whole = (books.folder / NAME).read_bytes()
    again = _reread(books, whole + bytes(5_000))
    assert again.channel.height == 3
    assert (again.folder / NAME).read_bytes() == whole


async def test_after_a_cut_the_ledger_goes_on(books: Books) -> None:
    whole = (books.folder / NAME).read_bytes()
    again = _reread(books, whole[:-1])
    assert again.channel.height == 2
    assert await again.commit(again.parts("c").envelope()) == [VALID]
    assert again.again().channel.height == 3


def test_a_spoiled_byte_anywhere_is_refused_by_name(books: Books) -> None:
    whole = (books.folder / NAME).read_bytes()
    for at in range(0, len(whole), 7):
        folder = books.folder / str(at)
        folder.mkdir()
        (folder / NAME).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        blocks = BlockFile(folder)
        with pytest.raises(ConfigError, match=NAME) as error:
            list(blocks.read())
        begin = max(start for start in _starts(whole) if start <= at)
        assert f"in the block at byte {begin}:" in str(error.value)
        assert (folder / NAME).stat().st_size == len(whole), "nothing was cut"
        blocks.close()


def test_a_block_that_is_missing_in_the_middle_is_refused_by_name(books: Books) -> None:
    whole = (books.folder / NAME).read_bytes()
    starts = _starts(whole)
    with pytest.raises(ConfigError, match="block 1 was spoiled"):
        _reread(books, whole[: starts[1]] + whole[starts[2] :])


async def test_changed_flags_are_refused_by_name(books: Books) -> None:
    await books.commit(books.parts(peers=[]).envelope())
    block = common_pb2.Block.FromString(books.channel.blocks[-1].SerializeToString())
    block.metadata.metadata[2] = bytes([VALID])
    (books.folder / NAME).unlink()
    blocks = BlockFile(books.folder)
    for each in (*books.channel.blocks[:-1], block):
        blocks.append(each)
    blocks.close()
    with pytest.raises(ConfigError, match="the flags of block 3 were changed"):
        books.again()


def test_two_processes_do_not_append_to_one_file(books: Books) -> None:
    with pytest.raises(ConfigError, match="another process appends to it"):
        BlockFile(books.folder)


class _Disk:
    """What ``os.write`` and ``os.fsync`` do on a disk that may be full, or lose what it took."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._write, self._sync = os.write, os.fsync
        self.room: int | None = None
        self.syncs = True
        patch.setattr(os, "write", self.write)
        patch.setattr(os, "fsync", self.fsync)

    def write(self, handle: int, data: bytes) -> int:
        if self.room is None:
            return self._write(handle, data)
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = self._write(handle, bytes(data)[: self.room])
        self.room -= count
        return count

    def fsync(self, handle: int) -> None:
        if not self.syncs:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._sync(handle)


@pytest.fixture
def spoilt_disk(monkeypatch: pytest.MonkeyPatch) -> _Disk:
    return _Disk(monkeypatch)


@pytest.mark.parametrize("room", [0, 1, HEAD_BYTES, 500])
async def test_a_full_disk_changes_nothing(books: Books, spoilt_disk: _Disk, room: int) -> None:
    spoilt_disk.room = room
    envelope = books.parts("c").envelope()
    with pytest.raises(StoreError, match="No space left on device"):
        await books.commit(envelope)
    assert books.channel.height == 3
    spoilt_disk.room = None
    assert await books.commit(envelope) == [VALID]
    again = books.again()
    assert again.channel.blocks == books.channel.blocks
    assert again.channel.state == books.channel.state


async def test_what_the_disk_does_not_confirm_is_not_told(books: Books, spoilt_disk: _Disk) -> None:
    spoilt_disk.syncs = False
    envelope = books.parts("c").envelope()
    with pytest.raises(StoreError):
        await books.commit(envelope)
    assert books.channel.height == 3
    spoilt_disk.syncs = True
    assert await books.commit(envelope) == [VALID]
    assert books.again().channel.height == 4


async def test_the_orderer_takes_nothing_while_the_disk_is_full_and_loses_nothing(
    books: Books, spoilt_disk: _Disk
) -> None:
    taken, refused, later = (common_pb2.Envelope.FromString(books.parts(key).envelope()) for key in "cde")
    batch = books.network.config.batch.model_copy(update={"seconds": 0.0})
    orderer = Orderer(CHANNEL, books.ledger.identities, batch, lambda data: books.channel.commit(books.rules, data))
    running = asyncio.create_task(orderer.run())
    spoilt_disk.room = 100
    orderer.take(taken)
    with pytest.raises(OrdererHalted, match="No space left on device"):
        await _take_until_refused(orderer, refused)
    spoilt_disk.room = None
    await _until_height(books, 4)
    orderer.take(later)
    await _until_height(books, 5)
    await stop(running)
    assert {"c", "e"} <= {key.name for key in books.channel.state.values}
    assert books.again().channel.state == books.channel.state


async def _take_until_refused(orderer: Orderer, envelope: common_pb2.Envelope) -> None:
    for _ in range(1_000):
        await asyncio.sleep(0.01)
        orderer.take(envelope)


async def _until_height(books: Books, height: int) -> None:
    async def is_reached() -> bool:
        await asyncio.sleep(0.01)
        return books.channel.height >= height

    await until(is_reached)
