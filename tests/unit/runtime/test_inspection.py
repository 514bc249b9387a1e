"""One negative test for each thing that a lying courier could change in a reply."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.core.ids import Account, sha256
from fabric.core.model import Failure, Outcome
from fabric.runtime.inspection import ForgedReply, inspect
from fabric.trust.batch import Sealed, SignedBatch, header_of
from fabric.trust.destination import Destination
from fabric.trust.schemes import ED25519, EIP712, Signature
from fabric.wire.codec import Run, RunResult
from tests.unit.runtime.stand_in import ETHEREUM, StandIn, run_of

RUN = run_of(1, 2)
HONEST = StandIn("honest")
KEYS = HONEST.handle.description.keys
RESULT = HONEST.result(RUN)
FAILED = Outcome(RUN.invocations[0].id, None, Failure("cryptlet-raised", "x"))


def with_batch(change: Callable[[SignedBatch], SignedBatch]) -> RunResult:
    return replace(RESULT, batches=(change(RESULT.batches[0]), RESULT.batches[1]))


def with_entries(change: Callable[[Sealed], Sealed]) -> RunResult:
    """Changes the first entry and signs again, as an enclave that confuses its invocations would."""

    def resign(batch: SignedBatch) -> SignedBatch:
        entries = (change(batch.entries[0]), *batch.entries[1:])
        header = header_of([entry.record for entry in entries], 1)
        return SignedBatch(header, (Signature(ED25519, KEYS.ed25519, HONEST.key.sign(header.encoded)),), entries)

    return with_batch(resign)


def with_record(**fields: object) -> RunResult:
    return with_entries(lambda entry: replace(entry, record=replace(entry.record, **fields)))  # type: ignore[arg-type]


def foreign_signature(batch: SignedBatch) -> SignedBatch:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    return replace(batch, signatures=(Signature(ED25519, public, key.sign(batch.header.encoded)),))


FORGERIES = {
    "another output": replace(RESULT, outcomes=(replace(RESULT.outcomes[0], output=b"{}"), RESULT.outcomes[1])),
    "a success turned into a failure": replace(RESULT, outcomes=(FAILED, RESULT.outcomes[1])),
    "outcomes exchanged": replace(RESULT, outcomes=RESULT.outcomes[::-1]),
    "an outcome missing": replace(RESULT, outcomes=RESULT.outcomes[:1]),
    "an outcome of neither kind": replace(RESULT, outcomes=(Outcome(RUN.invocations[0].id, None), RESULT.outcomes[1])),
    "a batch missing": replace(RESULT, batches=RESULT.batches[:1]),
    "no batches": replace(RESULT, batches=()),
    "a batch twice": replace(RESULT, batches=(*RESULT.batches, RESULT.batches[0])),
    "an entry missing": with_batch(lambda batch: replace(batch, entries=batch.entries[:1])),
    "a statement of somebody else": with_batch(
        lambda batch: replace(batch, entries=(replace(batch.entries[0], statement=b"{}"), batch.entries[1]))
    ),
    "another payload": with_batch(
        lambda batch: replace(batch, entries=(replace(batch.entries[0], payload=b""), batch.entries[1]))
    ),
    "no signature": with_batch(lambda batch: replace(batch, signatures=())),
    "another key's signature": with_batch(foreign_signature),
    "a broken signature": with_batch(
        lambda batch: replace(batch, signatures=(Signature(ED25519, KEYS.ed25519, bytes(64)),))
    ),
    "another scheme's key": with_batch(
        lambda batch: replace(batch, signatures=(*batch.signatures, Signature(EIP712, bytes(19) + b"\1", bytes(65))))
    ),
    "a record of another caller": with_record(caller=Account(bytes(32))),
    "a record at another time": with_record(as_of=1),
    "a record of another input": with_record(input=sha256(b"")),
    "a record under another binding": with_record(binding=sha256(b"")),
    "a record of another method": with_record(method=sha256(b"")),
    "a record of another state": with_record(state_version=7),
    "a record of another intent": with_record(intent=sha256(b"")),
    "a record of another invocation": with_record(invocation=sha256(b"")),
}


def test_an_honest_reply_holds() -> None:
    inspect(RUN, RESULT, KEYS)


def test_failures_alone_need_no_batch() -> None:
    inspect(run_of(1), RunResult((FAILED,), ()), KEYS)


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(name: str) -> None:
    with pytest.raises(ForgedReply):
        inspect(RUN, FORGERIES[name], KEYS)


def test_the_other_signature_is_checked_where_its_ledger_is_known() -> None:
    result = replace(
        RESULT,
        batches=(
            RESULT.batches[0],
            replace(
                RESULT.batches[1],
                signatures=(*RESULT.batches[1].signatures, Signature(EIP712, KEYS.address, bytes(65))),
            ),
        ),
    )
    inspect(RUN, result, KEYS)
    ledger = Destination("ethereum", bytes(32), bytes(32), bytes(32), bytes(32))
    with pytest.raises(ForgedReply, match="no eip712-secp256k1 signature"):
        inspect(RUN, result, KEYS, {ETHEREUM: ledger})


def test_a_binding_that_is_none_has_no_results() -> None:
    with pytest.raises(ForgedReply, match="binding"):
        inspect(Run(b"{}", RUN.invocations), RESULT, KEYS)
