"""Destinations: a hash over everything that makes a deployment what it is."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import DestinationId, sha256
from fabric.trust.destination import KINDS, Destination, parse_destination
from tests.support.trust_samples import word

DESTINATION = Destination("ethereum", (31337).to_bytes(32, "big"), word("genesis"), word("contract"), word("salt"))
WORDS = st.binary(min_size=32, max_size=32)


def test_the_id_is_the_hash_of_six_words() -> None:
    words = (b"cryptlet-fabric/destination/v1" + bytes(2), b"ethereum" + bytes(24), (31337).to_bytes(32, "big"))
    assert DESTINATION.id == DestinationId(sha256(*words, word("genesis"), word("contract"), word("salt")))
    assert DESTINATION.chain_number == 31337


def test_every_field_makes_another_destination() -> None:
    names = ("chain", "genesis", "settlement", "salt")
    changes: list[dict[str, Any]] = [{"kind": "native"}, *({name: word("other")} for name in names)]
    others = [replace(DESTINATION, **one) for one in changes]
    assert len({one.id for one in (DESTINATION, *others)}) == 6


@given(st.sampled_from(KINDS), WORDS, WORDS, WORDS, WORDS)
def test_json(kind: str, chain: bytes, genesis: bytes, settlement: bytes, salt: bytes) -> None:
    destination = Destination(kind, chain, genesis, settlement, salt)
    assert parse_destination(destination.to_json()) == destination


@pytest.mark.parametrize(
    "changes",
    [{"kind": "bitcoin"}, {"kind": None}, {"kind": ["native"]}, {"chain": 1}, {"salt": "0x00"}, {"id": "00" * 32}],
    ids=str,
)
def test_other_descriptors_are_malformed(changes: JsonObject) -> None:
    with pytest.raises(Malformed):
        parse_destination(DESTINATION.to_json() | changes)


@given(st.none() | st.integers() | st.text() | st.lists(st.none()) | st.dictionaries(st.text(), st.none()))
def test_any_value_is_malformed(value: JsonValue) -> None:
    with pytest.raises(Malformed):
        parse_destination(value)


def test_no_field_may_be_missing() -> None:
    for name in DESTINATION.to_json():
        with pytest.raises(Malformed):
            parse_destination({key: value for key, value in DESTINATION.to_json().items() if key != name})
