"""Statements: whatever the record says is said again, and every difference is found."""

from dataclasses import fields, replace
from typing import Any

import pytest

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import VerificationError
from fabric.core.ids import DestinationId, sha256
from fabric.trust.record import Record
from fabric.trust.statement import Details, check_statement, write_statement
from tests.support.trust_samples import sample_record, word

RECORD = sample_record("a", DestinationId(word("destination")))
DETAILS = Details(
    cryptlet="cold_chain@1.0",
    method="judge",
    isolation="strong",
    usage={"output_bytes": 12},
    host_calls=({"call": "secret"},),
    sources=("none",),
)
SAID = {one.name: getattr(RECORD, one.name) for one in fields(Record) if one.name not in ("method", "statement")}


def statement() -> JsonObject:
    return canonical.decode_object(write_statement(SAID, DETAILS))


def test_it_agrees_with_its_record() -> None:
    check_statement(statement(), RECORD)
    assert statement()["host_calls"] == [{"call": "secret"}]


@pytest.mark.parametrize("name", [one.name for one in fields(Record) if one.name != "statement"])
def test_every_field_of_the_record_is_compared(name: str) -> None:
    value = getattr(RECORD, name)
    changes: dict[str, Any] = {name: value + 1 if isinstance(value, int) else sha256(value)}
    other = replace(RECORD, **changes)
    with pytest.raises(VerificationError, match=name) as caught:
        check_statement(statement(), other)
    assert caught.value.step == "statement"


@pytest.mark.parametrize("name", sorted(statement()))
def test_every_name_must_be_there(name: str) -> None:
    with pytest.raises(VerificationError):
        check_statement({key: value for key, value in statement().items() if key != name}, RECORD)


@pytest.mark.parametrize(
    "changes", [{"format": "x"}, {"more": 1}, {"method": 1}, {"method": "other"}, {"as_of": "1"}], ids=str
)
def test_other_values_do_not_pass(changes: JsonObject) -> None:
    with pytest.raises(VerificationError):
        check_statement(statement() | changes, RECORD)


@pytest.mark.parametrize("name", ["state_version", "as_of", "not_after"])
def test_a_number_is_an_integer(name: str) -> None:
    """True equals 1 and 1.0 equals 1 in Python; canonical JSON spells the one differently, the other not at all."""
    numbers: dict[str, Any] = {name: 1}
    record = replace(RECORD, **numbers)
    value = canonical.decode_object(write_statement(SAID | {name: 1}, DETAILS))
    check_statement(value, record)
    with pytest.raises(VerificationError, match=name):
        check_statement(value | {name: True}, record)
