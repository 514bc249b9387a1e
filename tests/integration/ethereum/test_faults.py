"""What goes wrong between a signed transaction and its effect, on a real node, and what the client says of it."""

import pytest

from adapters.ethereum.rpc import Call, RpcError
from adapters.ethereum.transactions import Eip1559, decode, transaction_hash
from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerError, LedgerUnavailable, Reorged, Retry, SubmitError
from fabric.core.ids import NOBODY, Account
from fabric.ledger.port import Phase, Settle, Submission, Work
from tests.support import batches
from tests.support.evm import FINALITY, RELAYER, World, consume, phases, verdicts
from tests.support.seeded_keys import SeededKeys

pytestmark = pytest.mark.ethereum


async def test_a_crash_before_submit_loses_nothing(chain: World) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.ledger.prepare([work], [])
    ledger = await chain.reopen()
    assert phases(await ledger.observe([(work, stored)])) == [Phase.ABSENT]
    await ledger.submit([stored])
    await chain.mine()
    assert (await chain.see(work, stored)).phase is Phase.INCLUDED


async def test_sending_again_what_the_node_holds_is_sending(chain: World) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.send(work)
    await chain.ledger.submit([stored])
    await chain.mine()
    with pytest.raises(SubmitError) as caught:
        await chain.ledger.submit([stored])
    assert caught.value.retry is Retry.UNKNOWN
    assert (await chain.see(work, stored)).phase is Phase.INCLUDED


async def test_a_dropped_transaction_is_absent_and_sent_again(chain: World) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.send(work)
    await chain.do("anvil_dropTransaction", stored.locator)
    assert (await chain.see(work, stored)).phase is Phase.ABSENT
    await chain.ledger.submit([stored])
    await chain.mine()
    assert (await chain.see(work, stored)).phase is Phase.INCLUDED


async def test_a_nonce_used_by_another_transaction_is_lost_and_prepared_anew(chain: World) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.ledger.prepare([work], [])
    await _spend(chain, decode(stored.data).nonce)
    await chain.mine()
    lost = await chain.see(work, stored)
    assert lost.phase is Phase.LOST
    assert "another transaction" in lost.reason
    (anew,) = await chain.send(work)
    await chain.mine()
    assert (await chain.see(work, anew)).phase is Phase.INCLUDED


async def test_work_behind_a_gap_is_lost_and_moves_into_it(chain: World) -> None:
    first, second = await chain.settle(1), await chain.settle(2)
    _, stored = await chain.ledger.prepare([first, second], [])
    await chain.ledger.submit([stored])
    ledger = await chain.reopen()
    # Nobody knows of the first one any more: it was never stored.
    lost = await chain.see(second, stored)
    assert lost.phase is Phase.LOST
    (anew,) = await ledger.prepare([second], [])
    assert decode(anew.data).nonce < decode(stored.data).nonce
    await ledger.submit([anew])
    await chain.mine(2)
    assert (await chain.see(second, anew)).phase is Phase.INCLUDED
    (last,) = await chain.send(first)
    await chain.mine()
    assert (await chain.see(first, last)).phase is Phase.INCLUDED


async def test_work_that_waits_for_a_known_submission_is_not_lost(chain: World) -> None:
    works = [await chain.settle(1), await chain.settle(2)]
    made = await chain.ledger.prepare(works, [])
    await chain.ledger.submit(made[1:])
    ledger = await chain.reopen()
    pairs = list(zip(works, made, strict=True))
    assert phases(await ledger.observe(pairs)) == [Phase.ABSENT, Phase.PENDING]
    await ledger.submit(made[:1])
    await chain.mine()
    assert phases(await ledger.observe(pairs)) == [Phase.INCLUDED] * 2


async def test_a_fee_that_is_too_low_is_lost_and_prepared_anew(chain: World) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.ledger.prepare([work], [])
    await chain.do("anvil_setNextBlockBaseFeePerGas", hex(10 * decode(stored.data).max_fee))
    await chain.mine()
    lost = await chain.see(work, stored)
    assert lost.phase is Phase.LOST
    assert "base fee" in lost.reason
    (anew,) = await chain.send(work)
    assert decode(anew.data).nonce == decode(stored.data).nonce
    await chain.mine()
    assert (await chain.see(work, anew)).phase is Phase.INCLUDED


async def test_a_base_fee_above_the_cap_is_not_paid(chain: World) -> None:
    await chain.do("anvil_setNextBlockBaseFeePerGas", hex(10**12))
    await chain.mine()
    with pytest.raises(LedgerUnavailable, match="cap"):
        await chain.ledger.prepare([await chain.settle(1)], [])


async def test_a_reorg_within_finality_takes_the_effect_back_and_it_happens_once(chain: World) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.send(work)
    await chain.mine(2)
    before = await chain.receipt(work, stored)
    await chain.do("anvil_reorg", 2, [])
    assert (await chain.see(work, stored)).phase is Phase.ABSENT
    await chain.ledger.submit([stored])
    await chain.mine()
    after = await chain.receipt(work, stored)
    assert after.material["block"] != before.material["block"]
    await chain.mine(FINALITY)
    assert (await chain.see(work, stored)).phase is Phase.FINAL
    assert len(await _settlements(chain, work)) == 1


async def test_a_reorg_of_what_was_final_halts(chain: World) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.send(work)
    await chain.mine(1 + FINALITY)
    assert (await chain.see(work, stored)).phase is Phase.FINAL
    await chain.do("anvil_reorg", FINALITY + 1, [])
    for _ in range(2):
        with pytest.raises(Reorged, match="was final"):
            await chain.see(work, stored)
        await chain.mine(3)
    with pytest.raises(Reorged):
        await chain.ledger.prepare([work], [])


async def test_a_refusal_is_told_by_name_once_it_is_final(chain: World) -> None:
    stranger = batches.sign(
        [batches.accept(1, as_of=await chain.time())], chain.destination, keys=SeededKeys("stranger")
    )
    work = Settle(stranger.header, stranger.signatures)
    (stored,) = await chain.send(work)
    await chain.mine()
    assert (await chain.see(work, stored)).phase is Phase.PENDING
    await chain.mine(FINALITY)
    refused = await chain.see(work, stored)
    assert (refused.phase, refused.reason) == (Phase.REFUSED, "UnknownKey")


async def test_a_refusal_that_the_node_cannot_explain_any_more_is_not_taken_for_good(
    chain: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pruned node lacks the state; what was refused for want of its batch, say, is to be tried again."""
    keys = SeededKeys("stranger")
    stranger = batches.sign([batches.accept(1, as_of=await chain.time())], chain.destination, keys=keys)
    work = Settle(stranger.header, stranger.signatures)
    (stored,) = await chain.send(work)
    await chain.mine(1 + FINALITY)
    batch, newest = chain.ledger.rpc.batch, hex(await chain.head())

    async def pruned(calls: list[Call]) -> list[JsonValue | RpcError]:
        given = await batch(calls)
        gone = RpcError(-32000, "missing trie node 1f2e")
        lacks = [call[0] == "eth_call" and call[1][1] != newest for call in calls]
        return [gone if lacking else each for lacking, each in zip(lacks, given, strict=True)]

    monkeypatch.setattr(chain.ledger.rpc, "batch", pruned)
    lost = await chain.see(work, stored)
    assert lost.phase is Phase.LOST
    assert "cannot show any more" in lost.reason


async def test_a_contract_s_own_refusal_is_told_by_name(chain: World) -> None:
    contract = await chain.shipment()
    batch = await verdicts(chain, contract, 0, 5)
    works: list[Work] = [Settle(batch.header, batch.signatures), consume(batch, 1), consume(batch, 0)]
    made = await chain.send(*works)
    await chain.mine(1 + FINALITY)
    seen = await chain.ledger.observe(list(zip(works, made, strict=True)))
    assert phases(seen) == [Phase.FINAL, Phase.REFUSED, Phase.FINAL]
    assert seen[1].reason == "WrongStateVersion"


async def test_a_recipient_that_does_not_consume_is_a_refusal(chain: World) -> None:
    nobody_s_contract = Account(SeededKeys("wallet").public.address.rjust(32, b"\0"))
    batch = await chain.batch(1, recipient=nobody_s_contract)
    works: list[Work] = [Settle(batch.header, batch.signatures), consume(batch, 0)]
    made = await chain.send(*works)
    await chain.mine(1 + FINALITY)
    seen = await chain.ledger.observe(list(zip(works, made, strict=True)))
    assert phases(seen) == [Phase.FINAL, Phase.REFUSED]
    assert "without effect" in seen[1].reason


async def test_running_out_of_gas_is_told(chain: World) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.ledger.prepare([work], [])
    fields = decode(stored.data)
    short = await _signed(Eip1559(**(vars(fields) | {"gas": 60_000})))
    await chain.ledger.submit([short])
    await chain.mine(1 + FINALITY)
    refused = await chain.see(work, short)
    assert refused.phase is Phase.REFUSED
    assert "gas" in refused.reason


async def test_a_record_without_a_recipient_cannot_be_consumed(chain: World) -> None:
    batch = await chain.batch(1, recipient=NOBODY)
    with pytest.raises(LedgerError, match="no recipient"):
        await chain.ledger.prepare([consume(batch, 0)], [])


async def test_a_node_that_is_gone(chain: World) -> None:
    work = await chain.settle(1)
    (stored,) = await chain.ledger.prepare([work], [])
    await chain.node.kill()
    with pytest.raises(SubmitError):
        await chain.ledger.submit([stored])
    with pytest.raises(LedgerUnavailable):
        await chain.see(work, stored)
    with pytest.raises(LedgerUnavailable):
        await chain.ledger.prepare([work], [stored])
    with pytest.raises(LedgerUnavailable):
        await chain.ledger.is_settled(work.header.batch_id)
    with pytest.raises(LedgerUnavailable):
        await chain.ledger.requests(b"", 10)


async def test_bytes_that_are_no_submission_are_told(chain: World) -> None:
    work = await chain.settle(1)
    with pytest.raises(LedgerError, match="stored submission"):
        await chain.see(work, Submission(b"\x02garbage", "0x"))
    with pytest.raises(LedgerError, match="was changed in the database"):
        await chain.ledger.submit([Submission(b"\x02garbage", "0x")])


async def test_stored_bytes_of_another_transaction_are_not_sent(chain: World) -> None:
    first, second = await chain.ledger.prepare([await chain.settle(1), await chain.settle(2)], [])
    with pytest.raises(LedgerError, match=f"{second.locator} was changed"):
        await chain.ledger.submit([first, Submission(first.data, second.locator)])
    assert await chain.do("eth_getTransactionByHash", first.locator) is None


async def _signed(transaction: Eip1559) -> Submission:
    raw = await RELAYER.sign(transaction)
    return Submission(raw, transaction_hash(raw))


async def _spend(chain: World, nonce: int) -> None:
    """Uses a nonce of the relayer for nothing."""
    fees = (10**9, 10**10, 21_000)
    nothing = Eip1559(chain.destination.chain_number, nonce, *fees, RELAYER.address, 0, b"")
    await chain.ledger.submit([await _signed(nothing)])


async def _settlements(chain: World, work: Settle) -> list[object]:
    """Returns every event of a batch's settlement."""
    wanted = {
        "address": "0x" + chain.destination.settlement[-20:].hex(),
        "fromBlock": "0x0",
        "topics": [None, "0x" + work.header.batch_id.hex()],
    }
    found = await chain.do("eth_getLogs", wanted)  # type: ignore[arg-type]
    assert isinstance(found, list)
    return list(found)
