"""The native ledger through its port."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from adapters.native.destination import Native
from adapters.native.envelope import Envelope, account_of, sign_envelope
from adapters.native.errors import SequencerRunning, WrongNonce
from adapters.native.ledger import NativeLedger, submission_of
from fabric.core.canonical import JsonObject
from fabric.core.clock import FrozenClock
from fabric.core.errors import ForeignLedger, LedgerUnavailable, Reorged, SigningFailed, SubmitError
from fabric.core.ids import NOBODY, Digest, Measurement, request_id, sha256
from fabric.ledger.port import Phase, Submission, Work
from fabric.ledger.rules.operations import Consume, Request
from fabric.trust.attestation import KeyState, KeyStatus
from fabric.trust.kind import Source, Status
from tests.support import native
from tests.support.native import ALICE, ENCLAVE, START, SeededSigner, open_native

ACCOUNT = account_of(ALICE.public.ed25519)


async def done(ledger: NativeLedger, *work: Work) -> list[Phase]:
    """Prepares, submits and observes."""
    submissions = await ledger.prepare(work, [])
    await ledger.submit(submissions)
    observed = await ledger.observe(list(zip(work, submissions, strict=True)))
    return [one.phase for one in observed]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(START)


async def test_work_takes_effect_once(tmp_path: Path, clock: FrozenClock) -> None:
    ledger = await open_native(tmp_path, clock)
    batch = native.records(ledger, ["a", "b"], ACCOUNT)
    settle = native.settle(ledger, batch)
    work: list[Work] = [native.register(ledger.destination.id), settle, native.consume(batch, 1)]
    assert await done(ledger, *work) == [Phase.FINAL] * 3
    assert await done(ledger, *work) == [Phase.FINAL] * 3
    assert await ledger.key_state(ENCLAVE.public) is KeyState.ACTIVE
    assert await ledger.is_settled(settle.header.batch_id)
    assert await ledger.is_spent(batch[1].intent)
    assert not await ledger.is_spent(batch[0].intent)
    observed = await ledger.observe([(one, None) for one in work])
    assert [one.receipt.position for one in observed if one.receipt] == [0, 1, 2]
    await ledger.aclose()
    await ledger.aclose()


async def test_a_batch_of_calls_is_one_checkpoint(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    signer = ledger._sequencer._signer
    assert isinstance(signer, SeededSigner)
    before = signer.signed
    work: list[Work] = [native.register(ledger.destination.id)]
    work += [native.settle(ledger, native.records(ledger, [f"{n}"], NOBODY)) for n in range(20)]
    assert await done(ledger, *work) == [Phase.FINAL] * 21
    assert signer.signed == before + 1
    assert [size for size, _ in await ledger._sequencer.checkpoints()] == [0, 21]
    await ledger.aclose()


async def test_refused_calls_leave_no_trace(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    batch = native.records(ledger, ["a"], NOBODY)
    settle = native.settle(ledger, batch)
    submissions = await ledger.prepare([settle], [])
    await ledger.submit([*submissions, Submission(b"rubbish", "rubbish")])
    observed = await ledger.observe([(settle, submissions[0]), (settle, None)])
    assert observed[0].phase is Phase.REFUSED
    assert observed[0].reason.startswith("UnknownKey")
    assert observed[1].phase is Phase.ABSENT
    assert len(ledger._sequencer.history.tree) == 0
    # What was refused for want of something else may succeed later.
    assert await done(ledger, native.register(ledger.destination.id), settle) == [Phase.FINAL] * 2
    await ledger.aclose()


async def test_work_of_one_submission_stands_on_work_before_it(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    settle = native.settle(ledger, native.records(ledger, ["a"], NOBODY))
    register = native.register(ledger.destination.id)
    assert await done(ledger, settle, register) == [Phase.REFUSED, Phase.FINAL]
    await ledger.aclose()


async def test_consumption_needs_the_recipient(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    batch = native.records(ledger, ["a"], account_of(bytes(32)))
    settle = native.settle(ledger, batch)
    work: list[Work] = [native.register(ledger.destination.id), settle, native.consume(batch, 0)]
    assert await done(ledger, *work) == [Phase.FINAL, Phase.FINAL, Phase.REFUSED]
    operation = Consume(batch[0], settle.header.batch_id, 0, ())
    stolen = sign_envelope(operation, ledger.destination.id, 0, SeededSigner(ALICE))
    (refusal,) = await ledger._sequencer.submit([stolen.encoded])
    assert str(refusal).startswith("WrongRecipient")
    late = sign_envelope(operation, ledger.destination.id, 1, SeededSigner(ALICE))
    (refusal,) = await ledger._sequencer.submit([late.encoded])
    assert isinstance(refusal, WrongNonce)
    await ledger.aclose()


async def test_a_superseded_result_counts_as_registered(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    longer = native.register(ledger.destination.id, not_after=START + 20_000)
    shorter = native.register(ledger.destination.id, not_after=START + 10_000)
    assert await done(ledger, longer, shorter) == [Phase.FINAL] * 2
    observed = await ledger.observe([(shorter, None)])
    assert observed[0].receipt is not None
    assert observed[0].receipt.position == 0
    assert len(ledger._sequencer.history.tree) == 1
    await ledger.aclose()


async def test_key_status_travels_as_an_envelope(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    await done(ledger, native.register(ledger.destination.id))
    status = native.key_status(KeyStatus(ENCLAVE.public, KeyState.REVOKED, 0))
    await ledger.submit([submission_of(Envelope(status))])
    assert await ledger.key_state(ENCLAVE.public) is KeyState.REVOKED
    assert await ledger.key_state(ALICE.public) is None
    await ledger.aclose()


async def test_a_revocation_of_code_is_done_by_an_earlier_one(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    early, late = (native.revocation(Measurement(sha256(b"code")), since) for since in (5, 9))
    assert await done(ledger, late, early) == [Phase.FINAL] * 2
    observed = await ledger.observe([(late, None), (early, None)])
    assert [one.receipt.position for one in observed if one.receipt] == [0, 1]
    await ledger.aclose()


async def test_requests_come_in_pages_without_gaps(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    alice = SeededSigner(ALICE)
    envelopes = [sign_envelope(native.request(f"{nonce}"), ledger.destination.id, nonce, alice) for nonce in range(5)]
    await ledger.submit([submission_of(one) for one in envelopes])
    first = await ledger.requests(b"", 3)
    rest = await ledger.requests(first.cursor, 3)
    assert [one.index for one in (*first.requests, *rest.requests)] == list(range(5))
    asked = envelopes[4].operation
    assert isinstance(asked, Request)
    assert rest.requests[1].invocation == request_id(
        ledger.destination.id, ACCOUNT, 4, asked.method, asked.input, asked.binding
    )
    assert rest.requests[1].locator == "entry 4"
    nothing = await ledger.requests(rest.cursor, 3)
    assert nothing.requests == ()
    assert nothing.cursor == rest.cursor
    with pytest.raises(Reorged):
        await ledger.requests((9).to_bytes(8, "big"), 3)
    await ledger.aclose()


async def test_a_request_is_taken_once(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    alice = SeededSigner(ALICE)
    first = sign_envelope(native.request("one"), ledger.destination.id, 0, alice)
    replayed = replace(first, operation=native.request("two"))
    other = sign_envelope(native.request("two"), ledger.destination.id, 0, alice)
    ahead = sign_envelope(native.request("two"), ledger.destination.id, 2, alice)
    bare = Envelope(native.request("two"))
    calls = [one.encoded for one in (first, first, replayed, other, ahead, bare)]
    refusals = await ledger._sequencer.submit(calls)
    assert refusals[:2] == [None, None]
    assert [str(one).partition(":")[0] for one in refusals[2:]] == [
        "BadSignature",
        "expected 1, got 0",
        "expected 1, got 2",
        "BadSignature",
    ]
    assert len((await ledger.requests(b"", 10)).requests) == 1
    await ledger.aclose()


async def test_time_never_goes_back(tmp_path: Path, clock: FrozenClock) -> None:
    ledger = await open_native(tmp_path, clock)
    await done(ledger, native.register(ledger.destination.id))
    clock.advance(-50)
    await done(ledger, native.settle(ledger, native.records(ledger, ["a"], NOBODY)))
    assert (await ledger.receipts([1]))[0].time == START
    clock.advance(60)
    await done(ledger, native.settle(ledger, native.records(ledger, ["b"], NOBODY)))
    assert (await ledger.receipts([2]))[0].time == START + 10
    await ledger.aclose()


async def test_the_ledger_opens_as_it_was_closed(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    batch = native.records(ledger, ["a", "b"], ACCOUNT)
    work: list[Work] = [
        native.register(ledger.destination.id),
        native.settle(ledger, batch),
        native.consume(batch, 1),
    ]
    await done(ledger, *work)
    receipt = await ledger.receipts([1])
    state = dict(ledger._sequencer.history.state)
    await ledger.aclose()
    again = await open_native(tmp_path)
    assert await again.receipts([1]) == receipt
    assert again._sequencer.history.state == state
    assert await done(again, *work) == [Phase.FINAL] * 3
    assert len(again._sequencer.history.tree) == 3
    await again.aclose()


async def test_only_one_sequencer(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    with pytest.raises(SequencerRunning, match="another sequencer"):
        await open_native(tmp_path)
    await ledger.aclose()
    await (await open_native(tmp_path)).aclose()


async def test_another_genesis_is_another_ledger(tmp_path: Path) -> None:
    await (await open_native(tmp_path)).aclose()
    with pytest.raises(ForeignLedger):
        await open_native(tmp_path, document=native.genesis("another name"))
    await (await open_native(tmp_path)).aclose()


async def test_a_closed_ledger_takes_nothing(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    submissions = await ledger.prepare([native.register(ledger.destination.id)], [])
    await ledger.aclose()
    with pytest.raises(SubmitError):
        await ledger.submit(submissions)


class FailingSigner(SeededSigner):
    """Stops signing when told to, or signs something else."""

    broken = False
    lying = False

    @override
    async def sign_checkpoint(self, origin: str, size: int, root: Digest) -> tuple[bytes, bytes]:
        if self.broken:
            raise SigningFailed("the key process is gone")
        return await super().sign_checkpoint(origin, size + self.lying, root)


@pytest.mark.parametrize("fault", ["broken", "lying"])
async def test_without_a_signature_nothing_is_appended(tmp_path: Path, fault: str) -> None:
    ledger = await open_native(tmp_path)
    signer = FailingSigner(native.SEQUENCER)
    ledger._sequencer._signer = signer
    register = native.register(ledger.destination.id)
    setattr(signer, fault, True)
    with pytest.raises(SubmitError):
        await done(ledger, register)
    assert (await ledger.observe([(register, None)]))[0].phase is Phase.ABSENT
    setattr(signer, fault, False)
    assert await done(ledger, register) == [Phase.FINAL]
    await ledger.aclose()


async def test_concurrent_submissions_are_whole(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    await done(ledger, native.register(ledger.destination.id))
    work = [native.settle(ledger, native.records(ledger, [f"{n}"], NOBODY)) for n in range(24)]
    # Every piece twice, at once, in groups: whoever comes second is a repeat.
    groups = [work[n : n + 4] for n in range(0, 24, 4)] * 2
    phases = await asyncio.gather(*(done(ledger, *group) for group in groups))
    assert all(phase is Phase.FINAL for group in phases for phase in group)
    assert len(ledger._sequencer.history.tree) == 25
    await ledger.aclose()
    await (await open_native(tmp_path)).aclose()


async def test_a_cancelled_caller_does_not_stop_a_commit(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    register = native.register(ledger.destination.id)
    task = asyncio.create_task(ledger.submit(await ledger.prepare([register], [])))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ledger.submit([])  # waits for its turn
    assert (await ledger.observe([(register, None)]))[0].phase is Phase.FINAL
    await ledger.aclose()


def roots(ledger: NativeLedger) -> JsonObject:
    return {"log_key": ledger.destination.settlement.hex(), "origin": ledger._sequencer.genesis.origin}


async def test_receipts_prove_what_was_settled(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    work = [native.settle(ledger, native.records(ledger, [f"{n}"], NOBODY)) for n in range(9)]
    await done(ledger, native.register(ledger.destination.id), *work[:4])
    await done(ledger, *work[4:])
    for settle, observation in zip(work, await ledger.observe([(one, None) for one in work]), strict=True):
        assert observation.receipt is not None
        material = observation.receipt.material
        proven = Native().check_receipt(ledger.destination, settle.header, material, roots(ledger))
        assert (proven.status, proven.source) == (Status.OPERATOR_FINAL, Source.PROVEN)
        assert (proven.time, proven.position) == (START, observation.receipt.position)
        bare = Native().check_receipt(ledger.destination, settle.header, material, {})
        assert bare.source is Source.ASSERTED
    await ledger.aclose()


async def test_a_settlement_without_a_signature_of_ours_is_refused(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    settle = replace(native.settle(ledger, native.records(ledger, ["a"], NOBODY)), signatures=())
    assert await done(ledger, native.register(ledger.destination.id), settle) == [Phase.FINAL, Phase.REFUSED]
    await ledger.aclose()


@pytest.mark.parametrize("is_written", [False, True], ids=["not written", "written all the same"])
async def test_a_commit_that_failed_is_finished_as_it_was_signed(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, *, is_written: bool
) -> None:
    """Whether it was written, only the file knows; another checkpoint of its size is never signed."""
    ledger = await open_native(tmp_path, clock)
    database = ledger._sequencer._database
    append, signer = database.append, ledger._sequencer._signer

    def failing(*values: Any) -> None:  # noqa: ANN401
        if is_written:
            append(*values)
        raise LedgerUnavailable("no space left")

    registration = native.register(ledger.destination.id)
    monkeypatch.setattr(database, "append", failing)
    for _ in range(3):
        with pytest.raises(SubmitError, match="tried again"):
            await ledger.submit(await ledger.prepare([registration], []))
        clock.advance(60)  # a commit made anew would bear another time, hence another root
    assert await ledger.key_state(ENCLAVE.public) is None
    monkeypatch.setattr(database, "append", append)
    settle = native.settle(ledger, native.records(ledger, ["a"], ACCOUNT))
    assert await done(ledger, settle) == [Phase.FINAL]
    assert await ledger.key_state(ENCLAVE.public) is KeyState.ACTIVE
    assert isinstance(signer, SeededSigner)
    assert [size for size, _ in await ledger._sequencer.checkpoints()] == [0, 1, 2]
    assert signer.signed == 3
    await ledger.aclose()
    await (await open_native(tmp_path, clock)).aclose()
