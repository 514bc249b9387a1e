"""The appraiser: fresh nonces, one line of policy at a time, signatures of both schemes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.attesters.appraiser.policy import AppraisalPolicy, parse_policy
from fabric.attesters.appraiser.protocol import Answerer
from fabric.attesters.appraiser.service import MAX_NONCES, NONCE_SECONDS, Appraiser
from fabric.core import canonical
from fabric.core.clock import FrozenClock
from fabric.core.errors import Malformed, Refused, VerificationError
from fabric.core.ids import Measurement, sha256
from fabric.signers.pair import KeyPair
from fabric.trust.attestation import Assurance, KeyState, KeyStatus, destinations_digest
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import is_valid
from tests.support.enclaves import ATTESTER, CODE, ETHEREUM, ISOLATION, NATIVE, PAIR, evidence

POLICY = AppraisalPolicy(
    attesters=frozenset({ATTESTER.public_key}),
    fabric_measurements=frozenset({CODE}),
    isolation=frozenset({ISOLATION}),
    destinations=frozenset({NATIVE.id, ETHEREUM.id}),
    valid_seconds=3600,
    skew_seconds=60,
)
OWN = KeyPair.generate()


def appraiser(policy: AppraisalPolicy = POLICY, clock: FrozenClock | None = None) -> Appraiser:
    """Returns an appraiser with the keys ``OWN``."""
    return Appraiser(OWN, policy, clock or FrozenClock())


def test_a_good_enclave_gets_a_result() -> None:
    clock = FrozenClock()
    subject = appraiser(clock=clock)
    nonce = subject.nonce()
    document = evidence(nonce)
    found = subject.appraise(nonce, document, [ETHEREUM.id, NATIVE.id, NATIVE.id])
    result = found.result
    assert (result.keys, result.fabric, result.isolation, result.epoch) == (PAIR.keys, CODE, ISOLATION, 7)
    assert (result.assurance, result.evidence) == (Assurance.SOFTWARE, sha256(document))
    assert (result.not_before, result.not_after) == (clock.seconds - 60, clock.seconds + 3600)
    assert found.destinations == tuple(sorted((ETHEREUM.id, NATIVE.id)))
    assert result.destinations == destinations_digest(found.destinations)
    assert [item.key for item in found.signatures] == [OWN.keys.ed25519, OWN.keys.address]
    assert all(is_valid(item, result.encoded, lambda: result.typed_digest) for item in found.signatures)


@pytest.mark.parametrize(
    ("line", "policy"),
    [
        ("attesters", replace(POLICY, attesters=frozenset())),
        ("fabric_measurements", replace(POLICY, fabric_measurements=frozenset({Measurement(bytes(32))}))),
        ("isolation", replace(POLICY, isolation=frozenset({"microvm"}))),
        ("destinations", replace(POLICY, destinations=frozenset({ETHEREUM.id}))),
        ("minimum_assurance", replace(POLICY, minimum_assurance=Assurance.HARDWARE)),
    ],
)
def test_each_line_of_the_policy_is_named(line: str, policy: AppraisalPolicy) -> None:
    subject = appraiser(policy)
    nonce = subject.nonce()
    with pytest.raises(Refused, match=f"policy line {line}:"):
        subject.appraise(nonce, evidence(nonce), [NATIVE.id])


def test_no_destination_is_refused() -> None:
    subject = appraiser()
    nonce = subject.nonce()
    with pytest.raises(Refused, match="policy line destinations"):
        subject.appraise(nonce, evidence(nonce), [])


def test_a_nonce_is_good_for_one_appraisal() -> None:
    subject = appraiser()
    nonce = subject.nonce()
    document = evidence(nonce)
    subject.appraise(nonce, document, [NATIVE.id])
    with pytest.raises(Refused, match="used already"):
        subject.appraise(nonce, document, [NATIVE.id])


def test_a_nonce_is_spent_by_a_refusal_too() -> None:
    subject = appraiser()
    nonce = subject.nonce()
    with pytest.raises(VerificationError):
        subject.appraise(nonce, evidence(), [NATIVE.id])
    with pytest.raises(Refused, match="used already"):
        subject.appraise(nonce, evidence(nonce), [NATIVE.id])


def test_a_nonce_expires() -> None:
    clock = FrozenClock()
    subject = appraiser(clock=clock)
    nonce = subject.nonce()
    clock.advance(NONCE_SECONDS + 1)
    with pytest.raises(Refused, match="older than"):
        subject.appraise(nonce, evidence(nonce), [NATIVE.id])


def test_open_nonces_are_bounded() -> None:
    subject = appraiser()
    oldest = subject.nonce()
    for _ in range(MAX_NONCES):
        subject.nonce()
    with pytest.raises(Refused, match="not issued"):
        subject.appraise(oldest, evidence(oldest), [NATIVE.id])


def test_a_key_state_is_signed() -> None:
    status = KeyStatus(PAIR.keys, KeyState.REVOKED, 0)
    signatures = appraiser().key_status(status)
    assert all(is_valid(item, status.encoded, lambda: status.typed_digest) for item in signatures)
    assert len(signatures) == 2


def test_a_code_revocation_is_signed() -> None:
    revocation = CodeRevocation(CODE, 7)
    signatures = appraiser().code_revocation(revocation)
    assert [item.key for item in signatures] == [OWN.keys.ed25519, OWN.keys.address]
    assert all(is_valid(item, revocation.encoded, lambda: revocation.typed_digest) for item in signatures)


def test_a_policy_survives_its_file() -> None:
    assert parse_policy(POLICY.to_json()) == POLICY


@given(st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_malformed(document: bytes) -> None:
    with pytest.raises(Malformed):
        parse_policy(document)


@pytest.mark.parametrize("name", sorted(canonical.decode_object(POLICY.to_json())))
def test_a_policy_needs_every_line(name: str) -> None:
    value = canonical.decode_object(POLICY.to_json())
    del value[name]
    with pytest.raises(Malformed, match=name):
        parse_policy(canonical.encode(value))


json_values = st.recursive(
    st.none() | st.integers(0, 9) | st.text("ab0", max_size=64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.binary(max_size=100)
    | st.fixed_dictionaries(
        {"op": st.sampled_from(["describe", "nonce", "appraise", "key_status", "code_revocation", "sign"])},
        optional=dict.fromkeys(("nonce", "evidence", "destinations", "status", "revocation", "data"), json_values),
    ).map(lambda request: canonical.encode({**request}))
)
def test_any_request_is_answered(request: bytes) -> None:
    assert set(Answerer(appraiser()).answer(request)) in ({"ok"}, {"error"})
