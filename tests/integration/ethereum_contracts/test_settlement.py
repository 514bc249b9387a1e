"""Settlement and consumption: arguments of refusals, views, ill-formed words, trees of every shape."""

import random
from dataclasses import replace

import pytest

from fabric.core.ids import NOBODY, BatchId, Digest, IntentId, sha256, tag
from fabric.trust import eip712
from fabric.trust.attestation import KeyState
from fabric.trust.batch import MAX_RECORDS, Header, header_of, tree_of
from tests.integration.ethereum_contracts.chain import Refusal
from tests.integration.ethereum_contracts.world import ENCLAVE, World, account, inclusion, malleated
from tests.support.rules_builder import party

pytestmark = pytest.mark.ethereum


def header(world: World, **changes: object) -> Header:
    return replace(Header(world.destination.id, 1, 3, sha256(b"root")), **changes)  # type: ignore[arg-type]


def test_a_batch_is_settled_once_and_again_without_effect(world: World) -> None:
    one = header(world)
    assert not world.functions.settled(one.batch_id).call()
    sent = world.chain.send(world.settlement(one))
    at, keys = world.chain.time, party(ENCLAVE).public
    assert sent.names == ["Settled"]
    assert world.functions.settled(one.batch_id).call()
    root, signer, time, count = world.functions.batchOf(one.batch_id).call()
    assert (root, bytes.fromhex(signer[2:]), time, count) == (one.root, keys.address, at, 3)
    again = world.chain.send(world.functions.settle(one.encoded, b""))
    assert again.names == []
    assert world.functions.batchOf(one.batch_id).call()[2] == at


def test_signatures_that_no_key_can_have_made(world: World) -> None:
    one = header(world)
    good = party(ENCLAVE).sign_digest(eip712.header_digest(one, world.destination))
    for bad in (malleated(good), good[:-1], good + b"\0", good[:64] + b"\1", bytes(65), b""):
        call = world.functions.settle(one.encoded, bad)
        assert world.chain.refusal(call) == Refusal("BadSignature"), bad.hex()
    world.chain.send(world.functions.settle(one.encoded, good))


def test_refusals_of_settlement_say_what_was_expected(world: World) -> None:
    elsewhere = sha256(b"elsewhere")
    stranger = "0x" + party("stranger").public.address.hex()
    chain = world.chain
    assert chain.refusal(world.settlement(header(world), "stranger")) == Refusal("UnknownKey", (stranger,))
    assert chain.refusal(world.settlement(header(world, epoch=2))) == Refusal("WrongEpoch", (2, 1))
    assert chain.refusal(world.settlement(header(world, count=1025))) == Refusal("BadCount", (1025,))
    wrong = world.settlement(header(world, destination=elsewhere))
    assert chain.refusal(wrong) == Refusal("WrongDestination", (elsewhere,))


def test_a_retired_key_settles_until_its_deadline(world: World) -> None:
    deadline = world.chain.time + 50
    world.chain.send(world.status(ENCLAVE, KeyState.RETIRED, deadline))
    world.chain.send(world.settlement(header(world)), at=deadline)
    late = world.settlement(header(world, count=4))
    assert world.chain.refusal(late, at=deadline + 1) == Refusal("KeyRetired", (deadline + 1, deadline))


@pytest.mark.parametrize(("word", "value"), [(0, 7), (2, 2**64), (3, 2**64), (3, 2**255)])
def test_words_that_are_no_header(world: World, word: int, value: int) -> None:
    encoded = bytearray(header(world).encoded)
    encoded[32 * word : 32 * word + 32] = value.to_bytes(32, "big")
    expected = Refusal("Malformed", (tag("header"),))
    assert world.chain.refusal(world.functions.settle(bytes(encoded), b"")) == expected
    assert world.chain.refusal(world.functions.settle(bytes(encoded[:-32]), b"")) == expected


def test_an_intent_is_spent_once(world: World) -> None:
    records = [world.record(name, world.chain.accounts[0]) for name in "abc"]
    one = world.anchor(records)
    intent = records[1].intent
    assert not world.functions.spent(intent).call()
    world.chain.send(world.consumption(records, 1))
    assert world.functions.spent(intent).call()
    assert world.functions.spentBy(intent).call() == one.batch_id
    assert world.chain.refusal(world.consumption(records, 1)) == Refusal("IntentSpent", (intent,))
    second = [records[1], world.record("d", world.chain.accounts[0])]
    world.anchor(second)
    assert world.chain.refusal(world.consumption(second, 0)) == Refusal("IntentSpent", (intent,))


def test_refusals_of_consumption_say_what_was_expected(world: World) -> None:
    chain, sender = world.chain, world.chain.accounts[0]
    end = chain.time + 100
    records = [
        world.record("a", sender),
        world.record("b", sender, destination=sha256(b"elsewhere")),
        world.record("c", sender, intent=IntentId(sha256(b"another"))),
        world.record("d", sender, not_after=end),
        world.record("e", sender, recipient=NOBODY),
    ]
    batch = BatchId(sha256(b"unsettled"))
    tree = tree_of(records)
    one = Header(world.destination.id, 1, len(records), tree.root)
    chain.send(world.settlement(one))
    calls = [
        world.functions.consume(item.encoded, one.batch_id, at, tree.inclusion(at)) for at, item in enumerate(records)
    ]
    unsettled = world.functions.consume(records[0].encoded, batch, 0, tree.inclusion(0))
    misplaced = world.functions.consume(records[0].encoded, one.batch_id, 2**255, tree.inclusion(0))
    other = chain.accounts[1]
    refusals = [
        chain.refusal(unsettled),
        chain.refusal(misplaced),
        chain.refusal(calls[0], sender=other),
        chain.refusal(calls[4]),
        chain.refusal(calls[1]),
        chain.refusal(calls[2]),
        chain.refusal(calls[3], at=end + 1),
    ]
    assert refusals == [
        Refusal("NotSettled", (batch,)),
        Refusal("NotIncluded", (one.batch_id, 2**255)),
        Refusal("WrongRecipient", (other.lower(), account(sender))),
        Refusal("WrongRecipient", (sender.lower(), NOBODY)),
        Refusal("WrongDestination", (records[1].destination,)),
        Refusal("WrongIntent", (records[2].intent,)),
        Refusal("RecordExpired", (end + 1, end)),
    ]
    chain.send(calls[0])


@pytest.mark.parametrize(("word", "value"), [(0, 7), (14, 2**64), (15, 2**64), (16, 2**64)])
def test_words_that_are_no_record(world: World, word: int, value: int) -> None:
    record = world.record("a", world.chain.accounts[0])
    encoded = bytearray(record.encoded)
    encoded[32 * word : 32 * word + 32] = value.to_bytes(32, "big")
    expected = Refusal("Malformed", (tag("record"),))
    for data in (bytes(encoded), record.encoded[:-1], record.encoded + bytes(32), b""):
        assert world.chain.refusal(world.functions.consume(data, bytes(32), 0, [])) == expected


def test_every_bit_of_a_record_counts(world: World) -> None:
    records = [world.record(name, world.chain.accounts[0]) for name in "abcde"]
    world.anchor(records)
    values = list(inclusion(records, 3).values())
    assert world.functions.verify(*values).call()
    # Word 2 is the destination; 14 to 16 stay integers below 2**64.
    for word in (1, 2, *range(3, 17)):
        encoded = bytearray(records[3].encoded)
        encoded[32 * word + 31] ^= 1
        assert not world.functions.verify(bytes(encoded), *values[1:]).call()


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 11, 33, MAX_RECORDS - 1, MAX_RECORDS])
def test_inclusion_in_trees_of_every_shape(world: World, size: int) -> None:
    template = world.record("a", world.chain.accounts[0])
    records = [replace(template, intent=IntentId(sha256(number.to_bytes(2, "big")))) for number in range(size)]
    world.anchor(records)
    tree, batch = tree_of(records), header_of(records, 1).batch_id
    draws = random.Random(size).sample(range(size), min(size, 8))  # noqa: S311 - places, no secret
    for index in {0, size - 1, *draws}:
        path, record = tree.inclusion(index), records[index].encoded
        assert world.functions.verify(record, batch, index, path).call()
        assert not world.functions.verify(record, batch, index, [*path, Digest(bytes(32))]).call()
        assert not world.functions.verify(record, batch, (index + 1) % (size + 1), path).call()
        assert not path or not world.functions.verify(record, batch, index, path[:-1]).call()
