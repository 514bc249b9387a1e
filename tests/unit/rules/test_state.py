"""What the rules keep: documented bytes, ASCII keys, and no key read after it was written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from fabric.core.errors import Malformed
from fabric.core.ids import Account, Digest, Measurement
from fabric.ledger.rules import entries
from fabric.ledger.rules.calls import decode_call
from fabric.ledger.rules.engine import apply
from fabric.ledger.rules.entries import BatchEntry, KeyEntry, RequestEntry
from fabric.ledger.rules.requests import find_request
from fabric.ledger.rules.state import Context, DictState
from fabric.ledger.rules.violations import Code, RuleViolation
from fabric.trust.attestation import Assurance, KeySet, KeyState
from fabric.trust.schemes import ED25519, EIP712
from tests.support.rules_builder import Scenario, build, load_scenarios
from tests.support.rules_runner import run
from tests.support.trust_samples import word
from tests.vectors.gen_rules import REFERENCE

WORDS = st.binary(min_size=32, max_size=32).map(Digest)
NUMBERS = st.integers(0, 2**64 - 1)
KEYS = st.builds(
    KeyEntry,
    key_id=WORDS,
    result=WORDS,
    state=st.sampled_from(KeyState),
    not_before=NUMBERS,
    not_after=NUMBERS,
    epoch=NUMBERS,
    assurance=st.sampled_from(Assurance),
    fabric=WORDS.map(Measurement),
    deadline=NUMBERS,
)


class StrictState(DictState):
    """As Hyperledger does: a transaction must not count on seeing its own writes."""

    written: set[bytes]

    @override
    def get(self, key: bytes, default: Any = None) -> Any:
        assert key not in self.written, f"{key!r} is read after it was written"
        assert key.isascii()
        return super().get(key, default)

    @override
    def put(self, key: bytes, value: bytes) -> None:
        assert value, "an empty value looks like none"
        self.written.add(key)
        super().put(key, value)


@pytest.mark.parametrize("scenario", load_scenarios(), ids=lambda one: one["name"])
def test_no_operation_reads_what_it_wrote(scenario: Scenario) -> None:
    case, state = build(scenario, REFERENCE, ED25519), StrictState()
    for step in case.steps:
        state.written = set()
        if step.call:
            try:
                apply(case.genesis, state, Context(step.time, step.sender), decode_call(step.call))
            except RuleViolation:
                assert not state.written


@pytest.mark.parametrize("scheme", [ED25519, EIP712])
def test_equal_calls_give_equal_states(scheme: str) -> None:
    for scenario in load_scenarios():
        case = build(scenario, REFERENCE, scheme)
        assert run(case) == run(case)


@given(KEYS)
def test_key_entry(entry: KeyEntry) -> None:
    assert KeyEntry.decode(entry.encoded) == entry
    assert len(entry.encoded) == 9 * 32


@given(count=NUMBERS, root=WORDS, time=NUMBERS, key_id=WORDS)
def test_batch_entry(count: int, root: Digest, time: int, key_id: Digest) -> None:
    entry = BatchEntry(count, root, time, key_id)
    assert BatchEntry.decode(entry.encoded) == entry


@given(st.binary(max_size=300) | st.binary(min_size=288, max_size=288) | st.binary(min_size=128, max_size=128))
def test_any_bytes_are_an_entry_or_malformed(data: bytes) -> None:
    for kind in (KeyEntry, BatchEntry, RequestEntry):
        try:
            entry = kind.decode(data)
        except Malformed:
            continue
        assert entry.encoded == data


def test_state_keys() -> None:
    keys = KeySet(bytes(31) + b"\1", bytes(19) + b"\2")
    assert entries.key_entry(entries.signing_key(keys, ED25519)) == b"key/" + b"0" * 63 + b"1"
    assert entries.key_entry(entries.signing_key(keys, EIP712)) == b"key/" + b"0" * 63 + b"2"
    assert entries.request_entry(10) == b"request/" + b"0" * 63 + b"a"
    assert entries.nonce_entry(Account(word("x"))) == b"nonce/" + word("x").hex().encode()


def test_requests_are_stored() -> None:
    scenario = next(one for one in load_scenarios() if one["name"] == "requests")
    case = build(scenario, REFERENCE, ED25519)
    state = run(case)
    for step in case.steps:
        (event,) = step.events
        found = find_request(state, event.index)  # type: ignore[union-attr]
        assert found is not None
        assert (found.invocation, found.time) == (event.invocation, step.time)  # type: ignore[union-attr]
        assert RequestEntry.decode(found.encoded) == found
    assert find_request(state, len(case.steps)) is None


def test_a_violation_names_its_rule() -> None:
    violation = RuleViolation(Code.WRONG_EPOCH, "header of epoch 2, key of epoch 1")
    assert str(violation) == "WrongEpoch: header of epoch 2, key of epoch 1"
    assert violation.rule is Code.WRONG_EPOCH
