"""Mailbox events offline: what a log shows of a message, and every part that is changed is refused."""

from dataclasses import replace
from typing import Final

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from adapters.ethereum import told
from adapters.ethereum.destination import Ethereum
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import Account, DestinationId, sha256
from fabric.trust.destination import Destination
from fabric.trust.kind import Source, SourceEvent, Status, Told
from fabric.trust.message import Channel, Message
from fabric.trust.words import uint
from tests.support.harness import ELSEWHERE, channel_of, next_message
from tests.unit.ethereum.test_receipt import (
    DESTINATION,
    GOOD_LOG,
    NUMBER,
    SETTLEMENT,
    TIME,
    WORD,
    Log,
    material,
    receipt,
)

ACCOUNT: Final = Account(bytes(12) + WORD[:20])
CHANNEL: Final = channel_of(DESTINATION.id, ACCOUNT)
BODY: Final = b"a body"
OUTGOING: Final = next_message(CHANNEL, DESTINATION.id, 3, BODY, 99)
INCOMING: Final = replace(
    OUTGOING,
    source=OUTGOING.destination,
    destination=OUTGOING.source,
    sender=OUTGOING.recipient,
    recipient=OUTGOING.sender,
)


def log_of(topic: bytes, message: Message, content: bytes = b"") -> Log:
    """Returns the log that the contract emits."""
    parts = [message.encoded, content][: len(told.DATA[topic])]
    return SETTLEMENT, [topic, uint(7), message.id, message.channel], encode(told.DATA[topic], parts)


def opened(channel: Channel = CHANNEL, account: bytes = ACCOUNT) -> Log:
    return SETTLEMENT, [told.OPENED, uint(7), channel.id, account], encode(["bytes"], [channel.encoded])


def check(log: Log, destination: Destination = DESTINATION, status: bytes = b"\1") -> SourceEvent:
    return Ethereum().check_event(destination, material(receipt(log, status)), {})


SENT: Final = log_of(told.SENT, OUTGOING, BODY)
DELIVERED: Final = log_of(told.DELIVERED, INCOMING, b"a result")
EXPIRED: Final = log_of(told.EXPIRED, INCOMING)


@pytest.mark.parametrize(
    ("log", "name", "message", "data"),
    [
        (SENT, Told.SENT, OUTGOING, BODY),
        (DELIVERED, Told.DELIVERED, INCOMING, b"a result"),
        (EXPIRED, Told.EXPIRED, INCOMING, b""),
    ],
    ids=["sent", "delivered", "expired"],
)
def test_what_a_log_shows(log: Log, name: Told, message: Message, data: bytes) -> None:
    shown = check(log)
    assert (shown.told, shown.message, shown.data) == (name, message, data)
    assert (shown.anchorage.status, shown.anchorage.source) == (Status.INCLUDED, Source.ASSERTED)
    assert (shown.anchorage.time, shown.anchorage.position) == (TIME, NUMBER)


def changed(log: Log, place: int, topic: bytes) -> Log:
    topics = [*log[1]]
    topics[place] = topic
    return log[0], topics, log[2]


WRONG: Final = {
    "settlement": (GOOD_LOG, "another event"),
    "channel": (opened(), "of a channel"),
    "another contract": ((bytes(20), *SENT[1:]), "another contract"),
    "a topic less": ((SENT[0], SENT[1][:3], SENT[2]), "another event"),
    "a topic more": ((SENT[0], [*SENT[1], WORD], SENT[2]), "another event"),
    "another event": (changed(SENT, 0, WORD), "another event"),
    "another id": (changed(SENT, 2, WORD), "another id"),
    "another channel": (changed(SENT, 3, WORD), "another channel"),
    "sent as delivered": (changed(SENT, 0, told.DELIVERED), "another ledger"),
    "delivered as sent": (changed(DELIVERED, 0, told.SENT), "another ledger"),
    "sent elsewhere": (log_of(told.SENT, INCOMING, BODY), "another ledger"),
    "delivered elsewhere": (log_of(told.DELIVERED, OUTGOING), "another ledger"),
    "expired elsewhere": (log_of(told.EXPIRED, OUTGOING), "another ledger"),
    "another body": (log_of(told.SENT, OUTGOING, b"another body"), "another body"),
    "cut data": ((SENT[0], SENT[1], SENT[2][:-32]), "another form"),
    "no data": ((SENT[0], SENT[1], b""), "another form"),
    "no message": ((SENT[0], SENT[1], encode(["bytes", "bytes"], [OUTGOING.encoded[:-1], BODY])), "message"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_log_of_anything_else_is_refused(name: str) -> None:
    log, reason = WRONG[name]
    with pytest.raises(VerificationError, match=reason):
        check(log)


def test_a_failed_transaction_shows_nothing() -> None:
    with pytest.raises(VerificationError, match="did not succeed"):
        check(SENT, status=b"")


def test_an_event_of_a_twin_deployment_is_refused() -> None:
    with pytest.raises(VerificationError, match="another ledger"):
        check(SENT, replace(DESTINATION, salt=bytes(32)))


def test_roots_that_cannot_be_checked_are_refused() -> None:
    with pytest.raises(Malformed):
        Ethereum().check_event(DESTINATION, material(receipt(SENT)), {"signers": []})


def test_a_channel_is_read() -> None:
    log = told.read(DESTINATION.id, opened()[1], opened()[2])
    assert (log.name, log.index, log.subject, log.data) == ("opened", 7, CHANNEL, b"")


@pytest.mark.parametrize(
    ("own", "log"),
    [
        (DESTINATION.id, opened(account=WORD)),
        (DestinationId(sha256(b"no end of it")), opened()),
        (ELSEWHERE, opened()),
        (DESTINATION.id, changed(opened(), 2, WORD)),
    ],
    ids=["another account", "another ledger", "the other end", "another id"],
)
def test_a_channel_that_does_not_fit_is_refused(own: DestinationId, log: Log) -> None:
    with pytest.raises(Malformed, match="another id, or of another account"):
        told.read(own, log[1], log[2])


@given(topic=st.sampled_from([*told.NAMES]), data=st.binary(max_size=400))
def test_any_bytes_give_a_value_or_malformed(topic: bytes, data: bytes) -> None:
    with pytest.raises(Malformed):
        told.read(DESTINATION.id, [topic, uint(0), WORD, WORD], data)
