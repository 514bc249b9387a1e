"""Publications: a publisher's signed word on a bundle."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import Measurement, sha256, tag
from fabric.trust.publication import Publication, measure, parse_publication
from fabric.trust.schemes import ED25519, EIP712, Signature
from tests.support.seeded_keys import SeededKeys
from tests.support.trust_samples import word

PUBLISHER = SeededKeys("publisher")


def signed(name: str = "cold_chain", kind: str = "contract") -> Publication:
    nothing = Signature(ED25519, PUBLISHER.public.ed25519, bytes(64))
    publication = Publication(name, "1.0", kind, word("wheel"), word("lock"), nothing)
    value = PUBLISHER.sign_message(canonical.encode(publication.fields))
    return replace(publication, signature=replace(nothing, value=value))


def statement_with(changes: JsonObject) -> JsonValue:
    value = signed().to_json()
    assert isinstance(value["statement"], dict)
    return value | {"statement": value["statement"] | changes}


def test_a_publication_is_signed_and_read_again() -> None:
    publication = signed()
    assert publication.is_signed()
    assert parse_publication(publication.to_json()) == publication


def test_the_measurement_covers_wheel_and_lock() -> None:
    expected = Measurement(sha256(tag("cryptlet-fabric/measurement/v1"), word("wheel"), word("lock")))
    assert signed().measurement == measure(word("wheel"), word("lock")) == expected
    assert measure(word("lock"), word("wheel")) != expected


@pytest.mark.parametrize(
    "changes", [{"name": "other"}, {"version": "2"}, {"kind": "utility"}, {"wheel": word("x").hex()}]
)
def test_another_statement_is_not_signed(changes: JsonObject) -> None:
    assert not parse_publication(statement_with(changes)).is_signed()


def test_another_scheme_is_not_signed() -> None:
    publication = signed()
    message = canonical.encode(publication.fields)
    other = PUBLISHER.signature(EIP712, message, sha256(message))
    assert not replace(publication, signature=other).is_signed()


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "x"},
        {"name": ""},
        {"name": "n" * 201},
        {"version": 1},
        {"kind": "service"},
        {"wheel": "00"},
        {"lock": None},
        {"more": 1},
    ],
    ids=str,
)
def test_other_statements_are_malformed(changes: JsonObject) -> None:
    with pytest.raises(Malformed):
        parse_publication(statement_with(changes))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["signature", "statement", "x"]), inner, max_size=3)
        ),
        max_leaves=5,
    )
)
def test_any_value_is_malformed(value: JsonValue) -> None:
    with pytest.raises(Malformed):
        parse_publication(value)
