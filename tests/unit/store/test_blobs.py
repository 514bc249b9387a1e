"""Blobs: whole or absent, checked on every read."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import NotFound, Oversize, StoreError, VerificationError
from fabric.core.ids import Digest, sha256
from fabric.store import blobs as blobs_module
from fabric.store.blobs import BlobStore


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def file_of(tmp_path: Path, digest: Digest) -> Path:
    return tmp_path / "blobs" / digest.hex()[:2] / digest.hex()


@given(data=st.binary(max_size=2_000))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    blobs = BlobStore(tmp_path_factory.getbasetemp() / "shared")
    digest = blobs.write(data)
    assert digest == sha256(data)
    assert blobs.read(digest) == data
    assert blobs.has(digest)


def test_nothing_else_is_left_behind(blobs: BlobStore, tmp_path: Path) -> None:
    digest = blobs.write(b"data")
    blobs.write(b"data")
    assert list(file_of(tmp_path, digest).parent.iterdir()) == [file_of(tmp_path, digest)]


def test_a_missing_blob_is_named(blobs: BlobStore) -> None:
    digest = sha256(b"missing")
    assert not blobs.has(digest)
    with pytest.raises(NotFound, match=digest.hex()):
        blobs.read(digest)


def test_a_tampered_blob_is_refused_by_name_and_healed_by_its_bytes(blobs: BlobStore, tmp_path: Path) -> None:
    digest = blobs.write(b"data")
    file_of(tmp_path, digest).write_bytes(b"Data")
    with pytest.raises(VerificationError, match=digest.hex()) as caught:
        blobs.read(digest)
    assert caught.value.step == "blob"
    blobs.write(b"data")
    assert blobs.read(digest) == b"data"


def test_a_failed_write_leaves_nothing(blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "blobs" / sha256(b"data").hex()[:2]).mkdir()
    with pytest.raises(StoreError, match="No space left"):
        blobs.write(b"data")
    assert not blobs.has(sha256(b"data"))
    assert list(file_of(tmp_path, sha256(b"data")).parent.iterdir()) == []


def test_a_blob_beyond_the_limit_is_refused(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs_module, "MAX_BYTES", 3)
    with pytest.raises(Oversize, match="at most 3 bytes, got 4"):
        blobs.write(b"data")


def test_a_folder_that_cannot_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        BlobStore(tmp_path / "file" / "blobs")


async def test_the_same_from_the_event_loop(blobs: BlobStore) -> None:
    assert await blobs.get(await blobs.put(b"data")) == b"data"
