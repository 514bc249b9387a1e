"""The mailbox: what it keeps and tells, and what it refuses beyond the shared scenarios."""

from dataclasses import replace
from typing import Final

import pytest

from fabric.core.ids import NOBODY, Account, DestinationId, method_word, sha256, tag
from fabric.trust.letter import Acknowledgement, Delivery
from fabric.trust.message import DELIVER, Ending, Shown
from tests.integration.ethereum_contracts.chain import Refusal
from tests.integration.ethereum_contracts.post import BODY, ELSEWHERE, HOUR, STRANGER, Post, channel_of
from tests.integration.ethereum_contracts.world import BINDING, World, account, inclusion

pytestmark = pytest.mark.ethereum

OTHER: Final = sha256(b"other")
FOREIGN: Final = DestinationId(OTHER)


@pytest.fixture
def post(world: World) -> Post:
    """A channel whose end here is an account without code."""
    return Post.of_account(world, world.chain.accounts[1])


def test_what_is_kept_of_a_channel(world: World) -> None:
    sender = world.chain.accounts[1]
    channel = channel_of(world, sender, accepts=Shown.ASSERTED)
    assert world.functions.channelOf(channel.id).call()[1] == 0
    sent = world.chain.send(world.functions.openChannel(channel.encoded), sender=sender)
    expected = {"index": 0, "channel": channel.id, "account": sender.lower(), "words": channel.encoded}
    assert sent.events == (("ChannelOpened", expected),)
    kept = (sender, world.chain.time, Shown.ASSERTED, 0, ELSEWHERE, STRANGER, BINDING)
    assert world.functions.channelOf(channel.id).call() == kept
    assert world.chain.send(world.functions.openChannel(channel.encoded), sender=sender).names == []
    assert world.functions.channelOf(channel.id).call() == kept


def test_what_is_kept_of_a_message_that_was_sent(post: Post) -> None:
    functions = post.world.functions
    message = post.outgoing()
    assert functions.messageOf(message.id).call() == (0, 0, 0)
    sent = post.world.chain.send(post.sending(message), sender=post.address)
    assert sent.names == ["Sent"]
    at = post.world.chain.time
    assert functions.messageOf(message.id).call() == (1, at, 0)
    assert functions.nextSequence(post.channel.id).call() == 1
    done = post.world.chain.send(post.acknowledgement(message, Ending.EXPIRED))
    assert done.events == (("Acknowledged", {"message": message.id, "outcome": 2, "result": b""}),)
    assert functions.messageOf(message.id).call() == (3, at, post.world.chain.time)


def test_what_is_kept_of_a_message_for_this_ledger(post: Post) -> None:
    functions = post.world.functions
    delivered, expired = post.incoming(), post.incoming(1, expiry=post.world.chain.time)
    assert functions.deliveryOf(delivered.id).call() == (0, 0)
    assert post.world.chain.send(post.delivery(delivered)).names == ["Delivered"]
    assert functions.deliveryOf(delivered.id).call() == (1, post.world.chain.time)
    assert post.world.chain.send(post.expiring(expired)).names == ["Expired"]
    assert functions.deliveryOf(expired.id).call() == (2, post.world.chain.time)
    assert not functions.spent(post.record(b"", DELIVER).intent).call()


def test_events_are_counted_over_the_whole_mailbox(world: World) -> None:
    one, two = (Post.of_account(world, world.chain.accounts[place], str(place)) for place in (1, 2))
    outgoing, incoming = two.send(), one.incoming()
    world.chain.send(one.delivery(incoming))
    world.chain.send(two.acknowledgement(outgoing))
    late = one.incoming(1, expiry=1)
    world.chain.send(one.expiring(late))
    subjects = [one.channel.id, two.channel.id, outgoing.id, incoming.id, late.id]
    assert world.functions.mailboxCount().call() == len(subjects)
    assert [world.functions.mailboxAt(index).call() for index in range(6)] == [*subjects, bytes(32)]


def test_refusals_of_opening_say_what_was_expected(world: World) -> None:
    sender, other = world.chain.accounts[1:3]
    mine = channel_of(world, sender)
    strange = world.functions.openChannel(mine.encoded)
    refused = world.chain.refusal(strange, sender=other)
    assert refused == Refusal("NotChannelEnd", (other.lower(), account(sender)))
    elsewhere = [replace(end, destination=DestinationId(sha256(end.account))) for end in (mine.first, mine.second)]
    foreign = replace(mine, first=elsewhere[0], second=elsewhere[1])
    first, second = sorted((foreign.first, foreign.second), key=lambda end: end.destination)
    call = world.functions.openChannel(replace(mine, first=first, second=second).encoded)
    assert world.chain.refusal(call, sender=sender) == Refusal("WrongDestination", (first.destination,))


def test_refusals_of_sending_say_what_was_expected(post: Post) -> None:
    chain, sender = post.world.chain, post.address
    stranger, message = chain.accounts[2], post.outgoing()
    unopened = post.outgoing(channel=OTHER)
    now = chain.time + 10
    refusals = [
        chain.refusal(post.sending(post.incoming()), sender=sender),
        chain.refusal(post.sending(unopened), sender=sender),
        chain.refusal(post.sending(message), sender=stranger),
        chain.refusal(post.sending(replace(message, destination=FOREIGN)), sender=sender),
        chain.refusal(post.sending(message, b"another"), sender=sender),
        chain.refusal(post.sending(post.outgoing(body=bytes(30_721)), bytes(30_721)), sender=sender),
        chain.refusal(post.sending(post.outgoing(7)), sender=sender),
        chain.refusal(post.sending(replace(message, expiry=now)), sender=sender, at=now),
    ]
    assert refusals == [
        Refusal("WrongDestination", (ELSEWHERE,)),
        Refusal("ChannelNotOpen", (OTHER,)),
        Refusal("NotChannelEnd", (stranger.lower(), account(sender))),
        Refusal("WrongChannel", (post.channel.id,)),
        Refusal("WrongBody", (sha256(b"another"), sha256(BODY))),
        Refusal("BodyTooLong", (30_721,)),
        Refusal("WrongSequence", (7, 0)),
        Refusal("MessageExpired", (now, now)),
    ]


def test_refusals_of_delivery_say_what_was_expected(post: Post) -> None:
    chain, message = post.world.chain, post.incoming()
    mailbox = account(post.world.contract.address)
    refusals = [
        chain.refusal(post.delivery(post.outgoing())),
        chain.refusal(post.delivery(replace(message, source=FOREIGN))),
        chain.refusal(post.delivery(message, b"another")),
        chain.refusal(post.delivery(message, shown=Shown.ASSERTED)),
        chain.refusal(post.delivery(message, binding=OTHER)),
        chain.refusal(post.delivery(message, method=method_word("judge"))),
        chain.refusal(post.delivery(message, payload=OTHER)),
        chain.refusal(post.delivery(message, recipient=STRANGER)),
        chain.refusal(post.delivery(message, recipient=NOBODY)),
        chain.refusal(post.delivery(message), at=message.expiry + 1),
    ]
    payload = sha256(Delivery(Shown.PROVEN, message, BODY).encoded)
    where = post.world.contract.address.lower()
    assert refusals == [
        Refusal("WrongDestination", (ELSEWHERE,)),
        Refusal("WrongChannel", (post.channel.id,)),
        Refusal("WrongBody", (sha256(b"another"), sha256(BODY))),
        Refusal("AssertedSource"),
        Refusal("WrongBinding", (OTHER, BINDING)),
        Refusal("WrongMethod", (method_word("judge"),)),
        Refusal("WrongPayload", (payload, OTHER)),
        Refusal("WrongRecipient", (where, STRANGER)),
        Refusal("WrongRecipient", (where, NOBODY)),
        Refusal("MessageExpired", (message.expiry + 1, message.expiry)),
    ]
    assert post.world.functions.deliveryOf(message.id).call() == (0, 0)
    assert mailbox != STRANGER


def test_refusals_of_acknowledging_and_expiring_say_what_was_expected(post: Post) -> None:
    chain, message = post.world.chain, post.send()
    unknown, incoming = post.outgoing(3), post.incoming()
    assert chain.refusal(post.acknowledgement(incoming)) == Refusal("WrongDestination", (ELSEWHERE,))
    assert chain.refusal(post.acknowledgement(unknown)) == Refusal("UnknownMessage", (unknown.id,))
    asserted = post.acknowledgement(message, shown=Shown.ASSERTED)
    assert chain.refusal(asserted) == Refusal("AssertedSource")
    chain.send(post.acknowledgement(message))
    other = post.acknowledgement(message, Ending.EXPIRED)
    assert chain.refusal(other) == Refusal("MessageClosed", (message.id, 2))
    early = chain.refusal(post.expiring(incoming), at=incoming.expiry)
    assert early == Refusal("NotYetExpired", (incoming.expiry, incoming.expiry))
    late = post.incoming(1, expiry=chain.time + HOUR)
    chain.send(post.delivery(late))
    assert chain.refusal(post.expiring(late)) == Refusal("MessageDelivered", (late.id,))
    assert chain.refusal(post.expiring(message)) == Refusal("WrongDestination", (ELSEWHERE,))


def test_an_expired_message_names_the_time_of_its_tombstone(post: Post) -> None:
    chain, message = post.world.chain, post.incoming()
    delivery = post.delivery(message)
    chain.send(post.expiring(message), at=message.expiry + 1)
    found = chain.refusal(delivery, at=message.expiry + 9)
    assert found == Refusal("MessageExpired", (message.expiry + 1, message.expiry))


def test_a_record_for_the_mailbox_cannot_be_consumed_plainly(post: Post) -> None:
    payload = Delivery(Shown.PROVEN, post.incoming(), BODY).encoded
    records = [post.record(payload, DELIVER)]
    post.world.anchor(records)
    sender = post.world.chain.accounts[0]
    found = post.world.chain.refusal(post.world.consumption(records, 0))
    assert found == Refusal("WrongRecipient", (sender.lower(), account(post.world.contract.address)))


def test_tampered_inclusion_is_refused(post: Post) -> None:
    chain, payload = post.world.chain, Delivery(Shown.PROVEN, post.incoming(), BODY).encoded
    records = [post.record(payload, DELIVER), post.world.record("beside", post.address)]
    header = post.world.anchor(records)
    deliver = post.world.functions.deliver
    values = inclusion(records, 0)
    path = deliver(records[0].encoded, payload, header.batch_id, 0, [OTHER])
    assert chain.refusal(path) == Refusal("NotIncluded", (header.batch_id, 0))
    batch = deliver(records[0].encoded, payload, OTHER, 0, values["path"])
    assert chain.refusal(batch) == Refusal("NotSettled", (OTHER,))
    chain.send(deliver(records[0].encoded, payload, header.batch_id, 0, values["path"]))


@pytest.mark.parametrize(("word", "value"), [(0, 7), (4, 0), (4, 3), (8, 0), (8, 3), (4, 2**255)])
def test_words_that_are_no_channel(world: World, word: int, value: int) -> None:
    channel = channel_of(world, world.chain.accounts[0])
    encoded = bytearray(channel.encoded)
    encoded[32 * word : 32 * word + 32] = value.to_bytes(32, "big")
    expected = Refusal("Malformed", (tag("channel"),))
    assert world.chain.refusal(world.functions.openChannel(bytes(encoded))) == expected


def test_ends_in_another_order_or_the_same_are_no_channel(world: World) -> None:
    channel = channel_of(world, world.chain.accounts[0])
    expected = Refusal("Malformed", (tag("channel"),))
    turned = replace(channel, first=channel.second, second=channel.first)
    same = replace(channel, second=channel.first)
    for encoded in (turned.encoded, same.encoded, channel.encoded[:-1], channel.encoded + bytes(32), b""):
        assert world.chain.refusal(world.functions.openChannel(encoded)) == expected


@pytest.mark.parametrize(("word", "value"), [(0, 7), (6, 2**53), (7, 2**53), (7, 2**64), (7, 2**255)])
def test_words_that_are_no_message(post: Post, word: int, value: int) -> None:
    functions, message = post.world.functions, post.outgoing()
    encoded = bytearray(message.encoded)
    encoded[32 * word : 32 * word + 32] = value.to_bytes(32, "big")
    expected = Refusal("Malformed", (tag("message"),))
    letter = Delivery(Shown.PROVEN, message, BODY).encoded[:64] + bytes(encoded) + BODY
    record = post.record(letter, DELIVER).encoded
    for call in (
        functions.send(bytes(encoded), BODY),
        functions.expire(bytes(encoded)),
        functions.expire(bytes(encoded[:-1])),
        functions.deliver(record, letter, bytes(32), 0, []),
    ):
        assert post.world.chain.refusal(call, sender=post.address) == expected


@pytest.mark.parametrize(("word", "value"), [(0, 7), (1, 0), (1, 3), (1, 2**255), (2, 0), (2, 3), (3, 2**64)])
def test_words_that_are_no_letter(post: Post, word: int, value: int) -> None:
    chain, functions, message = post.world.chain, post.world.functions, post.incoming()
    delivery = Delivery(Shown.PROVEN, message, BODY).encoded
    acknowledgement = Acknowledgement(Shown.PROVEN, Ending.DELIVERED, 1, message, b"").encoded
    cases = [(functions.acknowledge, acknowledgement, "acknowledgement")]
    if word < 2:
        cases.append((functions.deliver, delivery, "delivery"))
    for function, letter, name in cases:
        encoded = bytearray(letter)
        encoded[32 * word : 32 * word + 32] = value.to_bytes(32, "big")
        record = post.record(bytes(encoded), DELIVER).encoded
        refused = chain.refusal(function(record, bytes(encoded), bytes(32), 0, []))
        assert refused == Refusal("Malformed", (tag(name),))


def test_letters_of_another_length_are_none(post: Post) -> None:
    chain, functions, message = post.world.chain, post.world.functions, post.outgoing()
    record = post.record(b"", DELIVER).encoded
    delivered = Acknowledgement(Shown.PROVEN, Ending.DELIVERED, 1, message, bytes(1_025)).encoded
    expired = Acknowledgement(Shown.PROVEN, Ending.EXPIRED, 1, message, b"x").encoded
    for letter in (delivered, expired, delivered[:415], b""):
        refused = chain.refusal(functions.acknowledge(record, letter, bytes(32), 0, []))
        assert refused == Refusal("Malformed", (tag("acknowledgement"),))
    short = Delivery(Shown.PROVEN, message, b"").encoded[:-1]
    assert chain.refusal(functions.deliver(record, short, bytes(32), 0, [])).arguments == (tag("delivery"),)
    assert chain.refusal(functions.deliver(record[:-1], delivered, bytes(32), 0, [])).arguments == (tag("record"),)


def test_a_channel_end_must_be_an_address_here(world: World) -> None:
    wide = Account(b"\1" + account(world.chain.accounts[0])[1:])
    channel = channel_of(world, world.chain.accounts[0])
    own = world.destination.id
    ends = [replace(end, account=wide) if end.destination == own else end for end in (channel.first, channel.second)]
    call = world.functions.openChannel(replace(channel, first=ends[0], second=ends[1]).encoded)
    assert world.chain.refusal(call) == Refusal("NotChannelEnd", (world.chain.accounts[0].lower(), wide))
