"""The fingerprint: one digest for every spelling of a document."""

import hashlib

import pytest

from cryptlets.utility.fingerprint.service import Fingerprint
from fabric.core.errors import Malformed
from fabric.sdk.testing import run

EXPECTED = hashlib.sha256('{"a":[1,true,null],"ä":"x"}'.encode()).hexdigest()


@pytest.mark.parametrize(
    "document",
    [
        '{"document":{"a":[1,true,null],"ä":"x"}}',
        '{ "document" : {"\\u00e4":"x", "a":[1, true,null]}}',
    ],
)
def test_spelling_does_not_matter(document: str) -> None:
    assert run(Fingerprint, "document", document.encode()) == {"sha256": EXPECTED, "size": 28}


def test_a_file_is_hashed_as_it_is() -> None:
    assert run(Fingerprint, "file", b"abc") == {"sha256": hashlib.sha256(b"abc").hexdigest(), "size": 3}


def test_fractions_are_refused() -> None:
    with pytest.raises(Malformed, match="write fractions as texts"):
        run(Fingerprint, "document", b'{"document":{"a":[1.5]}}')
