"""The signing child's operations: what it signs, and everything that it refuses to sign."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import Malformed, Refused
from fabric.core.ids import DestinationId, FabricId, IntentId, sha256
from fabric.enclave.signing.child import answer
from fabric.enclave.signing.protocol import (
    OK,
    REFUSED,
    BatchRequest,
    Operation,
    read_batches,
    read_identity,
    read_signed,
    write_batches,
    write_identity,
    write_signed,
)
from fabric.enclave.signing.vault import Vault
from fabric.trust import eip712
from fabric.trust.appraisal.kinds import appraise
from fabric.trust.batch import header_of
from fabric.trust.binding import MAX_VALID_SECONDS
from fabric.trust.record import Record
from fabric.trust.schemes import ED25519, EIP712, is_valid
from tests.support.enclaves import ATTESTER, CODE, EPOCH, ETHEREUM, FABRIC, ISOLATION, NATIVE, NONCE, config
from tests.support.trust_samples import sample_record


def make_vault() -> Vault:
    """Returns a vault with fresh keys."""
    return Vault(config(Path("unused")), ATTESTER, CODE)


VAULT = make_vault()


def record(name: str, destination: DestinationId = ETHEREUM.id) -> Record:
    """Returns a record that the vault may sign."""
    return replace(sample_record(name, destination), fabric=FABRIC)


def batch(*records: Record, destination: DestinationId = ETHEREUM.id, epoch: int = EPOCH) -> BatchRequest:
    """Returns a request over records."""
    return BatchRequest(destination, epoch, tuple(item.encoded for item in records))


def test_a_batch_for_an_evm_ledger_gets_both_signatures() -> None:
    records = [record("a"), record("b"), record("c")]
    (signed,) = VAULT.sign([batch(*records)])
    assert signed.header == header_of(records, EPOCH)
    assert [item.scheme for item in signed.signatures] == [ED25519, EIP712]
    keys = VAULT.describe().keys
    assert [item.key for item in signed.signatures] == [keys.ed25519, keys.address]
    for item in signed.signatures:
        assert is_valid(item, signed.header.encoded, lambda: eip712.header_digest(signed.header, ETHEREUM))


def test_a_batch_for_another_ledger_gets_ed25519_alone() -> None:
    (signed,) = VAULT.sign([batch(record("a", NATIVE.id), destination=NATIVE.id)])
    assert [item.scheme for item in signed.signatures] == [ED25519]


NOWHERE = DestinationId(bytes(32))
REFUSED_BATCHES = {
    "a destination it does not know": batch(record("a", NOWHERE), destination=NOWHERE),
    "another epoch": batch(record("a"), epoch=EPOCH + 1),
    "no record": batch(),
    "a record of another fabric": batch(record("a"), replace(record("b"), fabric=FabricId(bytes(32)))),
    "a record for another destination": batch(record("a"), record("b", NATIVE.id)),
    "an intent of its own making": batch(replace(record("a"), intent=IntentId(bytes(32)))),
    "an intent twice": batch(record("a"), record("a")),
    "a record that never was valid": batch(replace(record("a"), not_after=record("a").as_of)),
    "a record that expired before it ran": batch(replace(record("a"), not_after=0)),
    "a record that is valid for ever": batch(replace(record("a"), not_after=record("a").as_of + MAX_VALID_SECONDS + 1)),
}


@pytest.mark.parametrize("why", REFUSED_BATCHES)
def test_it_refuses(why: str) -> None:
    with pytest.raises(Refused):
        VAULT.sign([REFUSED_BATCHES[why]])


@pytest.mark.parametrize("data", [b"", b"x" * 544, record("a").encoded[:-1], record("a").encoded + b"\0"])
def test_bytes_that_are_no_record_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        VAULT.sign([BatchRequest(ETHEREUM.id, EPOCH, (data,))])


def test_one_refused_batch_refuses_all() -> None:
    with pytest.raises(Refused):
        VAULT.sign([batch(record("a")), batch(record("b"), epoch=EPOCH + 1)])


def test_entropy_is_fixed_by_the_invocation_and_the_process() -> None:
    ids = [sha256(b"one"), sha256(b"two")]
    seeds = VAULT.entropy(ids)
    assert VAULT.entropy(ids[::-1]) == seeds[::-1]
    assert len(set(seeds)) == 2
    assert make_vault().entropy(ids) != seeds


def test_evidence_is_of_its_own_keys_and_after_the_self_test_only() -> None:
    vault = make_vault()
    with pytest.raises(Refused, match="isolation"):
        vault.evidence(NONCE)
    vault.begin(ISOLATION)
    claims = appraise(vault.evidence(NONCE), NONCE)
    assert claims.subject.keys == vault.describe().keys
    assert (claims.subject.fabric, claims.subject.isolation, claims.subject.epoch) == (CODE, ISOLATION, EPOCH)
    with pytest.raises(Refused, match="fixed"):
        vault.begin("microvm")
    with pytest.raises(Malformed):
        vault.evidence(b"short")


@pytest.mark.parametrize("name", ["", "x" * 33, "ä", "a\0"])
def test_an_isolation_level_is_a_short_name(name: str) -> None:
    with pytest.raises(Malformed):
        make_vault().begin(name)


def test_the_protocol_carries_batches_both_ways() -> None:
    requests = [batch(record("a"), record("b")), batch(record("c", NATIVE.id), destination=NATIVE.id)]
    assert read_batches(write_batches(requests)) == requests
    signed = VAULT.sign(requests)
    assert read_signed(write_signed(signed), VAULT.describe().keys) == signed
    assert read_identity(write_identity(VAULT.describe())) == VAULT.describe()


def test_requests_are_answered() -> None:
    assert answer(VAULT, bytes([Operation.DESCRIBE]))[:1] == OK
    body = write_batches([batch(record("a"))])
    assert answer(VAULT, bytes([Operation.SIGN]) + body)[:1] == OK
    assert answer(VAULT, bytes([Operation.ENTROPY]) + bytes(64)) == OK + b"".join(VAULT.entropy([bytes(32)] * 2))


@given(st.binary(max_size=700))
def test_any_bytes_are_refused_or_harmless(data: bytes) -> None:
    reply = answer(make_vault() if data[:1] == bytes([Operation.BEGIN]) else VAULT, data)
    assert reply[:1] in (OK, REFUSED)
    if data[:1] == bytes([Operation.SIGN]):
        assert reply[:1] == REFUSED


@given(st.binary(max_size=700))
def test_any_bytes_are_a_reply_or_malformed(data: bytes) -> None:
    for read in (read_identity, lambda body: read_signed(body, VAULT.describe().keys)):
        try:
            read(data)
        except Malformed:
            continue
