"""Software evidence: what is in it holds or is refused, and it never passes as more than software."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import Measurement, sha256
from fabric.signers.pair import KeyPair
from fabric.trust.appraisal.evidence import Subject
from fabric.trust.appraisal.kinds import KINDS, appraise
from fabric.trust.appraisal.software import message_of, write_evidence
from fabric.trust.attestation import Assurance
from fabric.trust.schemes import ED25519, Signature
from tests.support.enclaves import ATTESTER, CODE, EPOCH, ISOLATION, NONCE, PAIR, evidence


def changed(**changes: JsonValue) -> bytes:
    """Returns evidence with other fields and a fresh attester's signature, as a lying host would make it."""
    value = canonical.decode_object(evidence())
    body: JsonObject = {name: item for name, item in value.items() if name != "attester"} | changes
    return write_evidence(body, Signature(ED25519, ATTESTER.public_key, ATTESTER.key.sign(message_of(body))))


def test_claims_are_what_the_enclave_is() -> None:
    document = evidence()
    claims = appraise(document, NONCE)
    assert claims.subject.keys == PAIR.keys
    assert (claims.subject.fabric, claims.subject.isolation, claims.subject.epoch) == (CODE, ISOLATION, EPOCH)
    assert (claims.assurance, claims.attester) == (Assurance.SOFTWARE, ATTESTER.public_key)
    assert claims.evidence == sha256(document)


def test_the_nonce_is_compared() -> None:
    with pytest.raises(VerificationError, match="another nonce"):
        appraise(evidence(), sha256(b"another"))


@pytest.mark.parametrize(
    "change",
    [
        {"fabric": "11" * 32},
        {"isolation": "none"},
        {"nonce": "11" * 32},
        {"report_data": "11" * 64},
        {"epoch": EPOCH + 1},
        {"keys": {"address": "11" * 20, "ed25519": PAIR.keys.ed25519.hex()}},
    ],
)
def test_a_host_cannot_change_what_the_keys_signed(change: JsonObject) -> None:
    with pytest.raises(VerificationError):
        appraise(changed(**change))


def test_a_host_cannot_put_keys_it_does_not_hold() -> None:
    """A machine in the middle answers with its own keys and the victim's signatures."""
    own = KeyPair.generate()
    subject = Subject(NONCE, own.keys, CODE, ISOLATION, EPOCH, {})
    body = subject.to_json("software", PAIR.sign(subject.possession))
    signature = Signature(ED25519, ATTESTER.public_key, ATTESTER.key.sign(message_of(body)))
    with pytest.raises(VerificationError, match="possession"):
        appraise(write_evidence(body, signature))


def test_each_flipped_byte_is_refused() -> None:
    document = evidence()
    for at in range(0, len(document), 7):
        flipped = document[:at] + bytes([document[at] ^ 1]) + document[at + 1 :]
        with pytest.raises((Malformed, VerificationError)):
            appraise(flipped, NONCE)


@pytest.mark.parametrize("kind", ["simulated", "hardware", "tdx", 1, None])
def test_other_kinds_are_refused(kind: JsonValue) -> None:
    with pytest.raises(Malformed, match="kind"):
        appraise(changed(kind=kind))


@pytest.mark.parametrize("name", ["assurance", "hardware"])
def test_evidence_cannot_name_its_own_assurance(name: str) -> None:
    with pytest.raises(Malformed):
        appraise(changed(**{name: 2}))


def test_no_kind_gives_more_than_software() -> None:
    assert {appraise(evidence()).assurance for _ in KINDS} == {Assurance.SOFTWARE}


def test_another_measurement_is_another_evidence() -> None:
    assert appraise(evidence(fabric=Measurement(sha256(b"other")))).subject.fabric != CODE


@given(st.binary(max_size=300))
def test_any_bytes_are_claims_or_refused(document: bytes) -> None:
    with pytest.raises(Malformed):
        appraise(document)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text("ab0", max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(canonical.decode_object(evidence()))), json_values)
def test_any_field_is_judged_or_refused(name: str, value: JsonValue) -> None:
    try:
        appraise(changed(**{name: value}))
    except (Malformed, VerificationError):
        return
