"""Mailbox events by read-backs: sent, delivered and expired messages; and the payload codecs."""

import pytest

from adapters.hyperledger.destination import Hyperledger
from fabric.core.canonical import JsonObject
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import Account, BindingVersion, ChannelId, sha256
from fabric.ledger.rules.mailbox_entries import DeliveryEntry, MessageEntry, MessageState, delivery_entry, message_entry
from fabric.trust.kind import Anchorage, Source, SourceEvent, Status, Told
from fabric.trust.message import MAX_BODY_BYTES, Channel, End, Ending, Message, Shown
from tests.support.readbacks import ANCHORED, BLOCK, DESTINATION, TRANSACTION, TRUST, ended, event, sent, text
from tests.support.trust_samples import word

BODY = b"body"
OTHER = word("other ledger")
ENDS = [
    End(place, Account(word(name)), BindingVersion(word(f"binding {name}")), Shown.PROVEN)  # type: ignore[arg-type]
    for place, name in ((DESTINATION.id, "here"), (OTHER, "there"))
]
CHANNEL = Channel.between(ENDS[0], ENDS[1], word("salt"))


def message(*, out: bool, body: bytes = BODY) -> Message:
    here, there = ENDS
    source, destination = (here, there) if out else (there, here)
    return Message(
        channel=ChannelId(CHANNEL.id),
        source=source.destination,
        destination=destination.destination,
        sender=source.account,
        recipient=destination.account,
        sequence=0,
        expiry=ANCHORED + 100,
        body=sha256(body),
    )


OUT, IN = message(out=True), message(out=False)
ENDINGS = {"delivered": Ending.DELIVERED, "expired": Ending.EXPIRED}


def check(material: JsonObject, trust: JsonObject = TRUST) -> SourceEvent:
    return Hyperledger().check_event(DESTINATION, material, trust)


ANCHORAGE = Anchorage(Status.FINAL, Source.PROVEN, ANCHORED, BLOCK, f"block {BLOCK} transaction {TRANSACTION}")


@pytest.mark.parametrize("state", list(MessageState))
def test_a_message_was_sent_whatever_became_of_it(state: MessageState) -> None:
    assert check(sent(OUT, BODY, state)) == SourceEvent(Told.SENT, OUT, BODY, ANCHORAGE)


@pytest.mark.parametrize("told", list(ENDINGS))
def test_a_message_ended(told: str) -> None:
    assert check(ended(IN, told, ENDINGS[told])) == SourceEvent(Told(told), IN, b"", ANCHORAGE)


def test_without_trust_it_is_asserted() -> None:
    shown = check(sent(OUT, BODY), {}).anchorage
    assert (shown.status, shown.source) == (Status.INCLUDED, Source.ASSERTED)


def stored(told: str, subject: Message, data: bytes, key: bytes, value: bytes) -> JsonObject:
    return event(told, subject, data, {key.decode(): (value, (BLOCK, TRANSACTION))})


SENT_ENTRY = MessageEntry(MessageState.SENT, ChannelId(CHANNEL.id), ANCHORED, 0).encoded
LONG = bytes(MAX_BODY_BYTES + 1)


@pytest.mark.parametrize(
    ("material", "reason"),
    [
        pytest.param(sent(OUT, b"other"), "another body", id="body"),
        pytest.param(sent(IN, BODY), "another source", id="source"),
        pytest.param(sent(message(out=True, body=LONG), LONG), "another body", id="body too long"),
        pytest.param(
            stored("sent", OUT, BODY, message_entry(OUT.id), SENT_ENTRY.replace(CHANNEL.id, word("other"))),
            "another channel",
            id="channel",
        ),
        pytest.param(stored("sent", OUT, BODY, message_entry(OUT.id), b"value"), "message entry", id="value"),
        pytest.param(stored("sent", OUT, BODY, message_entry(IN.id), SENT_ENTRY), "holds nothing", id="key"),
        pytest.param(ended(OUT, "delivered", Ending.DELIVERED), "another destination", id="destination"),
        pytest.param(ended(IN, "delivered", Ending.EXPIRED), "was expired", id="expired"),
        pytest.param(ended(IN, "expired", Ending.DELIVERED), "was delivered", id="delivered"),
        pytest.param(ended(IN, "expired", Ending.EXPIRED) | {"data": text(b"x")}, "where there is none", id="data"),
        pytest.param(stored("expired", IN, b"", delivery_entry(IN.id), b"value"), "delivery entry", id="no entry"),
        pytest.param(event("delivered", IN, b"", {delivery_entry(IN.id).decode(): None}), "holds nothing", id="no end"),
        pytest.param(ended(IN, "delivered", Ending.DELIVERED) | {"told": "sent"}, "another source", id="told"),
    ],
)
def test_what_the_state_does_not_hold_is_refused(material: JsonObject, reason: str) -> None:
    with pytest.raises(VerificationError, match=reason) as caught:
        check(material)
    assert caught.value.step == "settlement"


@pytest.mark.parametrize(
    "change",
    [{"told": "opened"}, {"told": 1}, {"message": "00"}, {"message": None}, {"data": "!"}, {"read": {}}, {"more": 1}],
    ids=str,
)
def test_what_is_no_material_is_malformed(change: JsonObject) -> None:
    with pytest.raises(Malformed):
        check(sent(OUT, BODY) | change)


def test_delivery_entries_say_their_time() -> None:
    entry = DeliveryEntry(Ending.DELIVERED, 7)
    material = stored("delivered", IN, b"", delivery_entry(IN.id), entry.encoded)
    assert check(material).anchorage.time == 7


def test_the_codecs_are_those_of_the_native_ledger() -> None:
    kind = Hyperledger()
    assert kind.encode_payload({"kind": "json"}, {"b": 1, "a": 2}) == b'{"a":2,"b":1}'
    accepted: list[JsonObject] = [{"kind": "json"}, {"kind": "message"}]
    for codec in accepted:
        kind.check_codec(codec)
    refused: list[JsonObject] = [{}, {"kind": "abi"}, {"kind": "json", "more": 1}]
    for codec in refused:
        with pytest.raises(Malformed):
            kind.check_codec(codec)
