"""Admission: limits and names are checked, every value that decides the result is fixed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import FabricError, Malformed, NotFound, Oversize, Refused
from fabric.core.ids import caller_account, invocation_id
from fabric.core.model import Invocation
from fabric.enclave.run import MAX_DEADLINE_MS
from fabric.invoke.admission import MAX_KEY_LENGTH, Desk, refusal
from fabric.invoke.catalogue import Catalogue, Listed
from fabric.trust.sources import MAX_INPUT_BYTES, MAX_SHOWN_BYTES
from fabric.wire.service import Call
from tests.support.pipeline import NOW, OneBundle, binding, call
from tests.support.proofs import CALLER, FABRIC, NATIVE
from tests.support.relays import source

DESK = Desk(FABRIC, 5_000)
BINDING = binding()


@pytest.fixture(scope="module")
def listed() -> Listed:
    return Catalogue(OneBundle()).get(BINDING.measurement)


def test_what_is_fixed(listed: Listed) -> None:
    asked = Call("document", b' {"document": [1, 2.50]} ', "key-1", 0)
    assert DESK.admit(CALLER, BINDING, listed, asked, NOW) == Invocation(
        id=invocation_id(FABRIC, caller_account(CALLER), "key-1"),
        caller=caller_account(CALLER),
        binding=BINDING.version,
        method="document",
        input=b'{"document":[1,2.5]}',
        as_of=NOW,
        deadline_ms=5_000,
    )


def test_a_file_is_taken_as_it_is(listed: Listed) -> None:
    data = b'{ "no": "matter" }\0\xff'
    assert DESK.admit(CALLER, BINDING, listed, Call("file", data, "k"), NOW).input == data


def test_a_deadline_of_the_callers_own(listed: Listed) -> None:
    asked = call(1, deadline_ms=MAX_DEADLINE_MS)
    assert DESK.admit(CALLER, BINDING, listed, asked, NOW).deadline_ms == MAX_DEADLINE_MS


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"idempotency_key": ""}, Malformed, "idempotency_key: expected 1 to 200"),
        ({"idempotency_key": "k" * (MAX_KEY_LENGTH + 1)}, Malformed, "got 201"),
        ({"method": "documents"}, NotFound, "fingerprint@1.0.0 has no method 'documents' - did you mean 'document'?"),
        ({"method": "x" * 10_000}, NotFound, "x" * 80 + "'"),
        ({"method": ""}, NotFound, "has no method ''"),
        ({"deadline_ms": MAX_DEADLINE_MS + 1}, Refused, "deadline_ms: at most"),
        ({"input": b" " * (MAX_INPUT_BYTES + 1)}, Oversize, "input: at most"),
        ({"input": b""}, Malformed, "JSON"),
        ({"input": b'{"document":1,"document":2}'}, Malformed, "duplicate"),
        ({"input": b"NaN"}, Malformed, "JSON"),
        ({"input": b"[" * 100}, Malformed, "nested"),
        ({"input": b"\xff"}, Malformed, "JSON"),
    ],
    ids=lambda one: str(one)[:30],
)
def test_what_is_refused(listed: Listed, changes: dict[str, object], kind: type[FabricError], text: str) -> None:
    with pytest.raises(kind) as caught:
        DESK.admit(CALLER, BINDING, listed, replace(call(1), **changes), NOW)  # type: ignore[arg-type]
    assert text in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_a_ledger_shows_may_be_long_under_a_binding_with_sources(listed: Listed) -> None:
    """Somebody else made the event's transaction as long as it is; the caller cannot help it."""
    shows = binding(sources=[source(NATIVE)])
    longer = replace(call(1), input=b'"' + b"x" * MAX_INPUT_BYTES + b'"')
    assert DESK.admit(CALLER, shows, listed, longer, NOW).input == longer.input
    with pytest.raises(Oversize, match=f"at most {MAX_INPUT_BYTES} bytes"):
        DESK.admit(CALLER, BINDING, listed, longer, NOW)
    with pytest.raises(Oversize, match=f"at most {MAX_SHOWN_BYTES} bytes"):
        DESK.admit(CALLER, shows, listed, replace(call(1), input=b" " * (MAX_SHOWN_BYTES + 1)), NOW)


def test_a_method_that_the_binding_does_not_allow(listed: Listed) -> None:
    narrow = binding(methods=["file"])
    with pytest.raises(Refused, match="does not allow method 'document'"):
        DESK.admit(CALLER, narrow, listed, call(1), NOW)


def test_a_refusal_says_whether_to_repeat() -> None:
    answer = refusal(Oversize("too long"), b"id")
    assert (answer.invocation, answer.output, answer.retry) == (b"id", None, "never")
    assert answer.failure is not None
    assert (answer.failure.code, answer.failure.message) == ("oversize", "too long")


@given(st.text(max_size=210), st.sampled_from(["document", "file", "x"]), st.binary(max_size=50), st.integers(0, 2**32))
def test_any_call_is_admitted_or_refused(key: str, method: str, data: bytes, deadline: int) -> None:
    world = Catalogue(OneBundle()).get(BINDING.measurement)
    try:
        admitted = DESK.admit(CALLER, BINDING, world, Call(method, data, key, deadline), NOW)
    except FabricError as error:
        assert str(error)  # noqa: PT017 - either end is right
    else:
        assert 0 < admitted.deadline_ms <= MAX_DEADLINE_MS
