"""The standing of code: one spelling, a signature of the registry, and what a policy makes of it at an anchor."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.canonical import JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import Measurement
from fabric.trust.schemes import Signature
from fabric.trust.standing import (
    BINDS,
    MAX_LIFETIME_SECONDS,
    MAX_REASON,
    SKEW_SECONDS,
    STARTS,
    Registry,
    Standing,
    State,
    check_counts,
    parse_standing,
    sign_standing,
)
from fabric.trust.verifier import verify
from tests.support.proofs import (
    ANCHORED,
    AS_OF,
    ORIGIN,
    REGISTRY,
    STRANGER,
    USUAL,
    Recipe,
    accepted,
    kinds,
    policy,
    sample_standing,
)
from tests.support.trust_samples import word
from tests.vectors import gen_standing

BUNDLE: Final = Measurement(word("bundle"))
SAMPLE: Final = sample_standing(BUNDLE)
FILE: Final = Path(__file__).resolve().parents[2] / "vectors/standing.json"
VECTORS: Final[dict[str, Any]] = json.loads(FILE.read_text())
KNOWN: Final = (Registry(ORIGIN, REGISTRY.key),)


def refused(standing: Standing | None, time: int = ANCHORED, registries: Sequence[Registry] = KNOWN) -> str:
    with pytest.raises(VerificationError, match="consistent, not trusted") as caught:
        check_counts(standing, registries, time)
    assert caught.value.step == "policy"
    return caught.value.reason


def test_the_vectors_are_what_is_generated() -> None:
    assert FILE.read_text() == gen_standing.document()


@pytest.mark.parametrize("vector", VECTORS["standings"], ids=lambda one: one["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    standing = parse_standing(vector["standing"])
    assert standing.to_json() == vector["standing"]
    assert standing.is_signed() is vector["signed"]
    assert (standing.state in STARTS, standing.state in BINDS) == (vector["starts"], vector["binds"])


@pytest.mark.parametrize("vector", VECTORS["malformed"], ids=lambda one: one["name"])
def test_malformed_vectors(vector: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse_standing(vector["standing"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "cryptlet-fabric/standing/v2"),
        ("state", "fine"),
        ("state", None),
        ("reason", "although it is active"),
        ("reason", None),
        ("registry", ""),
        ("measurement", "00"),
        ("position", -1),
        ("since", 2**53),
        ("issued", "now"),
        ("expires", SAMPLE.issued - 1),
        ("expires", SAMPLE.issued + MAX_LIFETIME_SECONDS + 1),
        ("more", 1),
    ],
)
def test_other_fields_are_malformed(name: str, value: JsonValue) -> None:
    with pytest.raises(Malformed):
        parse_standing({**SAMPLE.to_json(), "statement": SAMPLE.fields | {name: value}})


@pytest.mark.parametrize("reason", ["", "x" * (MAX_REASON + 1)], ids=["none", "long"])
def test_a_state_that_forbids_has_a_reason(reason: str) -> None:
    with pytest.raises(Malformed, match="reason"):
        parse_standing(replace(SAMPLE, state=State.REVOKED, reason=reason).to_json())


@given(st.sampled_from(sorted(SAMPLE.fields)), st.none() | st.booleans() | st.integers() | st.text() | st.just([]))
def test_a_changed_field_is_malformed_or_unsigned(name: str, value: JsonValue) -> None:
    try:
        read = parse_standing({**SAMPLE.to_json(), "statement": SAMPLE.fields | {name: value}})
    except Malformed:
        return
    assert read.is_signed() is (read == SAMPLE)


def test_signing_keeps_the_key_that_is_named() -> None:
    assert sign_standing(SAMPLE, REGISTRY.sign_message) == SAMPLE
    stolen = replace(SAMPLE, signature=Signature("ed25519", STRANGER.key, b""))
    assert not sign_standing(stolen, REGISTRY.sign_message).is_signed()


@pytest.mark.parametrize(
    ("time", "holds"),
    [
        (SAMPLE.issued - SKEW_SECONDS - 1, False),
        (SAMPLE.issued - SKEW_SECONDS, True),
        (SAMPLE.issued, True),
        (SAMPLE.expires, True),
        (SAMPLE.expires + 1, False),
    ],
)
def test_a_standing_counts_while_it_holds(time: int, *, holds: bool) -> None:
    """One that was issued after the anchor says nothing of it, nor does one that had expired before."""
    assert SAMPLE.covers(time) is (SAMPLE.issued <= time <= SAMPLE.expires)
    if holds:
        check_counts(SAMPLE, KNOWN, time)
    else:
        assert "ask the fabric for the proof again" in refused(SAMPLE, time)


@pytest.mark.parametrize("state", State)
def test_a_result_counts_where_work_may_start(state: State) -> None:
    standing = sample_standing(BUNDLE, state=state, reason="" if state is State.ACTIVE else "because of it")
    if state in STARTS:
        check_counts(standing, KNOWN, ANCHORED)
    else:
        reason = refused(standing)
        for part in (state, "because of it", "since 20", ORIGIN, f"entry {standing.position}", "do not act"):
            assert part in reason


@pytest.mark.parametrize(
    "registries",
    [(Registry("registry.example/other", REGISTRY.key),), (Registry(ORIGIN, STRANGER.key),)],
    ids=["origin", "key"],
)
def test_origin_and_key_must_both_be_known(registries: Sequence[Registry]) -> None:
    assert "does not name registry" in refused(SAMPLE, registries=registries)
    check_counts(SAMPLE, (*registries, *KNOWN), ANCHORED)


def test_a_standing_is_demanded_where_registries_are_named() -> None:
    assert ORIGIN in refused(None)
    check_counts(None, (), ANCHORED)
    check_counts(sample_standing(BUNDLE, state=State.REVOKED, reason="stolen"), (), ANCHORED)


@pytest.mark.parametrize("kind", USUAL)
def test_a_policy_without_registries_takes_a_proof_without_a_standing(kind: str) -> None:
    bare = replace(USUAL[kind].make(), standing=None).encode()
    assert verify(bare, policy(registries=()), kinds).proof.standing is None
    with pytest.raises(VerificationError, match="no standing"):
        verify(bare, policy(), kinds)


def test_an_unanchored_proof_is_judged_at_its_as_of_time() -> None:
    lenient = policy(destinations={one: accepted(place, minimum_status="unanchored") for one, place in _places()})
    early = Recipe(standing={"issued": AS_OF - 600, "expires": AS_OF})
    late = Recipe(standing={"issued": AS_OF - 600, "expires": AS_OF - 1})
    verify(replace(early.make(), receipt=None).encode(), lenient, kinds)
    with pytest.raises(VerificationError, match="its standing holds from"):
        verify(replace(late.make(), receipt=None).encode(), lenient, kinds)


def _places() -> Sequence[tuple[Any, Any]]:
    return [(recipe.destination.id, recipe.destination) for recipe in USUAL.values()]
