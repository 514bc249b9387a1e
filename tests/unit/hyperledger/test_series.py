"""Requests and mailbox events: none missing, none made up, whatever a peer flags, hides or changes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hyperledger.client.blocks import header_bytes, read_block
from adapters.hyperledger.client.events import read_events
from adapters.hyperledger.client.series import Cursor
from adapters.hyperledger.destination import Hyperledger
from adapters.hyperledger.proto import common_pb2, peer_pb2
from fabric.core import canonical
from fabric.core.errors import LedgerError, LedgerUnavailable, Malformed, Reorged
from fabric.core.ids import sha256
from fabric.ledger.port import EventKind
from fabric.ledger.rules.operations import OpenChannel, Request, Send
from fabric.trust.kind import Status
from tests.support.batches import BINDING
from tests.support.harness import next_message
from tests.support.hl_authorities import Authority
from tests.support.hl_channel import CHAINCODE
from tests.unit.hyperledger.conftest import START, World


def request(label: str) -> Request:
    return Request(sha256(b"judge"), sha256(label.encode()), BINDING, 0)


async def read_all(world: World, limit: int) -> tuple[list[int], bytes]:
    indexes: list[int] = []
    cursor = b""
    while (page := await world.ledger.requests(cursor, limit)).requests:
        assert len(page.requests) <= limit
        indexes += [each.index for each in page.requests]
        cursor = page.cursor
    return indexes, cursor


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_may_end_within_a_block_and_a_transaction(world: World, limit: int) -> None:
    await world.caller.act([request("a"), request("b"), request("c")])
    await world.caller.act([request("d")])
    await world.caller.act([request("e"), request("f")])
    indexes, cursor = await read_all(world, limit)
    assert indexes == list(range(6))
    assert (await world.ledger.requests(cursor, 5)).requests == ()
    await world.caller.act([request("g")])
    assert [each.index for each in (await world.ledger.requests(cursor, 5)).requests] == [6]


async def test_one_transaction_may_open_send_and_ask(world: World) -> None:
    channel, here = world.works.channel, world.ledger.destination.id
    message = next_message(channel, here, 0, b"body", START + 60)
    await world.caller.act([OpenChannel(channel), request("a"), Send(message, b"body")])
    page = await world.ledger.mailbox_events(b"", 10)
    assert [(event.index, event.kind) for event in page.events] == [(0, EventKind.OPENED), (1, EventKind.SENT)]
    assert page.events[1].data == b"body"
    assert {event.position for event in page.events} == {1}
    assert [each.index for each in (await world.ledger.requests(b"", 10)).requests] == [0]
    materials = await world.ledger.event_material(page.events)
    assert [material["told"] for material in materials] == ["opened", "sent"]
    assert materials[1]["message"] == message.encoded.hex()
    shown = Hyperledger().check_event(world.ledger.destination, materials[1], world.channel.settings.trust)
    assert (shown.message, shown.data, shown.anchorage.status) == (message, b"body", Status.FINAL)


async def test_a_page_covers_no_more_blocks_than_it_may(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.hyperledger.client.series._SPANS", 2)
    most = 2 * world.channel.settings.limits.blocks
    for _ in range(most + 1):
        world.channel.block([])
    await world.caller.act([request("a")])
    empty = await world.ledger.requests(b"", 10)
    assert empty.requests == ()
    assert Cursor.parse(empty.cursor).standing.block == most
    assert [each.index for each in (await world.ledger.requests(empty.cursor, 10)).requests] == [0]


async def asked(world: World) -> str:
    return (await world.caller.act([request("a")])).transaction


async def test_a_valid_transaction_that_is_flagged_invalid_means_a_lying_peer(world: World) -> None:
    world.channel.codes[await asked(world)] = peer_pb2.MVCC_READ_CONFLICT
    with pytest.raises(LedgerUnavailable, match="the peer says MVCC_READ_CONFLICT, and the endorsers have it"):
        await world.ledger.requests(b"", 10)


async def test_an_invalid_transaction_that_is_flagged_valid_means_a_lying_peer(world: World) -> None:
    await asked(world)
    twice = common_pb2.Envelope.FromString(world.channel.submitted[-1])
    world.channel.block([twice])
    assert (await world.ledger.requests(b"", 10)).count == 1

    def lie(block: common_pb2.Block) -> None:
        if block.header.number == 2:
            block.metadata.metadata[2] = b"\0"

    world.channel.spoil["Deliver"] = lie
    with pytest.raises(LedgerUnavailable, match="the endorsers do not have it so"):
        await world.ledger.requests(b"", 10)


def other_data(block: common_pb2.Block) -> None:
    if block.header.number:
        block.data.data[0] += b"\0"


def no_data(block: common_pb2.Block) -> None:
    if block.header.number:
        block.data.data.clear()


def another_number(block: common_pb2.Block) -> None:
    block.header.number += 1


def another_previous(block: common_pb2.Block) -> None:
    if block.header.number:
        block.header.previous_hash = bytes(32)


def no_previous(block: common_pb2.Block) -> None:
    if block.header.number:
        block.header.previous_hash = b""


def fewer_flags(block: common_pb2.Block) -> None:
    block.metadata.metadata[2] = b""


def no_seal(block: common_pb2.Block) -> None:
    block.metadata.metadata[0] = b""


def no_metadata(block: common_pb2.Block) -> None:
    block.metadata.metadata[0] = b"\xff"


BLOCKS: dict[str, tuple[Callable[[common_pb2.Block], None], str]] = {
    "other data": (other_data, "other data than its header commits to"),
    "no data": (no_data, "other data than its header commits to"),
    "number": (another_number, "number|names no block before it"),
    "previous": (another_previous, "does not follow"),
    "no previous": (no_previous, "names no block before it"),
    "flags": (fewer_flags, "transactions and 0 flags"),
    "seal": (no_seal, "signed by no orderer: no signature"),
    "metadata": (no_metadata, "cannot be read"),
}


@pytest.mark.parametrize("name", BLOCKS)
async def test_a_block_that_does_not_hold_is_not_believed(world: World, name: str) -> None:
    await asked(world)
    spoil, reason = BLOCKS[name]
    world.channel.spoil["Deliver"] = spoil
    with pytest.raises(LedgerUnavailable, match=reason):
        await world.ledger.requests(b"", 10)


def seal(world: World, authority: Authority, role: str, *, high: bool = False) -> Callable[[common_pb2.Block], None]:
    member = authority.issue("orderer0", role)

    def spoil(block: common_pb2.Block) -> None:
        header = block.header
        encoded = header_bytes(header.number, header.previous_hash, header.data_hash)
        signer = common_pb2.SignatureHeader(creator=member.identity.encoded, nonce=b"n").SerializeToString()
        metadata = common_pb2.Metadata(value=b"value")
        signature = member.sign(b"value" + signer + encoded, high=high)
        metadata.signatures.add(signature_header=signer, signature=signature)
        block.metadata.metadata[0] = metadata.SerializeToString()

    del world
    return spoil


async def test_blocks_of_other_orderers_are_not_believed(world: World) -> None:
    await asked(world)
    rogue, ordering = Authority("OrdererMSP", START), world.channel.ordering
    cases = [
        (seal(world, rogue, "orderer"), "does not chain to a root of OrdererMSP"),
        (seal(world, ordering, "client"), "no orderer"),
        (seal(world, ordering, "orderer", high=True), "upper half"),
        (seal(world, world.channel.authorities[0], "orderer"), "not among the trusted"),
    ]
    for spoil, reason in cases:
        world.channel.spoil["Deliver"] = spoil
        with pytest.raises(LedgerUnavailable, match=reason):
            await world.ledger.requests(b"", 10)
    world.channel.spoil["Deliver"] = seal(world, ordering, "orderer")
    assert (await world.ledger.requests(b"", 10)).count == 1


async def test_another_block_in_place_of_the_cursors_is_a_reorg(world: World) -> None:
    await asked(world)
    cursor = (await world.ledger.requests(b"", 10)).cursor
    other = world.channel.blocks.pop()
    world.channel.block([])
    assert other.header.data_hash != world.channel.blocks[-1].header.data_hash
    with pytest.raises(Reorged, match="block 1 was"):
        await world.ledger.requests(cursor, 10)


async def test_a_peer_that_is_behind_is_not_a_reorg(world: World) -> None:
    await asked(world)
    cursor = (await world.ledger.requests(b"", 10)).cursor
    world.channel.blocks.pop()
    with pytest.raises(LedgerUnavailable, match="no block 1 yet"):
        await world.ledger.requests(cursor, 10)


@pytest.mark.parametrize("cursor", [b"x", b"{}", canonical.encode({"block": -1, "hash": "", "index": 0, "offset": 0})])
async def test_a_cursor_that_is_not_ours_is_an_error(world: World, cursor: bytes) -> None:
    with pytest.raises(LedgerError):
        await world.ledger.requests(cursor, 10)


def told(world: World, change: Callable[[list[Any]], None]) -> None:
    """Has the endorsers of the next transactions tell something else than they write."""

    def spoil(action: peer_pb2.ChaincodeAction) -> None:
        if action.events:
            event = peer_pb2.ChaincodeEvent.FromString(action.events)
            value = json.loads(event.payload)
            change(value)
            event.payload = canonical.encode(value)
            action.events = event.SerializeToString()

    world.channel.spoil["action"] = spoil


TOLD: dict[str, tuple[Callable[[list[Any]], None], str]] = {
    "nothing of it": (lambda value: value.pop(), "expected a list|something else than it writes"),
    "twice": (lambda value: value.append(value[0]), "something else than it writes"),
    "other bytes": (lambda value: value[1].update(body=""), "other bytes than its message's"),
    "another name": (lambda value: value[0].update(event="closed"), "expected event to be one of"),
    "another kind": (lambda value: value[1].update(event="expired", body=None), "unknown names|something else"),
}


@pytest.mark.parametrize("name", TOLD)
async def test_an_event_that_tells_something_else_is_not_taken(world: World, name: str) -> None:
    channel, here = world.works.channel, world.ledger.destination.id
    change, reason = TOLD[name]
    told(world, change)
    message = next_message(channel, here, 0, b"body", START + 60)
    await world.caller.act([OpenChannel(channel), Send(message, b"body")])
    with pytest.raises(LedgerUnavailable, match=reason):
        await world.ledger.mailbox_events(b"", 10)


async def test_a_header_is_hashed_as_its_der() -> None:
    assert header_bytes(0, b"", b"\1").hex() == "3008020100040004" + "01" + "01"
    assert header_bytes(128, b"", b"").hex() == "300802020080" + "0400" + "0400"
    assert header_bytes(1, bytes(32), bytes(100))[:4].hex() == "3081" + "8b" + "02"


@given(st.binary(max_size=200), st.lists(st.binary(max_size=100), max_size=3), st.binary(max_size=40))
def test_any_block_is_read_or_malformed(head: bytes, data: list[bytes], flags: bytes) -> None:
    block = common_pb2.Block(data=common_pb2.BlockData(data=data))
    block.header.number, block.header.previous_hash = 3, head[:32]
    block.header.data_hash = sha256(*data)
    block.metadata.metadata.extend([head, b"", flags])
    try:
        read_block(block, CHAINCODE)
    except Malformed:
        return


@given(st.binary(max_size=100))
def test_any_event_is_read_or_malformed(payload: bytes) -> None:
    with pytest.raises(Malformed):
        read_events(payload, "00")
