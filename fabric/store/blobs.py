"""Blobs: bytes in files named by their SHA-256, checked on every read.

A blob is written beside its place, synced, and renamed into it, so a file under its digest is whole or was tampered
with afterwards; its bytes never change.
"""

import asyncio
import os
import tempfile
from pathlib import Path

from fabric.core.errors import NotFound, Oversize, StoreError, VerificationError
from fabric.core.ids import Digest, sha256

MAX_BYTES = 32 << 20
"""Largest blob; what the longest input of an invocation may be (``fabric.trust.sources``)."""


class BlobStore:
    """A folder of blobs. The plain methods block; the ``async`` ones run them in a thread."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder where it is missing.

        Raises:
            StoreError: it cannot be made.
        """
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _converted("make the folder of blobs", error) from error

    def has(self, digest: Digest) -> bool:
        """Says whether there is a file for the digest; its bytes are checked when they are read."""
        return self._path(digest).is_file()

    def write(self, data: bytes) -> Digest:
        """Stores bytes durably and returns their digest; a repeat costs nothing.

        Raises:
            Oversize: beyond ``MAX_BYTES``.
            StoreError: the disk did not take them.
        """
        if len(data) > MAX_BYTES:
            message = f"a blob takes at most {MAX_BYTES} bytes, got {len(data)}"
            raise Oversize(message)
        digest = sha256(data)
        if not self._is_intact(digest):
            try:
                self._place(self._path(digest), data)
            except OSError as error:
                raise _converted(f"write blob {digest.hex()}", error) from error
        return digest

    def read(self, digest: Digest) -> bytes:
        """Returns the bytes of a digest.

        Raises:
            NotFound: no such blob.
            VerificationError: step ``blob``: the file's bytes are not of this digest.
            StoreError: the file cannot be read.
        """
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError as error:
            message = f"no blob {digest.hex()}"
            raise NotFound(message) from error
        except OSError as error:
            raise _converted(f"read blob {digest.hex()}", error) from error
        if (found := sha256(data)) != digest:
            reason = f"the file of blob {digest.hex()} has digest {found.hex()}"
            raise VerificationError("blob", reason)
        return data

    async def put(self, data: bytes) -> Digest:
        """Stores bytes; see ``write``."""
        return await asyncio.to_thread(self.write, data)

    async def get(self, digest: Digest) -> bytes:
        """Returns bytes; see ``read``."""
        return await asyncio.to_thread(self.read, digest)

    def _is_intact(self, digest: Digest) -> bool:
        """Says whether nothing is to be written; a file that was tampered with is replaced."""
        try:
            self.read(digest)
        except (NotFound, VerificationError):
            return False
        return True

    def _path(self, digest: Digest) -> Path:
        name = digest.hex()
        return self._folder / name[:2] / name

    def _place(self, path: Path, data: bytes) -> None:
        if not path.parent.is_dir():
            path.parent.mkdir(exist_ok=True)
            _sync_folder(self._folder)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable: it is an entry of the folder, not of the file."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _converted(what: str, error: OSError) -> StoreError:
    return StoreError(f"could not {what}: {error.strerror or error}")
