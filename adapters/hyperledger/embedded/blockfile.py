"""Blocks on disk, the source of truth: one file, appended to; each block is flushed before anybody hears of it.

A record is a head and the block. The head is length (8 bytes) and CRC-32 (4 bytes) of the block, and the CRC-32 of
these 12 bytes, all big-endian; so a length is known to be true before anything is cut by it. A kill leaves at most the
beginning of the last record, a loss of power zeros behind it; both are cut off at the next start. Anything else that
does not fit was spoiled from outside, and is refused by name: what was told of is never forgotten in silence.
"""

import fcntl
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
_CHECK: Final = struct.Struct(">I")
HEAD_BYTES: Final = _HEAD.size + _CHECK.size
_CHUNK: Final = 1 << 20
_log = structlog.get_logger(__name__)


class BlockFile:
    """Appends blocks, and reads them again at a start. One process has it at a time."""

    def __init__(self, folder: Path) -> None:
        """Opens the file in a folder, or makes it.

        Raises:
            ConfigError: another process has it.
            StoreError: it cannot be made.
        """
        self._path = folder / NAME
        self._end = 0
        try:
            self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            _sync_folder(folder)
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._handle)
            raise ConfigError(f"{self._path}: another process appends to it: stop that one first") from error

    def read(self) -> Iterator[common_pb2.Block]:
        """Gives every block, and cuts off a part of one at the end.

        Raises:
            ConfigError: the file was spoiled; names the place.
        """
        size = self._path.stat().st_size
        with self._path.open("rb") as file:
            while self._end < size:
                data = self._record(file, size)
                if data is None:
                    _log.warning("part of a block cut off", file=str(self._path), at=self._end, bytes=size - self._end)
                    os.ftruncate(self._handle, self._end)
                    os.fsync(self._handle)
                    return
                block = self._block(data)
                self._end = file.tell()
                yield block

    def append(self, block: common_pb2.Block) -> None:
        """Stores a block durably.

        Raises:
            StoreError: the disk did not take it; the file is as before, at the latest when the next one is appended.
        """
        data = block.SerializeToString()
        try:
            self._cut()
            self._write(_head(data) + data)
            os.fsync(self._handle)
        except OSError as error:
            reason = f"{self._path}: block {block.header.number} not written: {error.strerror}"
            raise StoreError(reason) from error
        self._end += HEAD_BYTES + len(data)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._handle)

    def _cut(self) -> None:
        """Takes away what an attempt left that the disk did not take to its end."""
        if os.fstat(self._handle).st_size != self._end:
            os.ftruncate(self._handle, self._end)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._handle, rest) :]

    def _record(self, file: BinaryIO, size: int) -> bytes | None:
        """Returns the next block's bytes, None where only a part of it is there."""
        head = file.read(HEAD_BYTES)
        if len(head) < HEAD_BYTES:
            return None
        length, checksum = _HEAD.unpack(head[: _HEAD.size])
        if zlib.crc32(head[: _HEAD.size]) != _CHECK.unpack(head[_HEAD.size :])[0]:
            if not any(head) and _is_zero(file):
                return None
            raise self._spoiled()
        if file.tell() + length > size:
            return None
        data = file.read(length)
        if zlib.crc32(data) != checksum:
            raise self._spoiled()
        return data

    def _block(self, data: bytes) -> common_pb2.Block:
        try:
            return common_pb2.Block.FromString(data)
        except DecodeError as error:
            raise self._spoiled() from error

    def _spoiled(self) -> ConfigError:
        remedy = f"put it back from a copy, or cut it to {self._end} bytes and lose what is behind"
        return ConfigError(f"{self._path}: spoiled in the block at byte {self._end}: {remedy}")


def _head(data: bytes) -> bytes:
    head = _HEAD.pack(len(data), zlib.crc32(data))
    return head + _CHECK.pack(zlib.crc32(head))


def _is_zero(file: BinaryIO) -> bool:
    while chunk := file.read(_CHUNK):
        if any(chunk):
            return False
    return True


def _sync_folder(folder: Path) -> None:
    """Makes a new file's entry durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
