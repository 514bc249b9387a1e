"""Genesis document, envelope and entry: values, round trips, and any bytes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.native.entry import Entry
from adapters.native.envelope import Envelope, Sender, account_of, call_words, sign_envelope
from adapters.native.genesis import GenesisDocument
from fabric.core import canonical
from fabric.core.errors import Malformed
from fabric.core.ids import NOBODY, Account, sha256, tag
from fabric.ledger.rules.operations import Register
from fabric.ledger.rules.violations import Code, RuleViolation
from fabric.trust.schemes import ED25519
from tests.support import native
from tests.support.native import ALICE, SeededSigner

DESTINATION = native.genesis().destination.id
WORK = native.register(DESTINATION)
REGISTER = Register(WORK.result, WORK.destinations, WORK.signatures[:1])
SIGNED = sign_envelope(native.request("one"), DESTINATION, 7, SeededSigner(ALICE))


def test_the_destination_follows_from_the_genesis() -> None:
    document = native.genesis()
    destination = document.destination
    assert destination.chain == sha256(b"test ledger")
    assert destination.genesis == sha256(document.encoded)
    assert destination.settlement == document.sequencer
    assert document.rules.scheme == ED25519
    assert document.origin == f"cryptlet-fabric/native/{destination.id.hex()}"
    assert GenesisDocument.decode(document.encoded) == document


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "another"},
        {"name": ""},
        {"name": "two\nlines"},
        {"name": "n" * 65},
        {"sequencer": "00"},
        {"appraisers": []},
        {"appraisers": [{"ed25519": "00" * 32, "address": "00" * 20}] * 2},
        {"appraisers": [{"ed25519": "00" * 32}]},
        {"appraisers": [{"ed25519": "00" * 32, "address": "00" * 19}]},
        {"threshold": 0},
        {"threshold": 2},
        {"threshold": True},
        {"salt": "0" * 63},
        {"created": -1},
        {"more": 1},
    ],
    ids=str,
)
def test_other_genesis_documents_are_malformed(changes: dict[str, canonical.JsonValue]) -> None:
    with pytest.raises(Malformed):
        GenesisDocument.decode(canonical.encode(native.genesis().fields | changes))


def test_an_account_is_the_hash_of_its_key() -> None:
    key = ALICE.public.ed25519
    assert account_of(key) == Account(sha256(b"cryptlet-fabric/account/v1\0", key))
    assert SIGNED.account(DESTINATION) == account_of(key)


def test_a_sender_signs_five_words() -> None:
    call = sha256(b"call")
    words = call_words(DESTINATION, ALICE.public.ed25519, 7, call)
    assert words == b"".join(
        (tag("cryptlet-fabric/native-call/v1"), DESTINATION, ALICE.public.ed25519, (7).to_bytes(32, "big"), call)
    )


@pytest.mark.parametrize(
    "envelope",
    [
        replace(SIGNED, sender=None),
        replace(SIGNED, operation=native.request("two")),
        replace(SIGNED, sender=replace(SIGNED.sender or Sender(b"", 0, b""), nonce=8)),
        replace(SIGNED, sender=replace(SIGNED.sender or Sender(b"", 0, b""), key=bytes(32))),
        replace(SIGNED, operation=REGISTER),
    ],
)
def test_a_sender_that_did_not_sign_this_is_refused(envelope: Envelope) -> None:
    with pytest.raises(RuleViolation) as caught:
        envelope.account(DESTINATION)
    assert caught.value.rule is Code.BAD_SIGNATURE


def test_for_another_ledger_a_signature_is_none() -> None:
    with pytest.raises(RuleViolation):
        SIGNED.account(replace(native.genesis().destination, salt=bytes(32)).id)


def test_round_trips() -> None:
    entry = Entry(3, 5, SIGNED)
    assert Entry.decode(entry.encoded) == entry
    assert Envelope.decode(SIGNED.encoded) == SIGNED
    assert entry.fields == {
        "call": {
            "op": "request",
            "method": sha256(b"judge").hex(),
            "input": sha256(b"one").hex(),
            "binding": sha256(b"binding").hex(),
            "state_version": 0,
        },
        "format": "cryptlet-fabric/native-entry/v1",
        "index": 3,
        "sender": SIGNED.sender.to_json() if SIGNED.sender else None,
        "time": 5,
    }


@pytest.mark.parametrize(
    "changes",
    [{"format": "x"}, {"index": -1}, {"index": 1.5}, {"time": "1"}, {"call": {}}, {"sender": {}}, {"more": 0}],
    ids=str,
)
def test_other_entries_are_malformed(changes: dict[str, canonical.JsonValue]) -> None:
    with pytest.raises(Malformed):
        Entry.decode(canonical.encode(Entry(3, 5, SIGNED).fields | changes))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_malformed(data: bytes) -> None:
    for decode in (Entry.decode, Envelope.decode, GenesisDocument.decode):
        with pytest.raises(Malformed):
            decode(data)


@given(st.data())
def test_one_changed_byte_is_another_value_or_malformed(data: st.DataObject) -> None:
    original = Entry(3, 5, SIGNED)
    at = data.draw(st.integers(0, len(original.encoded) - 1))
    changed = bytearray(original.encoded)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        entry = Entry.decode(bytes(changed))
    except Malformed:
        return
    assert entry != original
    assert entry.encoded == bytes(changed)


def test_nobody_sends_a_settlement() -> None:
    assert Envelope(REGISTER).account(DESTINATION) == NOBODY
