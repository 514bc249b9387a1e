"""Binding documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import Malformed
from fabric.core.ids import Account, BindingVersion, sha256
from fabric.trust.binding import MAX_BYTES, Binding, write_binding
from tests.support.trust_samples import word

ROUTE: JsonObject = {
    "id": word("destination").hex(),
    "recipient": word("recipient").hex(),
    "consume": True,
    "codec": {"kind": "json"},
}
OTHER: JsonObject = ROUTE | {"id": word("elsewhere").hex(), "consume": False}
FIELDS: JsonObject = {
    "name": "cold-chain",
    "cryptlet": "cold_chain@1.0",
    "measurement": word("measurement").hex(),
    "methods": ["judge", "summarise"],
    "callers": ["acme"],
    "requesters": [*sorted([word("one").hex(), word("two").hex()])],
    "destinations": [ROUTE, OTHER],
    "valid_seconds": 3600,
}


def test_a_binding_says_what_its_document_says() -> None:
    binding = write_binding(FIELDS)
    assert binding.name == "cold-chain"
    assert binding.methods == {"judge", "summarise"}
    assert binding.callers == {"acme"}
    assert binding.requesters == {Account(word("one")), Account(word("two"))}
    assert [one.destination.hex() for one in binding.routes] == [word("destination").hex(), word("elsewhere").hex()]
    assert [one.consume for one in binding.routes] == [True, False]
    assert binding.version == BindingVersion(sha256(binding.document))
    assert Binding.parse(binding.document) == binding


def test_the_version_covers_every_field() -> None:
    others: JsonObject = {
        "name": "other",
        "cryptlet": "other@1",
        "measurement": word("other").hex(),
        "methods": ["judge"],
        "callers": [],
        "requesters": [],
        "destinations": [OTHER, ROUTE],
        "valid_seconds": 3601,
        "capabilities": ["native"],
    }
    versions = {write_binding(FIELDS | {name: value}).version for name, value in others.items()}
    assert len(versions | {write_binding(FIELDS).version}) == len(others) + 1


@pytest.mark.parametrize(
    "changes",
    [
        {"more": 1},
        {"name": ""},
        {"name": "n" * 201},
        {"name": 1},
        {"cryptlet": None},
        {"measurement": "00"},
        {"methods": "judge"},
        {"methods": ["b", "a"]},
        {"methods": ["a", "a"]},
        {"methods": [1]},
        {"callers": [""]},
        {"requesters": ["alice"]},
        {"destinations": []},
        {"destinations": [ROUTE] * 2},
        {"destinations": [ROUTE | {"more": 1}]},
        {"destinations": [ROUTE | {"consume": 1}]},
        {"destinations": [ROUTE | {"codec": "json"}]},
        {"destinations": [ROUTE | {"recipient": "alice"}]},
        {"destinations": [ROUTE | {"id": None}]},
        {"destinations": ["x"]},
        {"destinations": [ROUTE | {"id": word(str(n)).hex()} for n in range(17)]},
        {"valid_seconds": 0},
        {"valid_seconds": True},
        {"valid_seconds": 1.5},
        {"valid_seconds": 400_000_000},
    ],
    ids=range(25),
)
def test_other_documents_are_malformed(changes: JsonObject) -> None:
    with pytest.raises(Malformed):
        write_binding(FIELDS | changes)


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_no_field_may_be_missing(name: str) -> None:
    with pytest.raises(Malformed):
        write_binding({key: value for key, value in FIELDS.items() if key != name})


def test_another_format_is_malformed() -> None:
    document = canonical.decode_object(write_binding(FIELDS).document)
    with pytest.raises(Malformed, match="format"):
        Binding.parse(canonical.encode(document | {"format": "cryptlet-fabric/binding/v2"}))


def test_a_document_has_one_spelling_and_a_bounded_size() -> None:
    document = write_binding(FIELDS).document
    with pytest.raises(Malformed):
        Binding.parse(document + b"\n")
    with pytest.raises(Malformed, match="at most"):
        Binding.parse(document + b" " * MAX_BYTES)


@given(st.binary(max_size=100))
def test_any_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        Binding.parse(data)


@given(
    st.sampled_from(sorted(FIELDS)),
    st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
)
def test_any_value_in_a_field_is_a_binding_or_malformed(name: str, value: canonical.JsonValue) -> None:
    try:
        binding = write_binding(FIELDS | {name: value})
    except Malformed:
        return
    assert canonical.decode_object(binding.document)[name] == value


def test_nothing_is_granted_unless_it_is_named() -> None:
    assert write_binding(FIELDS).capabilities == frozenset()
    assert write_binding(FIELDS | {"capabilities": ["native"]}).capabilities == {"native"}
    wrong: list[canonical.JsonValue] = [[], ["net"], ["native", "native"], "native", None, [1]]
    for each in wrong:
        with pytest.raises(Malformed, match=r"binding\.capabilities"):
            write_binding(FIELDS | {"capabilities": each})
