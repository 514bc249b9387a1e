"""Records: every field from where it belongs, and a record for every destination or for none."""

from dataclasses import replace

import pytest

from fabric.core import canonical
from fabric.core.errors import CryptletRaised, Malformed
from fabric.core.ids import intent_id, method_word, sha256
from fabric.enclave.kinds import kind_of
from fabric.enclave.records import Recorder
from fabric.trust.statement import check_statement
from tests.support.enclaves import AS_OF, ETHEREUM, FABRIC, ISOLATION, NATIVE, binding, invocation

BINDING = binding()
RECORDER = Recorder(FABRIC, BINDING, "fingerprint@1.0.0", ISOLATION, (kind_of("native"), kind_of("ethereum")))
OUTPUT = canonical.encode({"sha256": "ab", "size": 3})
CALL = invocation(1, b'{"document":1}')


def test_each_destination_gets_its_record() -> None:
    native, ethereum = RECORDER.seal(CALL, OUTPUT)
    assert (native.record.destination, ethereum.record.destination) == (NATIVE.id, ETHEREUM.id)
    for sealed in (native, ethereum):
        record = sealed.record
        assert (record.fabric, record.measurement, record.binding) == (FABRIC, BINDING.measurement, BINDING.version)
        assert (record.caller, record.invocation) == (CALL.caller, CALL.id)
        assert record.method == method_word("document")
        assert record.intent == intent_id(CALL.id, record.destination)
        assert (record.input, record.output) == (sha256(CALL.input), sha256(OUTPUT))
        assert (record.payload, record.statement) == (sha256(sealed.payload), sha256(sealed.statement))
        assert (record.state_version, record.as_of, record.not_after) == (0, AS_OF, AS_OF + 3600)
    assert native.payload == OUTPUT
    assert ethereum.payload[:32] == (3).to_bytes(32, "big")


def test_the_statement_says_what_the_record_says() -> None:
    for sealed in RECORDER.seal(CALL, OUTPUT):
        statement = canonical.decode_object(sealed.statement)
        check_statement(statement, sealed.record)
        assert (statement["cryptlet"], statement["isolation"]) == ("fingerprint@1.0.0", ISOLATION)
        assert statement["usage"] == {"input_bytes": len(CALL.input), "output_bytes": len(OUTPUT)}


def test_the_statement_counts_the_binary_wheels() -> None:
    (sealed, *_) = replace(RECORDER, binary_wheels=2).seal(CALL, OUTPUT)
    usage = canonical.decode_object(sealed.statement)["usage"]
    assert usage == {"binary_wheels": 2, "input_bytes": len(CALL.input), "output_bytes": len(OUTPUT)}


def test_two_runs_give_the_same_bytes() -> None:
    assert RECORDER.seal(CALL, OUTPUT) == RECORDER.seal(CALL, OUTPUT)


@pytest.mark.parametrize(
    ("output", "field"), [({"sha256": "ab"}, "size"), ({"sha256": "ab", "size": 70_000}, "size"), ([1], "object")]
)
def test_an_output_that_one_codec_cannot_take_gets_no_record(output: canonical.JsonValue, field: str) -> None:
    with pytest.raises(CryptletRaised, match=field):
        RECORDER.seal(CALL, canonical.encode(output))


@pytest.mark.parametrize("change", [{"as_of": 2**64 - 1}, {"as_of": 2**53 - 1}, {"state_version": 2**53}])
def test_numbers_beyond_a_statement_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(Malformed):
        RECORDER.seal(replace(CALL, **change), OUTPUT)  # type: ignore[arg-type]
