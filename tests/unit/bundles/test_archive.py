"""One set of files has one archive; any other bytes are refused."""

import io
import zipfile
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.bundles import archive
from fabric.core.errors import Malformed
from tests.vectors.gen_bundle import refused_archives, zipped

NAMES: Final = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}){0,2}", fullmatch=True)
FILES: Final = st.dictionaries(NAMES, st.binary(max_size=50), min_size=1, max_size=8)
GOOD: Final = archive.write({"a/b.py": b"b", "a.py": b"a" * 30})


@given(FILES)
def test_what_is_written_is_read_back(files: dict[str, bytes]) -> None:
    written = archive.write(files)
    assert archive.read(written) == files
    assert list(archive.read(written)) == sorted(files)
    assert archive.write(dict(reversed(files.items()))) == written


@given(FILES)
def test_other_readers_see_the_same_files(files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(archive.write(files))) as other:
        assert other.testzip() is None
        assert {info.filename: other.read(info) for info in other.infolist()} == files
        assert {(info.date_time, info.external_attr >> 16) for info in other.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 0o100644)
        }


@given(FILES)
def test_another_writer_given_the_same_choices_writes_the_same(files: dict[str, bytes]) -> None:
    assert zipped(sorted(files.items())) == archive.write(files)


@given(st.binary(max_size=300))
def test_any_bytes_give_files_or_malformed(data: bytes) -> None:
    for candidate in (data, b"PK\3\4" + data, GOOD[:30] + data):
        try:
            files = archive.read(candidate)
        except Malformed:
            continue
        assert archive.write(files) == candidate


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_byte_is_free(at: int, change: int) -> None:
    changed = bytearray(GOOD)
    changed[at] ^= change
    try:
        files = archive.read(bytes(changed))
    except Malformed:
        return
    pytest.fail(f"byte {at} may be changed: {files}")


@pytest.mark.parametrize("case", refused_archives())
def test_it_is_refused_with_its_reason(case: str) -> None:
    data, reason = refused_archives()[case]
    with pytest.raises(Malformed) as refusal:
        archive.read(data)
    assert reason in str(refusal.value)


def test_limits_hold_when_writing_and_when_reading() -> None:
    with pytest.raises(Malformed, match="1 to 512 entries, got 513"):
        archive.write({f"a{number}": b"" for number in range(513)})
    with pytest.raises(Malformed, match="at most 8388608 bytes"):
        archive.write({"a": bytes(archive.MAX_BYTES)})
    with pytest.raises(Malformed, match="at most 8388608 bytes"):
        archive.read(bytes(archive.MAX_BYTES + 1))
    with pytest.raises(Malformed, match="1 to 512 entries"):
        archive.write({})


def test_an_archive_of_the_largest_size_passes() -> None:
    overhead = len(archive.write({"a": b""}))
    largest = archive.write({"a": bytes(archive.MAX_BYTES - overhead)})
    assert len(largest) == archive.MAX_BYTES
    assert len(archive.read(largest)["a"]) == archive.MAX_BYTES - overhead
