"""The policy: read in any spelling, written in one; what could be taken in two ways is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.errors import Malformed
from fabric.core.ids import sha256
from fabric.trust.policy import Appraiser, Policy, Publisher
from tests.support.proofs import APPRAISERS, ETHEREUM, NATIVE, accepted, policy
from tests.support.trust_samples import word

FIELDS: dict[str, Any] = canonical.decode_object(policy().encode())


def test_a_policy_is_read_back_from_any_spelling() -> None:
    assert Policy.parse(policy().encode()) == policy()
    assert Policy.parse(json.dumps(FIELDS, indent=2).encode()) == policy()
    assert Policy.parse(policy().encode()).encode() == policy().encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "cryptlet-fabric/policy/v2"),
        ("more", 1),
        ("appraisers", {}),
        ("appraisers", [{"address": "00" * 20}]),
        ("appraisers", [{"address": "00" * 19, "ed25519": "00" * 32}]),
        ("appraisers", FIELDS["appraisers"] * 22),
        ("threshold", 0),
        ("threshold", 4),
        ("threshold", True),
        ("threshold", "2"),
        ("minimum_assurance", "certified"),
        ("minimum_assurance", 1),
        ("fabrics", ["00"]),
        ("fabrics", None),
        ("measurements", [1]),
        ("isolation", [""]),
        ("isolation", "sample"),
        ("publishers", [{"key": "00" * 32}]),
        ("publishers", [{"key": "00" * 32, "names": "*"}]),
        ("registries", None),
        ("registries", [{"origin": "registry.example/log"}]),
        ("registries", [{"origin": "", "key": "00" * 32}]),
        ("registries", [{"origin": "registry.example/log", "key": "00" * 31}]),
        ("destinations", [FIELDS["destinations"][0] | {"minimum_status": "certain"}]),
        ("destinations", [FIELDS["destinations"][0] | {"accept_asserted": 1}]),
        ("destinations", [FIELDS["destinations"][0] | {"trust": []}]),
        ("destinations", [FIELDS["destinations"][0] | {"name": ""}]),
        ("destinations", [FIELDS["destinations"][0] | {"more": 1}]),
        ("destinations", [FIELDS["destinations"][0], FIELDS["destinations"][0] | {"minimum_status": "unanchored"}]),
    ],
    ids=lambda one: sha256(str(one).encode()).hex()[:8] if isinstance(one, list) else str(one),
)
def test_other_fields_are_malformed(name: str, value: object) -> None:
    with pytest.raises(Malformed, match=r"policy|destination|registr"):
        Policy.parse(json.dumps(FIELDS | {name: value}).encode())


def test_a_missing_field_is_malformed() -> None:
    for name in FIELDS.keys() - {"registries"}:
        with pytest.raises(Malformed, match=name):
            Policy.parse(json.dumps({key: value for key, value in FIELDS.items() if key != name}).encode())


def test_a_policy_from_before_there_were_registries_demands_none() -> None:
    read = Policy.parse(json.dumps({key: value for key, value in FIELDS.items() if key != "registries"}).encode())
    assert read == policy(registries=())


@pytest.mark.parametrize("part", ["ed25519", "address"])
def test_no_two_appraisers_share_a_key(part: str) -> None:
    """Else one appraiser's signature would count as two."""
    first, second = (one.public for one in APPRAISERS[:2])
    twin = Appraiser(first.ed25519, second.address) if part == "ed25519" else Appraiser(second.ed25519, first.address)
    whole = Appraiser(first.ed25519, first.address)
    for appraisers in ((whole, twin), (whole, whole)):
        with pytest.raises(Malformed, match="key in common"):
            policy(appraisers=appraisers)
        with pytest.raises(Malformed, match="key in common"):
            Policy.parse(json.dumps(FIELDS | {"appraisers": [one.to_json() for one in appraisers]}).encode())


def test_a_policy_without_appraisers_can_be_written() -> None:
    """It trusts nobody: the threshold is at least one."""
    assert Policy.parse(policy(appraisers=(), threshold=1).encode()).threshold == 1


def test_destinations_are_found_by_id() -> None:
    read = Policy.parse(policy().encode())
    assert read.destinations == {NATIVE.id: accepted(NATIVE), ETHEREUM.id: accepted(ETHEREUM)}


@pytest.mark.parametrize(
    ("names", "name", "may"), [(("a",), "a", True), (("a",), "b", False), (("*",), "b", True), ((), "b", False)]
)
def test_a_publisher_and_its_names(names: tuple[str, ...], name: str, *, may: bool) -> None:
    assert Publisher(word("key"), names).may_publish(name) is may


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.binary(max_size=100) | st.dictionaries(st.sampled_from(sorted(FIELDS)), values))
def test_any_policy_is_a_value_or_malformed(given_: bytes | dict[str, Any]) -> None:
    data = given_ if isinstance(given_, bytes) else json.dumps(FIELDS | given_).encode()
    try:
        assert isinstance(Policy.parse(data), Policy)
    except Malformed:
        assert data != policy().encode()
