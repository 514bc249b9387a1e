"""Code revocation: one spelling, and nothing else is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import Malformed
from fabric.core.ids import Digest, Measurement, sha256
from fabric.trust import revocation
from fabric.trust.attestation import STATUS_TAG
from fabric.trust.revocation import CodeRevocation
from tests.support.trust_samples import word

MEASUREMENTS = st.binary(min_size=32, max_size=32).map(lambda data: Measurement(Digest(data)))
SAMPLE = CodeRevocation(Measurement(word("code")), 7)


@given(MEASUREMENTS, st.integers(1, 2**64 - 1))
def test_it_has_one_spelling(measurement: Measurement, since: int) -> None:
    made = CodeRevocation(measurement, since)
    assert CodeRevocation.decode(made.encoded) == made
    assert len(made.encoded) == 3 * 32
    assert made.digest == sha256(made.encoded)


@given(st.binary(min_size=64, max_size=64))
def test_any_words_are_a_revocation_or_malformed(data: bytes) -> None:
    try:
        found = CodeRevocation.decode(revocation.TAG + data)
    except Malformed:
        return
    assert found.encoded == revocation.TAG + data


@given(st.binary(max_size=128))
def test_any_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        CodeRevocation.decode(data)


@pytest.mark.parametrize("since", [bytes(32), (2**64).to_bytes(32, "big"), b"\xff" * 32])
def test_ill_formed_times(since: bytes) -> None:
    with pytest.raises(Malformed):
        CodeRevocation.decode(SAMPLE.encoded[:64] + since)


def test_it_is_not_taken_for_another_structure() -> None:
    with pytest.raises(Malformed):
        CodeRevocation.decode(STATUS_TAG + SAMPLE.encoded[32:])
