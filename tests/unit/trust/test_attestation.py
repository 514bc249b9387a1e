"""Attestation result, key status, report data."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import Malformed
from fabric.core.ids import DestinationId, Digest, Measurement, sha256
from fabric.trust import attestation
from fabric.trust.attestation import (
    Assurance,
    AttestationResult,
    KeySet,
    KeyState,
    KeyStatus,
    destinations_digest,
    report_data,
)
from tests.support.seeded_keys import SeededKeys
from tests.support.trust_samples import sample_result, word

KEYS = SeededKeys("enclave-0").public
RESULT = sample_result(KEYS, [DestinationId(word("destination"))], 5, 9)
STATUS = KeyStatus(KEYS, KeyState.RETIRED, 77)
WORDS = st.binary(min_size=32, max_size=32).map(Digest)
NUMBERS = st.integers(0, 2**64 - 1)
KEY_SETS = st.builds(KeySet, ed25519=WORDS, address=st.binary(min_size=20, max_size=20))
NAMES = st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=32)
RESULTS = st.builds(
    AttestationResult,
    keys=KEY_SETS,
    fabric=WORDS.map(Measurement),
    isolation=NAMES,
    assurance=st.sampled_from(Assurance),
    epoch=NUMBERS,
    not_before=NUMBERS,
    not_after=NUMBERS,
    destinations=WORDS,
    evidence=WORDS,
)
STATES = st.sampled_from([KeyState.RETIRED, KeyState.REVOKED])


@given(RESULTS)
def test_a_result_has_one_spelling(result: AttestationResult) -> None:
    assert AttestationResult.decode(result.encoded) == result
    assert len(result.encoded) == 11 * 32
    assert result.digest == sha256(result.encoded)


@given(st.builds(KeyStatus, keys=KEY_SETS, state=STATES, deadline=NUMBERS))
def test_a_status_has_one_spelling(status: KeyStatus) -> None:
    assert KeyStatus.decode(status.encoded) == status
    assert len(status.encoded) == 5 * 32


@given(st.binary(min_size=320, max_size=320), st.binary(min_size=128, max_size=128))
def test_any_words_are_a_value_or_malformed(result: bytes, status: bytes) -> None:
    for kind, data in (
        (AttestationResult, attestation.TAG + result),
        (KeyStatus, attestation.STATUS_TAG + status),
    ):
        try:
            value = kind.decode(data)
        except Malformed:
            continue
        assert value.encoded == data


@given(st.binary(max_size=400))
def test_any_bytes_are_malformed(data: bytes) -> None:
    for kind in (AttestationResult, KeyStatus):
        with pytest.raises(Malformed):
            kind.decode(data)


@pytest.mark.parametrize(
    ("at", "word_"),
    [
        (2, b"\1" + bytes(31)),  # address with upper bytes
        (4, bytes(32)),  # no isolation name
        (4, b"a\0b" + bytes(29)),
        (4, b"\xff" * 32),
        (5, (3).to_bytes(32, "big")),  # no such assurance
        (6, b"\1" * 32),  # epoch of 2**64 and more
    ],
)
def test_ill_formed_words_of_a_result(at: int, word_: bytes) -> None:
    data = RESULT.encoded[: at * 32] + word_ + RESULT.encoded[at * 32 + 32 :]
    with pytest.raises(Malformed):
        AttestationResult.decode(data)


@pytest.mark.parametrize("state", [0, 1, 4])
def test_a_status_retires_or_revokes(state: int) -> None:
    data = STATUS.encoded[:96] + state.to_bytes(32, "big") + STATUS.encoded[128:]
    with pytest.raises(Malformed, match="expected 2 or 3"):
        KeyStatus.decode(data)


def test_a_structure_is_not_taken_for_another() -> None:
    assert len({RESULT.encoded[:32], STATUS.encoded[:32]}) == 2
    with pytest.raises(Malformed):
        KeyStatus.decode(RESULT.encoded[: 5 * 32])


def test_a_key_id_covers_both_keys() -> None:
    assert KEYS.id == sha256(KEYS.ed25519, bytes(12), KEYS.address)
    assert replace(KEYS, address=bytes(20)).id != KEYS.id


@given(st.lists(WORDS.map(DestinationId), max_size=5))
def test_the_destinations_are_a_set(ids: list[DestinationId]) -> None:
    assert destinations_digest(ids) == destinations_digest([*reversed(ids), *ids])
    assert destinations_digest(ids) == hashlib.sha256(b"".join(sorted(set(ids)))).digest()


def test_assurance_is_ordered() -> None:
    assert Assurance.SIMULATED < Assurance.SOFTWARE < Assurance.HARDWARE


def test_report_data_covers_every_part() -> None:
    parts = (word("nonce"), KEYS, Measurement(word("fabric")), "strong")
    data = report_data(*parts)
    expected = b"cryptlet-fabric/report-data/v1\0" + word("nonce") + KEYS.ed25519 + bytes(12) + KEYS.address
    expected += word("fabric") + b"strong" + bytes(26)
    assert data == hashlib.sha512(expected).digest()
    others = (
        report_data(word("other"), *parts[1:]),
        report_data(parts[0], replace(KEYS, ed25519=word("other")), *parts[2:]),
        report_data(*parts[:2], Measurement(word("other")), "strong"),
        report_data(*parts[:3], "weak"),
    )
    assert len({data, *others}) == 5
