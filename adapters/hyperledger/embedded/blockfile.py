"""Blocks on disk, the source of truth: one file, appended to; each block is flushed before anybody hears of it.

A record is length (8 bytes) and CRC-32 (4 bytes) of the block, both big-endian, and the block. A kill leaves at most a
part of the last one, which is cut off at the next start. Anything else that does not fit was spoiled from outside, and
is refused by name: what was told of is never forgotten in silence.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import structlog
from google.protobuf.message import DecodeError

from adapters.hyperledger.proto import common_pb2
from fabric.core.errors import ConfigError, StoreError

NAME: Final = "blocks.bin"
_HEAD: Final = struct.Struct(">QI")
_log = structlog.get_logger(__name__)


class BlockFile:
    """Appends blocks, and reads them again at a start."""

    def __init__(self, folder: Path) -> None:
        """Opens the file in a folder, or makes it."""
        self._path = folder / NAME
        self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def read(self) -> Iterator[common_pb2.Block]:
        """Gives every block, and cuts off a part of one at the end.

        Raises:
            ConfigError: the file was spoiled; names the place.
        """
        size = self._path.stat().st_size
        with self._path.open("rb") as file:
            while (at := file.tell()) < size:
                data = self._record(file, size)
                if data is None:
                    _log.warning("part of a block cut off", file=str(self._path), at=at, bytes=size - at)
                    os.ftruncate(self._handle, at)
                    return
                yield self._block(data, at)

    def append(self, block: common_pb2.Block) -> None:
        """Stores a block durably.

        Raises:
            StoreError: the disk did not take it; the file is as before.
        """
        data = block.SerializeToString()
        before = os.fstat(self._handle).st_size
        try:
            self._write(_HEAD.pack(len(data), zlib.crc32(data)) + data)
            os.fsync(self._handle)
        except OSError as error:
            os.ftruncate(self._handle, before)
            raise StoreError(f"{self._path}: block {block.header.number} not written: {error.strerror}") from error

    def close(self) -> None:
        """Closes the file."""
        os.close(self._handle)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._handle, rest) :]

    def _record(self, file: BinaryIO, size: int) -> bytes | None:
        """Returns the next block's bytes, None where only a part of it is there."""
        at = file.tell()
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        length, checksum = _HEAD.unpack(head)
        if at + _HEAD.size + length > size:
            return None
        data = file.read(length)
        if zlib.crc32(data) == checksum:
            return data
        if file.tell() == size:
            return None
        raise ConfigError(
            f"{self._path}: spoiled at byte {at}: put it back from a copy, or remove it for a new channel"
        )

    def _block(self, data: bytes, at: int) -> common_pb2.Block:
        try:
            return common_pb2.Block.FromString(data)
        except DecodeError as error:
            raise ConfigError(f"{self._path}: no block at byte {at}: put it back from a copy") from error
