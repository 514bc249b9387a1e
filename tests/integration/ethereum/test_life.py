"""Work from prepared to final on a real node, one piece and many, with the round trips that it takes."""

import asyncio
from typing import Final

import pytest

from adapters.ethereum import abi
from adapters.ethereum.destination import Ethereum
from adapters.ethereum.rpc import Call, RpcError
from adapters.ethereum.transactions import decode
from fabric.core.canonical import JsonValue
from fabric.core.ids import Measurement, sha256
from fabric.ledger.port import Phase, Settle, Work
from fabric.trust.attestation import KeyState
from fabric.trust.batch import MAX_RECORDS
from fabric.trust.kind import Source, Status
from tests.support.batches import ENCLAVE
from tests.support.evm import FINALITY, RELAYER, World, consume, phases, registration, revocation, verdicts
from tests.support.seeded_keys import SeededKeys

pytestmark = pytest.mark.ethereum

MANY: Final = 64


async def test_a_batch_from_absent_to_final(chain: World) -> None:
    work = await chain.settle(1, 2, 3)
    assert (await chain.see(work)).phase is Phase.ABSENT
    (submission,) = await chain.ledger.prepare([work], [])
    assert (await chain.see(work, submission)).phase is Phase.ABSENT
    await chain.ledger.submit([submission])
    assert (await chain.see(work, submission)).phase is Phase.PENDING
    assert not await chain.ledger.is_settled(work.header.batch_id)
    for behind in range(FINALITY + 2):
        await chain.mine()
        seen = await chain.see(work, submission)
        assert seen.phase is (Phase.FINAL if behind >= FINALITY else Phase.INCLUDED), behind
    assert await chain.ledger.is_settled(work.header.batch_id)


async def test_its_receipt_proves_the_event_offline(chain: World) -> None:
    work = await chain.settle(1)
    (submission,) = await chain.send(work)
    await chain.mine()
    receipt = await chain.receipt(work, submission)
    shown = Ethereum().check_receipt(chain.destination, work.header, receipt.material, {})
    assert (shown.status, shown.source) == (Status.INCLUDED, Source.ASSERTED)
    assert (shown.position, shown.time) == (receipt.position, receipt.time)
    assert receipt.time == await chain.time()
    assert receipt.destination == chain.destination.id
    assert submission.locator in receipt.locator
    assert receipt.cost["gas"] < decode(submission.data).gas


async def test_keys_are_registered(chain: World) -> None:
    keys = SeededKeys("second enclave")
    assert await chain.ledger.key_state(ENCLAVE.public) is KeyState.ACTIVE
    assert await chain.ledger.key_state(keys.public) is None
    work = await registration(chain, keys)
    (submission,) = await chain.send(work)
    await chain.mine()
    assert (await chain.see(work, submission)).phase is Phase.INCLUDED
    assert (await chain.see(work)).phase is Phase.INCLUDED
    assert await chain.ledger.key_state(keys.public) is KeyState.ACTIVE


async def test_a_contract_consumes_a_record_of_a_batch(chain: World) -> None:
    contract = await chain.shipment()
    batch = await verdicts(chain, contract, 0, 1, 2)
    settle, first, second = Settle(batch.header, batch.signatures), consume(batch, 0), consume(batch, 1)
    made = await chain.send(settle, first, second)
    await chain.mine()
    seen = await chain.ledger.observe(list(zip([settle, first, second], made, strict=True)))
    assert phases(seen) == [Phase.INCLUDED] * 3
    assert await chain.ledger.is_spent(first.record.intent)
    state = await contract.read()
    assert (state["stateVersion"], state["measurement"]) == (2, first.record.measurement.hex())


async def test_many_works_take_as_many_round_trips_as_one(chain: World) -> None:
    contract = await chain.shipment()
    batch = await verdicts(chain, contract, *range(MANY))
    works: list[Work] = [Settle(batch.header, batch.signatures), *(consume(batch, at) for at in range(MANY))]
    trips = chain.ledger.rpc.round_trips

    def spent() -> int:
        nonlocal trips
        before, trips = trips, chain.ledger.rpc.round_trips
        return trips - before

    made = await chain.ledger.prepare(works, [])
    assert spent() == 1
    await chain.ledger.submit(made)
    assert spent() == 1
    pairs = list(zip(works, made, strict=True))
    for trips_taken in (2, 1):
        assert set(phases(await chain.ledger.observe(pairs))) == {Phase.PENDING}
        assert spent() == trips_taken, "view, answers; under the same head the view alone"
    await chain.mine()
    for trips_taken in (3, 1):
        assert set(phases(await chain.ledger.observe(pairs))) == {Phase.INCLUDED}
        assert spent() == trips_taken, "view, answers, the new block; then the view alone"
    await chain.mine(FINALITY)
    assert set(phases(await chain.ledger.observe(pairs))) == {Phase.FINAL}
    assert spent() == 2, "view, the newest final block"
    without = [(work, None) for work in works]
    assert set(phases(await chain.ledger.observe(without))) == {Phase.FINAL}
    assert spent() == 3, "view, answers, events of whoever sent them; the block is known"


async def test_the_effect_counts_whoever_sent_it(chain: World) -> None:
    work = await chain.settle(1)
    (first,) = await chain.send(work)
    again = await chain.reopen()
    (second,) = await again.prepare([work], [first])
    await again.submit([second])
    await chain.mine()
    seen = await again.observe([(work, first), (work, second), (work, None)])
    assert phases(seen) == [Phase.INCLUDED] * 3
    assert [each.receipt.locator for each in seen if each.receipt] == [seen[0].receipt.locator] * 3  # type: ignore[union-attr]
    assert first.locator in seen[0].receipt.locator  # type: ignore[union-attr]


@pytest.mark.parametrize("answer", [[], RpcError(-32005, "range too large")], ids=["none", "refused"])
async def test_an_effect_without_its_event_holds_up_nothing_else(
    chain: World, monkeypatch: pytest.MonkeyPatch, answer: JsonValue | RpcError
) -> None:
    works = [await chain.settle(1), await chain.settle(2)]
    made = await chain.send(*works)
    await chain.mine()
    batch = chain.ledger.rpc.batch

    async def silent(calls: list[Call]) -> list[JsonValue | RpcError]:
        given = await batch(calls)
        return [answer if call[0] == "eth_getLogs" else each for call, each in zip(calls, given, strict=True)]

    monkeypatch.setattr(chain.ledger.rpc, "batch", silent)
    seen = await chain.ledger.observe([(works[0], None), (works[1], made[1])])
    assert phases(seen) == [Phase.PENDING, Phase.INCLUDED]
    assert "does not show" in seen[0].reason


async def test_nothing_to_do_asks_nothing(chain: World) -> None:
    trips = chain.ledger.rpc.round_trips
    assert list(await chain.ledger.prepare([], [])) == []
    assert list(await chain.ledger.observe([])) == []
    await chain.ledger.submit([])
    assert chain.ledger.rpc.round_trips == trips


async def test_nonces_go_on_from_stored_submissions(chain: World) -> None:
    works = [await chain.settle(number) for number in range(4)]
    stored = list(await chain.ledger.prepare(works[:2], []))
    ledger = await chain.reopen()
    more = list(await ledger.prepare(works[2:], stored))
    used = [decode(each.data).nonce for each in (*stored, *more)]
    assert used == list(range(used[0], used[0] + 4))
    await ledger.submit([*stored, *more])
    await chain.mine()
    assert set(phases(await ledger.observe(list(zip(works, [*stored, *more], strict=True))))) == {Phase.INCLUDED}


async def test_concurrent_prepares_share_no_nonce(chain: World) -> None:
    works = [await chain.settle(number) for number in range(4)]
    made = await asyncio.gather(*(chain.ledger.prepare([work], []) for work in works))
    assert len({decode(each[0].data).nonce for each in made}) == len(works)
    assert decode(made[0][0].data).chain_id == chain.destination.chain_number
    assert RELAYER.address == chain.ledger._relayer.address  # type: ignore[union-attr]


async def test_gas_limits_leave_room(chain: World) -> None:
    contract = await chain.shipment()
    full = await verdicts(chain, contract, *range(MAX_RECORDS))
    works: list[Work] = [
        await registration(chain, SeededKeys("another enclave")),
        Settle(full.header, full.signatures),
        consume(full, 0),
        revocation(Measurement(sha256(b"other code")), 7),
    ]
    made = await chain.send(*works)
    await chain.mine()
    for work, submission in zip(works, made, strict=True):
        receipt = await chain.receipt(work, submission)
        assert receipt.cost["gas"] * 3 <= decode(submission.data).gas * 2, type(work).__name__
    anchored = (await chain.receipt(works[1], made[1])).cost["gas"] / MAX_RECORDS
    assert anchored <= 100, "gas per anchored result of a full batch"


async def test_an_earlier_revocation_is_shown_by_its_own_event(chain: World) -> None:
    code = Measurement(sha256(b"other code"))
    late, early = revocation(code, 9), revocation(code, 5)
    (first,) = await chain.send(late)
    await chain.mine(FINALITY + 1)
    assert (await chain.see(early)).phase is Phase.ABSENT
    (second,) = await chain.send(early)
    await chain.mine(FINALITY + 1)
    one, other = await chain.receipt(late, first), await chain.receipt(early, second)
    assert one.position < other.position
    assert (await chain.receipt(early)).position == other.position, "not by the event of the later time"


async def test_a_deployment_without_revocations_refuses_them_and_goes_on(chain: World) -> None:
    """A contract of an earlier release: the same code, whose dispatch knows neither function."""
    address = str(chain.settings["settlement"])
    code = str(await chain.do("eth_getCode", address, "latest"))
    for function in (abi.REVOKE_CODE, abi.REVOKED_SINCE):
        selector = function.selector.hex()
        assert code.count("63" + selector) == 1
        code = code.replace("63" + selector, "63" + "ff" * 4)
    await chain.do("anvil_setCode", address, code)
    works: list[Work] = [revocation(Measurement(sha256(b"other code")), 7), await chain.settle(1)]
    assert [(await chain.see(work)).phase for work in works] == [Phase.ABSENT] * 2
    made = await chain.send(*works)
    await chain.mine(FINALITY + 1)
    seen = await chain.ledger.observe(list(zip(works, made, strict=True)))
    assert phases(seen) == [Phase.REFUSED, Phase.FINAL]
    assert seen[0].reason == "reverted without a reason"
