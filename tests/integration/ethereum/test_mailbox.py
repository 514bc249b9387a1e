"""The mailbox of a real node: work on messages by its effect, events without a gap, and what shows them offline."""

from collections.abc import Sequence
from typing import Any, Final

import pytest
from eth_abi.abi import encode

from adapters.ethereum import abi
from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.destination import Ethereum
from adapters.ethereum.indexed import SPAN
from adapters.ethereum.integrator import EthereumIntegrator
from adapters.ethereum.rpc import Call, RpcError
from adapters.ethereum.transactions import decode
from fabric.core import canonical
from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerError, LedgerUnavailable, NotFound, Reorged, VerificationError
from fabric.core.ids import sha256
from fabric.ledger.conformance.harness import Batch
from fabric.ledger.port import EventKind, Expire, MailboxEvent, MailboxPage, Phase, Settle
from fabric.trust.kind import Source, Status, Told
from fabric.trust.letter import Acknowledgement, Delivery, Letter
from fabric.trust.message import MAX_BODY_BYTES, Channel, Ending, Message, Shown
from tests.support.batches import BINDING, CALLER, MEASUREMENT, destination
from tests.support.evm import FINALITY, World, consume, verdicts
from tests.support.evm_mail import LOG_BYTES, Correspondent, wrapped
from tests.support.harness import Works, channel_of

pytestmark = pytest.mark.ethereum

LIFE: Final = 3_600
BODY: Final = b"a body"
VERDICT_TYPES: Final = ["bool", "int256", "uint256", "uint256"]
KIND, REVERTING = 0, 2
ARM: Final = abi.Function("arm(uint8,bytes,uint256)")
OPEN: Final = abi.Function("open(bytes)")
EXPIRE: Final = abi.Function("expire(bytes)")


@pytest.fixture
async def writer(chain: World) -> Correspondent:
    """An account whose channel is open."""
    writer = Correspondent(await NodeAccount.open(chain.rpc, 2), chain.destination)
    await chain.automine(on=True)
    await writer.open(writer.channel)
    await chain.automine(on=False)
    return writer


async def send(chain: World, writer: Correspondent, *bodies: bytes) -> list[Message]:
    """Has the account send messages, each in a block of its own."""
    await chain.automine(on=True)
    sent = [await writer.write(body, await chain.time() + LIFE) for body in bodies]
    await chain.automine(on=False)
    return sent


async def letters(chain: World, writer: Correspondent, *given: Letter) -> Batch:
    return Works(chain.destination, writer.account, await chain.time()).letters(given)


async def incoming(chain: World, channel: Channel, label: str, body: bytes = BODY, seconds: int = LIFE) -> Message:
    """Returns a message to the channel's end here."""
    here = chain.destination.id
    own, other = channel.end_at(here), channel.end_beyond(here)
    assert own is not None
    assert other is not None
    number = int.from_bytes(sha256(label.encode())[:4], "big")
    ends = (other.destination, here, other.account, own.account)
    return Message(channel.id, *ends, number, await chain.time() + seconds, sha256(body))


async def read(chain: World, cursor: bytes = b"", limit: int = 100) -> MailboxPage:
    return await chain.ledger.mailbox_events(cursor, limit)


async def final(chain: World) -> Sequence[MailboxEvent]:
    await chain.mine(1 + FINALITY)
    return (await read(chain)).events


async def test_deliveries_and_tombstones_are_work_that_takes_effect(chain: World, writer: Correspondent) -> None:
    message, late = [await incoming(chain, writer.channel, label) for label in ("message", "late")]
    batch = await letters(chain, writer, Delivery(Shown.PROVEN, message, BODY))
    (delivery,) = batch.consumes
    made = await chain.send(batch.settle, delivery)
    await chain.mine()
    assert (await chain.see(delivery, made[1])).phase is Phase.INCLUDED
    assert (await chain.see(Expire(late))).phase is Phase.ABSENT
    await chain.do("evm_setNextBlockTimestamp", late.expiry + 1)
    await chain.mine()
    (tombstone,) = await chain.send(Expire(late))
    events = await final(chain)
    assert [(event.kind, event.subject) for event in events[1:]] == [
        (EventKind.DELIVERED, message),
        (EventKind.EXPIRED, late),
    ]
    for work, submission in ((delivery, made[1]), (Expire(late), tombstone)):
        receipt = await chain.receipt(work, submission)
        assert receipt.cost["gas"] < decode(submission.data).gas / 2
    assert await chain.ledger.ledger_time() == await chain.time()


async def test_an_acknowledgement_is_known_by_its_outcome(chain: World, writer: Correspondent) -> None:
    (message,) = await send(chain, writer, BODY)
    now = await chain.time()
    both = [Acknowledgement(Shown.PROVEN, ending, now, message, b"") for ending in Ending]
    batch = await letters(chain, writer, *both)
    delivered, expired = batch.consumes
    made = await chain.send(batch.settle, delivered, expired)
    await chain.mine(1 + FINALITY)
    seen = await chain.ledger.observe(list(zip([delivered, expired], made[1:], strict=True)))
    assert [one.phase for one in seen] == [Phase.FINAL, Phase.REFUSED]
    assert seen[1].reason == "MessageClosed"
    assert (await chain.see(expired)).phase is Phase.ABSENT


async def test_the_largest_message_fits_its_gas_limit(chain: World, writer: Correspondent) -> None:
    body = b"\xa5" * MAX_BODY_BYTES
    message = await incoming(chain, writer.channel, "largest", body)
    batch = await letters(chain, writer, Delivery(Shown.PROVEN, message, body))
    made = await chain.send(batch.settle, *batch.consumes)
    await chain.mine()
    receipt = await chain.receipt(batch.consumes[0], made[1])
    assert receipt.cost["gas"] < decode(made[1].data).gas


async def test_a_recipient_that_reverts_is_told_and_holds_up_nobody(chain: World, writer: Correspondent) -> None:
    deployer, address = await chain.deploy("test/Correspondent", ("address", chain.destination.settlement[-20:]))
    channel = channel_of(chain.destination.id, address.rjust(32, b"\0"))  # type: ignore[arg-type]
    await chain.automine(on=True)
    await deployer.send(address, OPEN.call(channel.encoded))
    await deployer.send(address, ARM.call(REVERTING, bytes.fromhex("deadbeef"), 0))
    await chain.automine(on=False)
    refused, other = await incoming(chain, channel, "refused"), await incoming(chain, writer.channel, "other")
    given = [Delivery(Shown.PROVEN, message, BODY) for message in (refused, other)]
    batch = await letters(chain, writer, *given)
    made = await chain.send(batch.settle, *batch.consumes)
    await chain.mine(1 + FINALITY)
    seen = await chain.ledger.observe(list(zip(batch.consumes, made[1:], strict=True)))
    assert [one.phase for one in seen] == [Phase.REFUSED, Phase.FINAL]
    assert seen[0].reason == f"CallReverted: 0x{address.hex()}: unknown error 0xdeadbeef"
    await chain.automine(on=True)
    await deployer.send(address, ARM.call(KIND, b"now it will", 0))
    await chain.automine(on=False)
    again = await letters(chain, writer, given[0], given[0])
    await chain.send(again.settle, again.consumes[1])
    *_, event = await final(chain)
    assert (event.kind, event.subject, event.data) == (EventKind.DELIVERED, refused, b"now it will")
    # The effect is the message's: it is there for every record that would bring it, also for the one that was refused.
    for work, submission in ((batch.consumes[0], made[1]), (again.consumes[0], None)):
        assert (await chain.see(work, submission)).phase is Phase.FINAL


async def test_a_record_for_the_mailbox_without_a_letter_is_not_sent(chain: World, writer: Correspondent) -> None:
    batch = await letters(chain, writer, Delivery(Shown.PROVEN, await incoming(chain, writer.channel, "x"), BODY))
    (work,) = batch.consumes
    spoiled = type(work)(work.record, b"no letter", work.header, work.index, work.path)
    with pytest.raises(LedgerError, match="no letter"):
        await chain.ledger.prepare([spoiled], [])
    assert (await chain.see(spoiled)).phase is Phase.ABSENT


async def test_events_are_shown_offline(chain: World, writer: Correspondent) -> None:
    (sent,) = await send(chain, writer, BODY)
    message = await incoming(chain, writer.channel, "message")
    late = await incoming(chain, writer.channel, "late", seconds=-1)
    batch = await letters(chain, writer, Delivery(Shown.PROVEN, message, BODY))
    await chain.send(batch.settle, *batch.consumes, Expire(late))
    opened, *events = await final(chain)
    before = chain.ledger.rpc.round_trips
    materials = await chain.ledger.event_material(events)
    assert chain.ledger.rpc.round_trips - before == 2, "view, logs; the blocks are kept from the page"
    shown = [Ethereum().check_event(chain.destination, material, {}) for material in materials]
    assert [(one.told, one.message, one.data) for one in shown] == [
        (Told.SENT, sent, BODY),
        (Told.DELIVERED, message, b""),
        (Told.EXPIRED, late, b""),
    ]
    for one, event in zip(shown, events, strict=True):
        assert (one.anchorage.status, one.anchorage.source) == (Status.INCLUDED, Source.ASSERTED)
        assert (one.anchorage.time, one.anchorage.position) == (event.time, event.position)
    (material,) = await chain.ledger.event_material([opened])
    with pytest.raises(VerificationError, match="of a channel"):
        Ethereum().check_event(chain.destination, material, {})
    with pytest.raises(VerificationError, match="another contract"):
        Ethereum().check_event(destination(), materials[0], {})


async def test_events_of_a_transaction_full_of_logs_are_shown_offline(chain: World, writer: Correspondent) -> None:
    """Anybody may call ``expire``, and may do so in a transaction with 5 MB of logs."""
    late = [await incoming(chain, writer.channel, label, seconds=-1) for label in ("late", "later")]
    expire = [EXPIRE.call(message.encoded) for message in late]
    await chain.automine(on=True)
    await writer._holder.send(b"", wrapped(chain.destination.settlement[-20:], expire, 50), gas=60_000_000)
    await chain.automine(on=False)
    events = (await final(chain))[1:]
    assert [event.subject for event in events] == late
    for event, material in zip(events, await chain.ledger.event_material(events), strict=True):
        assert len(canonical.encode(material)) > 2 * 50 * LOG_BYTES
        shown = Ethereum().check_event(chain.destination, material, {})
        assert (shown.told, shown.message) == (Told.EXPIRED, event.subject)


async def test_an_event_that_is_not_final_or_not_there_has_no_material(chain: World, writer: Correspondent) -> None:
    await send(chain, writer, BODY)
    *_, event = await final(chain)
    fields = {**vars(event)}
    for change in ({"position": await head(chain)}, {"position": event.position - 1}, {"index": 9}):
        other = MailboxEvent(**(fields | change))
        with pytest.raises(LedgerUnavailable, match=r"not final|0 times"):
            await chain.ledger.event_material([other])
    assert await chain.ledger.event_material([]) == []


async def head(chain: World) -> int:
    return (await chain.block("latest")).number


async def test_pages_hold_all_in_order(chain: World, writer: Correspondent) -> None:
    sent = await send(chain, writer, b"0", b"1", b"2", b"3", b"4")
    events = await final(chain)
    assert [event.index for event in events] == list(range(6))
    assert [event.subject for event in events] == [writer.channel, *sent]
    cursor, seen = b"", list[MailboxEvent]()
    for _ in range(3):
        page = await read(chain, cursor, limit=2)
        seen += page.events
        cursor = page.cursor
    assert seen == list(events)
    before = chain.ledger.rpc.round_trips
    assert len((await read(chain)).events) == 6
    assert chain.ledger.rpc.round_trips - before == 2, "view, events; the blocks are kept from the page before"


async def test_a_reorg_behind_the_cursor_is_told(chain: World, writer: Correspondent) -> None:
    await send(chain, writer, BODY)
    await chain.mine(1 + FINALITY)
    page = await read(chain)
    await chain.do("anvil_reorg", FINALITY + 3, [])
    await chain.reopen()
    with pytest.raises(Reorged, match="was final"):
        await read(chain, page.cursor)


def lie(chain: World, monkeypatch: pytest.MonkeyPatch, change: Any) -> list[int]:  # noqa: ANN401 - of any answer
    """Changes the node's answers to ``eth_getLogs`` on their way; returns the ranges that it is asked for."""
    batch, asked = chain.ledger.rpc.batch, list[int]()

    async def changed(calls: list[Call]) -> list[JsonValue | RpcError]:
        given = []
        for (method, parameters), answer in zip(calls, await batch(calls), strict=True):
            if method == "eth_getLogs":
                wanted: Any = parameters[0]
                asked.append(int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) + 1)
                given.append(change(answer, asked[-1]))
            else:
                given.append(answer)
        return given

    monkeypatch.setattr(chain.ledger.rpc, "batch", changed)
    return asked


@pytest.mark.parametrize("missing", [0, 1, 2])
async def test_a_missing_event_is_noticed(
    chain: World, writer: Correspondent, monkeypatch: pytest.MonkeyPatch, missing: int
) -> None:
    await send(chain, writer, b"0", b"1")
    await chain.mine(1 + FINALITY)
    lie(chain, monkeypatch, lambda logs, _: [log for at, log in enumerate(logs) if at != missing])
    with pytest.raises(LedgerUnavailable):
        await read(chain)


@pytest.mark.parametrize("field", ["data", "topic 0", "topic 1", "topic 2", "topic 3"])
async def test_a_changed_event_is_noticed(
    chain: World, writer: Correspondent, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    await send(chain, writer, BODY)
    await chain.mine(1 + FINALITY)

    def changed(logs: list[Any], _: int) -> list[Any]:
        log = dict(logs[1])
        if field == "data":
            log["data"] = log["data"].replace(BODY.hex(), BODY[::-1].hex())
        else:
            place = int(field[-1])
            log["topics"] = [*log["topics"][:place], "0x" + "0a" * 32, *log["topics"][place + 1 :]]
        return [logs[0], log]

    lie(chain, monkeypatch, changed)
    with pytest.raises(LedgerUnavailable):
        await read(chain)


async def test_of_a_node_that_bounds_its_answers_less_is_asked(
    chain: World, writer: Correspondent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(chain, writer, b"0")
    await chain.mine(SPAN // 8)
    await send(chain, writer, b"1")
    await chain.mine(1 + FINALITY)
    asked = lie(chain, monkeypatch, lambda logs, span: RpcError(-32003, "too large") if span > 50 else logs)
    cursor, seen, failures = b"", list[int](), 0
    while len(seen) < 3:
        try:
            page = await read(chain, cursor)
        except LedgerUnavailable:
            failures += 1
            continue
        seen += [event.index for event in page.events]
        cursor = page.cursor
    assert seen == [0, 1, 2]
    assert 0 < failures < len(asked)


async def test_an_integrator_insures_a_shipment(chain: World) -> None:
    account = await NodeAccount.open(chain.rpc, 3)
    integrator = EthereumIntegrator(account, chain.destination)
    await chain.automine(on=True)
    contract = await integrator.deploy("InsuredShipment", MEASUREMENT, CALLER)
    await contract.bind(BINDING)
    channel = channel_of(chain.destination.id, contract.account)
    await contract.open_route(channel, LIFE)
    await contract.fund(3 * 10**16)
    await chain.automine(on=False)
    batch = await verdicts(chain, contract, 0, payload=encode(VERDICT_TYPES, [False, 9_100, 7_200, 3]))
    await chain.send(Settle(batch.header, batch.signatures), consume(batch, 0))
    _, sent = await final(chain)
    assert isinstance(sent.subject, Message)
    assert (sent.kind, sent.subject.expiry) == (EventKind.SENT, sent.time + LIFE)
    state = await contract.read()
    assert state["claims"] == [{"message": sent.subject.id.hex(), "state": 1}]
    assert state["routes"] == [{"channel": channel.id.hex(), "patience": LIFE}]
    assert [state[name] for name in ("free", "locked", "spent")] == [2 * 10**16, 10**16, 0]
    refund = Acknowledgement(Shown.PROVEN, Ending.EXPIRED, sent.time, sent.subject, b"")
    answer = Works(chain.destination, contract.account, await chain.time()).letters([refund])
    await chain.send(answer.settle, *answer.consumes)
    await chain.mine()
    state = await contract.read()
    assert [state[name] for name in ("free", "locked", "spent")] == [3 * 10**16, 0, 0]
    shipment = await chain.shipment()
    for call in (shipment.fund(1), shipment.open_route(channel, LIFE)):
        with pytest.raises(NotFound, match="no function"):
            await call
