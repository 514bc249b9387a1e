"""The scenarios of the mailbox in tests/vectors/rules.json; the rules' own are in ``rules_scenarios``.

A scenario names ``channels`` (own ``account``, ``accepts``), ``messages`` (``channel``, ``out`` when it leaves from
here, ``sequence``, ``expiry``, ``size`` of the body) and batches of records with a ``message``: a delivery, or an
acknowledgement where there is an ``ending``. ``event`` is the index that the mailbox must give.
"""

from typing import Final

from tests.vectors.rules_scenarios import Scenario, register, revoke_code, scenario, settle


def open_channel(at: int, channel: str, event: int, expect: str = "ok", **changes: object) -> Scenario:
    step: Scenario = {
        "op": "open_channel",
        "at": at,
        "sender": "alice",
        "channel": channel,
        "event": event,
        "expect": expect,
    }
    return step | changes


def send(at: int, message: str, event: int, expect: str = "ok", **changes: object) -> Scenario:
    step: Scenario = {"op": "send", "at": at, "sender": "alice", "message": message, "event": event, "expect": expect}
    return step | changes


def deliver(at: int, batch: str, index: int, event: int, expect: str = "ok", **changes: object) -> Scenario:
    step: Scenario = {"op": "deliver", "at": at, "batch": batch, "index": index, "event": event, "expect": expect}
    return step | changes


def acknowledge(at: int, batch: str, index: int, expect: str = "ok", **changes: object) -> Scenario:
    step: Scenario = {"op": "acknowledge", "at": at, "batch": batch, "index": index, "expect": expect}
    return step | changes


def expire(at: int, message: str, event: int, expect: str = "ok") -> Scenario:
    return {"op": "expire", "at": at, "message": message, "event": event, "expect": expect}


def letters(**records: Scenario) -> Scenario:
    return {"epoch": 1, "records": [{"name": name} | record for name, record in records.items()]}


ONE: Final = {"main": {"account": "alice"}}
NONE: Final = 0
"""In place of an event's index where none is given out."""

MAILBOX: Final = [
    scenario(
        "mailbox: channels",
        [
            open_channel(0, "main", 0),
            open_channel(1, "main", NONE, "no-op"),
            open_channel(2, "other", NONE, "NotChannelEnd"),
            open_channel(3, "other", 1, sender="bob"),
            open_channel(4, "foreign", NONE, "WrongDestination"),
            open_channel(5, "asserted", 2),
        ],
        channels={
            "main": {"account": "alice"},
            "other": {"account": "bob"},
            "foreign": {"account": "alice", "own": "nowhere"},
            "asserted": {"account": "alice", "accepts": "ASSERTED"},
        },
    ),
    scenario(
        "mailbox: sending",
        [
            send(0, "first", NONE, "ChannelNotOpen"),
            open_channel(1, "main", 0),
            send(2, "incoming", NONE, "WrongDestination"),
            send(2, "first", NONE, "NotChannelEnd", sender="bob"),
            send(2, "foreign-account", NONE, "WrongChannel"),
            send(2, "foreign-place", NONE, "WrongChannel"),
            send(2, "foreign-sender", NONE, "WrongChannel"),
            send(2, "first", NONE, "WrongBody", spoil="body"),
            send(2, "too-long", NONE, "BodyTooLong"),
            send(2, "second", NONE, "WrongSequence"),
            send(1_000, "first", NONE, "MessageExpired"),
            send(1_000, "long-lived", 1),
            send(1_001, "long-lived", NONE, "no-op"),
            send(1_001, "first", NONE, "WrongSequence"),
            send(1_002, "second", 2),
            send(1_003, "second", NONE, "no-op"),
            send(9_000, "second", NONE, "no-op"),
            send(9_000, "largest", 3),
            send(9_000, "empty", 4),
        ],
        channels=ONE,
        messages={
            "incoming": {"channel": "main"},
            "first": {"channel": "main", "out": True},
            "long-lived": {"channel": "main", "out": True, "expiry": 1_001},
            "second": {"channel": "main", "out": True, "sequence": 1, "expiry": 2_000},
            "largest": {"channel": "main", "out": True, "sequence": 2, "expiry": 9_001, "size": 30_720},
            "empty": {"channel": "main", "out": True, "sequence": 3, "expiry": 9_001, "size": 0},
            "foreign-account": {"channel": "main", "out": True, "other": "dave"},
            "foreign-place": {"channel": "main", "out": True, "place": "nowhere"},
            "foreign-sender": {"channel": "main", "out": True, "account": "bob"},
            "too-long": {"channel": "main", "out": True, "size": 30_721},
        },
    ),
    scenario(
        "mailbox: delivery",
        [
            register(0),
            deliver(1, "in", 0, NONE, "ChannelNotOpen"),
            open_channel(2, "main", 0),
            deliver(3, "in", 0, NONE, "NotSettled"),
            settle(4, "in"),
            deliver(5, "in", 0, NONE, "WrongBody", spoil="body"),
            deliver(5, "in", 0, NONE, "NotIncluded", spoil="path"),
            deliver(5, "in", 0, NONE, "NotIncluded", as_index=1),
            deliver(5, "in", 0, 1),
            deliver(6, "in", 0, NONE, "no-op"),
            deliver(6, "in", 0, NONE, "no-op", spoil="path"),
            deliver(6, "in", 1, NONE, "no-op"),
            deliver(7, "in", 2, 2),
            settle(8, "largest"),
            deliver(1_000, "in", 3, 3),
            deliver(1_001, "in", 4, NONE, "MessageExpired"),
            deliver(1_001, "in", 0, NONE, "no-op"),
            deliver(1_002, "largest", 0, 4),
        ],
        {
            "in": letters(
                a={"message": "first"},
                b={"message": "first", "shown": "PROVEN", "invocation": "again"},
                c={"message": "second"},
                d={"message": "third"},
                e={"message": "fourth"},
            ),
            "largest": letters(f={"message": "largest"}),
        },
        channels=ONE,
        messages={
            "first": {"channel": "main"},
            "second": {"channel": "main", "sequence": 7, "size": 0},
            "third": {"channel": "main", "sequence": 1},
            "fourth": {"channel": "main", "sequence": 2},
            "largest": {"channel": "main", "sequence": 3, "size": 30_720, "expiry": 5_000},
        },
    ),
    scenario(
        "mailbox: deliveries that are refused",
        [
            register(0),
            open_channel(1, "main", 0),
            open_channel(1, "tolerant", 1),
            settle(2, "bad"),
            deliver(3, "bad", 0, NONE, "WrongChannel"),
            deliver(3, "bad", 1, NONE, "AssertedSource"),
            deliver(3, "bad", 1, NONE, "WrongPayload", spoil="shown"),
            deliver(3, "bad", 2, 2),
            deliver(3, "bad", 3, NONE, "WrongBinding"),
            deliver(3, "bad", 4, NONE, "WrongMethod"),
            deliver(3, "bad", 5, NONE, "WrongRecipient"),
            deliver(3, "bad", 6, NONE, "WrongRecipient"),
            deliver(3, "bad", 7, NONE, "WrongIntent"),
            deliver(3, "bad", 8, NONE, "WrongDestination"),
            deliver(3, "bad", 9, NONE, "BodyTooLong"),
            deliver(3, "bad", 10, NONE, "WrongChannel"),
            deliver(51, "bad", 11, NONE, "RecordExpired"),
        ],
        {
            "bad": letters(
                a={"message": "foreign-sender"},
                b={"message": "good", "shown": "ASSERTED"},
                c={"message": "tolerated", "shown": "ASSERTED"},
                d={"message": "good", "binding": "other binding"},
                e={"message": "good", "method": "judge"},
                f={"message": "good", "recipient": "alice"},
                g={"message": "good", "recipient": "nobody"},
                h={"message": "good", "intent": "wrong"},
                i={"message": "outgoing"},
                j={"message": "too-long"},
                k={"message": "foreign-place"},
                l={"message": "good", "not_after": 50},
            ),
        },
        channels=ONE | {"tolerant": {"account": "alice", "accepts": "ASSERTED"}},
        messages={
            "good": {"channel": "main"},
            "tolerated": {"channel": "tolerant"},
            "foreign-sender": {"channel": "main", "other": "dave"},
            "foreign-place": {"channel": "main", "place": "nowhere"},
            "outgoing": {"channel": "main", "out": True},
            "too-long": {"channel": "main", "size": 30_721},
        },
    ),
    scenario(
        "mailbox: delivered xor expired",
        [
            register(0),
            open_channel(0, "main", 0),
            settle(1, "in"),
            expire(1_000, "delivered", NONE, "NotYetExpired"),
            deliver(1_000, "in", 0, 1),
            expire(1_001, "delivered", NONE, "MessageDelivered"),
            expire(1_001, "late", 2),
            expire(1_002, "late", NONE, "no-op"),
            deliver(1_002, "in", 1, NONE, "MessageExpired"),
            expire(1_003, "never-opened", 3),
            expire(1_003, "outgoing", NONE, "WrongDestination"),
        ],
        {"in": letters(a={"message": "delivered"}, b={"message": "late"})},
        channels=ONE | {"unopened": {"account": "bob"}},
        messages={
            "delivered": {"channel": "main"},
            "late": {"channel": "main", "sequence": 1},
            "never-opened": {"channel": "unopened"},
            "outgoing": {"channel": "main", "out": True},
        },
    ),
    scenario(
        "mailbox: acknowledgement",
        [
            register(0),
            open_channel(0, "main", 0),
            settle(1, "acks"),
            acknowledge(2, "acks", 0, "UnknownMessage"),
            send(3, "first", 1),
            send(3, "second", 2),
            send(3, "third", 3),
            acknowledge(4, "acks", 7, "AssertedSource"),
            acknowledge(4, "acks", 4, "WrongBinding"),
            acknowledge(4, "acks", 5, "WrongMethod"),
            acknowledge(4, "acks", 6, "WrongDestination"),
            acknowledge(4, "acks", 0, "NotIncluded", spoil="path-too-long"),
            acknowledge(5, "acks", 0),
            acknowledge(6, "acks", 0, "no-op"),
            acknowledge(6, "acks", 2, "MessageClosed"),
            acknowledge(7, "acks", 1),
            acknowledge(8, "acks", 1, "no-op"),
            acknowledge(8, "acks", 3, "MessageClosed"),
            acknowledge(9_000, "acks", 8),
        ],
        {
            "acks": letters(
                a={"message": "first", "ending": "DELIVERED"},
                b={"message": "second", "ending": "EXPIRED"},
                c={"message": "first", "ending": "EXPIRED"},
                d={"message": "second", "ending": "DELIVERED"},
                e={"message": "third", "ending": "DELIVERED", "binding": "other binding"},
                f={"message": "third", "ending": "DELIVERED", "method": "deliver"},
                g={"message": "incoming", "ending": "DELIVERED"},
                h={"message": "third", "ending": "DELIVERED", "shown": "ASSERTED"},
                i={"message": "third", "ending": "DELIVERED"},
            ),
        },
        channels=ONE,
        messages={
            "first": {"channel": "main", "out": True},
            "second": {"channel": "main", "out": True, "sequence": 1},
            "third": {"channel": "main", "out": True, "sequence": 2},
            "incoming": {"channel": "main"},
        },
    ),
    scenario(
        "mailbox: letters of revoked code",
        [
            register(0),
            open_channel(0, "main", 0),
            send(1, "first", 1),
            send(1, "second", 2),
            settle(9, "before"),
            settle(10, "after"),
            revoke_code(11, 10),
            deliver(12, "before", 0, 3),
            acknowledge(12, "before", 1),
            deliver(12, "after", 0, NONE, "CodeRevoked"),
            acknowledge(12, "after", 1, "CodeRevoked"),
            deliver(13, "after", 2, NONE, "no-op"),
            acknowledge(13, "after", 3, "no-op"),
            deliver(14, "after", 4, 4),
            acknowledge(14, "after", 5),
            expire(1_001, "never-delivered", 5),
        ],
        {
            "before": letters(a={"message": "in-first"}, b={"message": "first", "ending": "DELIVERED"}),
            "after": letters(
                c={"message": "in-second"},
                d={"message": "second", "ending": "EXPIRED"},
                e={"message": "in-first", "invocation": "again"},
                f={"message": "first", "ending": "DELIVERED", "invocation": "once more"},
                g={"message": "in-second", "code": "other"},
                h={"message": "second", "ending": "EXPIRED", "code": "other"},
            ),
        },
        channels=ONE,
        messages={
            "first": {"channel": "main", "out": True},
            "second": {"channel": "main", "out": True, "sequence": 1},
            "in-first": {"channel": "main"},
            "in-second": {"channel": "main", "sequence": 1},
            "never-delivered": {"channel": "main", "sequence": 2},
        },
    ),
]
