"""What became of work: by effect first, then by its transaction; withheld, lost, refused, and lied about."""

import dataclasses
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.hyperledger.client.identity import CertificateExpired
from adapters.hyperledger.client.ledger import HyperledgerLedger
from adapters.hyperledger.client.peers import PeerError
from adapters.hyperledger.client.plugin import connect
from adapters.hyperledger.client.stored import Sent, read_stored
from adapters.hyperledger.destination import Hyperledger
from adapters.hyperledger.names import MAX_ITEMS
from adapters.hyperledger.proto import common_pb2, peer_pb2
from fabric.core import canonical
from fabric.core.errors import LedgerError, LedgerUnavailable, SubmitError
from fabric.core.ids import BatchId
from fabric.ledger.port import Expire, Observation, Phase, Submission, Work
from fabric.ledger.rules.operations import OpenChannel
from fabric.trust.kind import Source, Status
from fabric.trust.letter import Delivery
from fabric.trust.message import Message, Shown
from tests.support.harness import next_message
from tests.support.hl_authorities import DAY
from tests.unit.hyperledger.conftest import START, World


async def settled(world: World, *work: Work) -> list[Submission]:
    submissions = list(await world.ledger.prepare(work, []))
    await world.ledger.submit(submissions)
    return submissions


async def registered(world: World) -> World:
    await settled(world, world.works.registration())
    return world


async def observe(world: World, work: Work, submission: Submission | None = None) -> Observation:
    (answer,) = await world.ledger.observe([(work, submission)])
    return answer


async def test_calls_of_one_transaction_share_its_bytes_and_are_sent_once(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", 5)
    before = len(world.channel.submitted)
    submissions = await settled(world, batch.settle, *batch.consumes)
    assert len(set(submissions)) == 1
    assert len(world.channel.submitted) == before + 1
    answers = await world.ledger.observe(list(zip([batch.settle, *batch.consumes], submissions, strict=True)))
    assert {answer.phase for answer in answers} == {Phase.FINAL}


async def test_many_calls_take_several_transactions(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", 40)
    await settled(world, batch.settle)
    submissions = await settled(world, *batch.consumes)
    assert [submissions.count(each) for each in dict.fromkeys(submissions)] == [32, 8]


async def test_more_works_than_one_read_back_holds_are_observed(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", MAX_ITEMS + 6)
    submissions = await settled(world, batch.settle)
    submissions += await settled(world, *batch.consumes)
    answers = await world.ledger.observe(list(zip([batch.settle, *batch.consumes], submissions, strict=True)))
    assert {answer.phase for answer in answers} == {Phase.FINAL}


async def test_the_receipt_of_a_settlement_shows_its_batch_alone(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", 3)
    submissions = await settled(world, batch.settle, *batch.consumes)
    answer, *_ = await world.ledger.observe(list(zip([batch.settle, *batch.consumes], submissions, strict=True)))
    assert answer.receipt is not None
    assert (answer.receipt.position, answer.receipt.time) == (2, START)
    shown = Hyperledger().check_receipt(
        world.ledger.destination, batch.settle.header, answer.receipt.material, world.channel.settings.trust
    )
    assert (shown.status, shown.source, shown.time, shown.position) == (Status.FINAL, Source.PROVEN, START, 2)
    alone = await observe(world, batch.settle)
    assert alone.receipt is not None
    sizes = [len(canonical.encode(each.material)) for each in (answer.receipt, alone.receipt)]
    assert abs(sizes[0] - sizes[1]) < 100


async def test_a_refusal_is_stored_and_never_sent(world: World) -> None:
    await registered(world)
    (consume,) = world.works.batch("b", 1).consumes
    before = len(world.channel.submitted)
    (submission,) = await settled(world, consume)
    assert len(world.channel.submitted) == before
    assert submission.locator == "refused by NotSettled"
    answer = await observe(world, consume, submission)
    assert (answer.phase, answer.reason.partition(":")[0]) == (Phase.REFUSED, "NotSettled")


async def test_a_stored_refusal_yields_to_an_effect(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", 1)
    (consume,) = batch.consumes
    (refused,) = await settled(world, consume)
    await settled(world, batch.settle, consume)
    assert (await observe(world, consume, refused)).phase is Phase.FINAL


async def test_an_orderer_that_withholds_is_waited_for_then_asked_again(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", 1)
    world.channel.withheld = True
    (submission,) = await settled(world, batch.settle)
    assert (await observe(world, batch.settle, submission)).phase is Phase.PENDING
    world.clock.advance(31)
    assert (await observe(world, batch.settle, submission)).phase is Phase.ABSENT
    await world.ledger.submit([submission])
    assert len(world.channel.waiting) == 2
    world.channel.cut()
    assert list(world.channel.blocks[-1].metadata.metadata[2]) == [peer_pb2.VALID, peer_pb2.DUPLICATE_TXID]
    assert (await observe(world, batch.settle, submission)).phase is Phase.FINAL


async def test_an_identical_resubmission_changes_nothing(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", 1)
    (submission,) = await settled(world, batch.settle)
    first = await observe(world, batch.settle, submission)
    await world.ledger.submit([submission])
    again = await observe(world, batch.settle, submission)
    assert first.receipt is not None
    assert again.receipt is not None
    assert (again.phase, again.receipt.position) == (Phase.FINAL, first.receipt.position)


async def test_the_loser_of_two_transactions_is_done_where_the_effect_is_its_own(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", 1)
    both = [*await world.ledger.prepare([batch.settle], []), *await world.ledger.prepare([batch.settle], [])]
    await world.ledger.submit(both)
    answers = await world.ledger.observe([(batch.settle, each) for each in both])
    assert [answer.phase for answer in answers] == [Phase.FINAL] * 2


async def incoming(world: World, body: bytes, expiry: int) -> Message:
    channel, here = world.works.channel, world.ledger.destination.id
    await world.caller.act([OpenChannel(channel)])
    mine, other = channel.end_at(here), channel.end_beyond(here)
    assert mine is not None
    assert other is not None
    sent = next_message(channel, here, 0, body, expiry)
    return dataclasses.replace(
        sent, source=other.destination, destination=here, sender=other.account, recipient=mine.account
    )


async def test_a_late_delivery_after_a_tombstone_ends_in_a_conflict(world: World) -> None:
    await registered(world)
    message = await incoming(world, b"late", START + 10)
    batch = world.works.letters([Delivery(Shown.PROVEN, message, b"late")])
    await settled(world, batch.settle)
    (delivery,) = batch.consumes
    (late,) = await world.ledger.prepare([delivery], [])
    world.clock.advance(20)
    (tombstone,) = await settled(world, Expire(message))
    await world.ledger.submit([late])
    assert (await observe(world, Expire(message), tombstone)).phase is Phase.FINAL
    answer = await observe(world, delivery, late)
    assert (answer.phase, answer.reason) == (Phase.LOST, "MVCC_READ_CONFLICT")
    (anew,) = await settled(world, delivery)
    answer = await observe(world, delivery, anew)
    assert (answer.phase, answer.reason.partition(":")[0]) == (Phase.REFUSED, "MessageExpired")


async def test_an_effect_counts_whatever_code_a_peer_claims(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", 1)
    (submission,) = await settled(world, batch.settle)
    world.channel.codes[submission.locator] = peer_pb2.MVCC_READ_CONFLICT
    assert (await observe(world, batch.settle, submission)).phase is Phase.FINAL


async def test_a_claim_of_validity_without_effect_is_not_believed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.hyperledger.client.observing._LOOK_SECONDS", 0.0)
    await registered(world)
    batch = world.works.batch("b", 1)
    (submission,) = await world.ledger.prepare([batch.settle], [])
    (other,) = await world.ledger.prepare([world.works.batch("c", 1).settle], [])
    world.channel.block([spoilt(submission)])
    world.channel.codes[submission.locator] = peer_pb2.VALID
    with pytest.raises(LedgerUnavailable, match="counts as valid, and the endorsers show no effect"):
        await observe(world, batch.settle, submission)
    assert (await observe(world, world.works.batch("c", 1).settle, other)).phase is Phase.ABSENT


def spoilt(submission: Submission) -> common_pb2.Envelope:
    """Returns a stored envelope without its endorsements."""
    stored = read_stored(submission)
    assert isinstance(stored, Sent)
    envelope = common_pb2.Envelope.FromString(stored.envelope)
    payload = common_pb2.Payload.FromString(envelope.payload)
    transaction = peer_pb2.Transaction.FromString(payload.data)
    content = peer_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
    content.action.endorsements.clear()
    transaction.actions[0].payload = content.SerializeToString()
    payload.data = transaction.SerializeToString()
    return common_pb2.Envelope(payload=payload.SerializeToString(), signature=envelope.signature)


async def test_stripped_endorsements_lose_the_transaction(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", 1)
    (submission,) = await world.ledger.prepare([batch.settle], [])
    world.channel.block([spoilt(submission)])
    answer = await observe(world, batch.settle, submission)
    assert (answer.phase, answer.reason) == (Phase.LOST, "ENDORSEMENT_POLICY_FAILURE")


@pytest.mark.parametrize("method", ["Endorse", "CommitStatus"])
async def test_a_peer_that_is_away_says_nothing_of_work(world: World, method: str) -> None:
    await registered(world)
    batch = world.works.batch("b", 1)
    (submission,) = await world.ledger.prepare([batch.settle], [])
    world.channel.down.add(method)
    with pytest.raises(LedgerUnavailable):
        await observe(world, batch.settle, submission)


async def test_an_orderer_that_is_away_leaves_the_outcome_unknown(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", 1)
    (submission,) = await world.ledger.prepare([batch.settle], [])
    world.channel.down.add("Submit")
    with pytest.raises(SubmitError, match="1 of 1 transactions not taken"):
        await world.ledger.submit([submission])
    assert (await observe(world, batch.settle, submission)).phase is Phase.ABSENT


async def test_an_ill_formed_call_is_refused_as_a_whole(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", 1)
    broken = dataclasses.replace(batch.consumes[0], index=-1)
    with pytest.raises(LedgerError, match="the chaincode refused it") as caught:
        await world.ledger.prepare([broken], [])
    assert caught.value.retry.value == "never"


async def test_a_record_for_the_mailbox_without_a_letter_is_an_error(world: World) -> None:
    batch = world.works.letters([Delivery(Shown.PROVEN, await incoming(world, b"x", START + 10), b"x")])
    broken = dataclasses.replace(batch.consumes[0], payload=b"no letter")
    with pytest.raises(LedgerError, match="brings no letter"):
        await world.ledger.prepare([broken], [])


# Certificates.


def renamed(world: World, *, ends: int) -> HyperledgerLedger:
    """Opens the ledger with a certificate of the same key that ends at a time."""
    member = world.channel.authorities[0].issue("relayer", "client", key=world.channel.client.key, ends=ends)
    config = world.channel.settings.model_copy(update={"certificate": member.pem})
    return HyperledgerLedger(connect(config, world.clock, world.channel.keys, world.channel), world.clock)


async def test_a_certificate_is_warned_of_before_it_ends(world: World) -> None:
    assert "certificate_warning" not in await world.ledger.health()
    facts = await renamed(world, ends=START + 29 * DAY).health()
    assert facts["certificate_days_left"] == 29
    assert "ends in 29 days" in str(facts["certificate_warning"])


async def test_a_certificate_is_reminded_of_once_a_day(world: World) -> None:
    await registered(world)
    with capture_logs() as logs:
        ledger = renamed(world, ends=START + 29 * DAY)
        for seconds in (10, DAY, 10):
            world.clock.advance(seconds)
            await ledger.prepare([world.works.batch("b", 1).settle], [])
    days = [29, 27]
    assert [f"ends in {each} days" in str(entry["event"]) for each, entry in zip(days, logs, strict=True)] == [True] * 2


async def test_nothing_is_prepared_under_a_certificate_that_has_ended(world: World) -> None:
    await registered(world)
    batch = world.works.batch("b", 1)
    soon = renamed(world, ends=START + 10)
    (submission,) = await soon.prepare([batch.settle], [])
    world.clock.advance(11)
    with pytest.raises(CertificateExpired, match="have its authority make out a new one"):
        await soon.prepare([batch.settle], [])
    with pytest.raises(SubmitError, match="the certificate that it was signed under has ended"):
        await soon.submit([submission])
    # With a new certificate the work is prepared anew.
    answer = await observe(world, batch.settle, submission)
    assert (answer.phase, answer.reason) == (Phase.LOST, "the certificate that it was signed under has ended")
    (anew,) = await settled(world, batch.settle)
    assert (await observe(world, batch.settle, anew)).phase is Phase.FINAL


# What is stored.


async def test_a_changed_submission_is_not_sent(world: World) -> None:
    await registered(world)
    one, other = await world.ledger.prepare([world.works.batch("b", 1).settle], []), world.works.batch("c", 1).settle
    (second,) = await world.ledger.prepare([other], [])
    swapped = Submission(one[0].data, second.locator)
    before = len(world.channel.submitted)
    with pytest.raises(LedgerError, match="changed in the database"):
        await world.ledger.submit([swapped])
    assert len(world.channel.submitted) == before


objects = st.dictionaries(st.sampled_from(["envelope", "refused"]), st.text())


@given(st.binary(max_size=100) | objects.map(lambda value: canonical.encode({**value})))
def test_any_stored_bytes_are_a_submission_or_an_error(raw: bytes) -> None:
    with pytest.raises(LedgerError):
        read_stored(Submission(raw, "x"))


async def test_peers_that_are_not_at_the_same_block_yet_are_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    endorser = world.ledger._asking.endorser
    prepared, apart = endorser._prepared, iter(("Org2MSP: ProposalResponsePayloads do not match",) * 2)

    async def at_last(*given: Any) -> common_pb2.Envelope:  # noqa: ANN401 - handed on as it came
        if detail := next(apart, ""):
            message = "failed to collect enough transaction endorsements"
            raise PeerError(grpc.StatusCode.ABORTED, message, [detail])
        return await prepared(*given)

    monkeypatch.setattr(endorser, "_prepared", at_last)
    assert await world.ledger.is_settled(BatchId(bytes(32))) is False
    assert next(apart, None) is None
