"""The chaincode's side of a stream, against a peer's side in the same process."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from typing_extensions import override

from adapters.hyperledger.chaincode import session as sessions
from adapters.hyperledger.chaincode.contract import Contract
from adapters.hyperledger.chaincode.session import Means, Session
from adapters.hyperledger.names import EVENT
from adapters.hyperledger.proto import peer_pb2
from fabric.core.clock import FrozenClock, SystemClock
from fabric.ledger.rules.calls import encode_call
from fabric.ledger.rules.operations import Request
from tests.support.channel import CHANNEL, CONFLICT, VALID, Channel, genesis
from tests.support.msp import START, Authority
from tests.support.peer import Message, Peer
from tests.support.proposals import propose
from tests.support.trust_samples import word

DOCUMENT = genesis()
ORG = Authority("Org1MSP")
CLIENTS = [ORG.member(f"client {number}", "client") for number in range(8)]
CALL = encode_call(Request(word("method"), word("input"), word("binding"), 0))  # type: ignore[arg-type]
PACKAGE = "cryptlet:00"


class TransactionClock(FrozenClock):
    """Frozen for transactions, while deadlines run."""

    @override
    def monotonic_seconds(self) -> float:
        return SystemClock().monotonic_seconds()


@contextmanager
def joined(seconds: float = 30) -> Iterator[Peer]:
    """A chaincode and a peer, joined by two queues."""
    channel = Channel(TransactionClock(START))
    to_chaincode: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    session = Session(Means(Contract(channel.clock), channel.clock, PACKAGE, seconds))
    reader = threading.Thread(target=session.receive, args=(iter(to_chaincode.get, None),))
    reader.start()
    try:
        yield Peer(channel, to_chaincode.put, session.outgoing())
    finally:
        to_chaincode.put(None)
        reader.join()
        session._workers.shutdown()


@pytest.fixture
def peer() -> Iterator[Peer]:
    with joined() as peer:
        assert peer.register() == PACKAGE
        founding, response = peer.run(CLIENTS[0], b"found", DOCUMENT.encoded)
        assert (response.status, response.payload) == (200, DOCUMENT.destination.id)
        assert peer.channel.commit(founding) == [VALID]
        yield peer


def test_a_transaction_reads_and_writes_over_the_stream_and_tells_its_event(peer: Peer) -> None:
    simulation, response = peer.run(CLIENTS[0], b"apply", CALL, CALL)
    assert (response.status, response.payload) == (200, b"[null,null]")
    assert set(simulation.writes) <= set(simulation.reads)
    assert peer.channel.commit(simulation) == [VALID]
    assert [each["event"] for each in peer.channel.requests] == ["requested", "requested"]


def test_the_event_bears_its_name(peer: Peer) -> None:
    peer.start(CLIENTS[0], (b"apply", CALL))
    for message in peer.incoming:
        if message.type == Message.COMPLETED:
            break
        peer.send(peer.answer(message))
    assert message.chaincode_event.event_name == EVENT


def test_a_refusal_is_an_answer_of_status_500(peer: Peer) -> None:
    _, response = peer.run(CLIENTS[0], b"found", genesis("other").encoded)
    assert (response.status, response.message) == (500, "another genesis document is there")
    _, response = peer.run(CLIENTS[0], b"unknown", nonce=b"2")
    assert (response.status, response.payload) == (500, b"")


def test_what_fails_inside_is_answered_and_the_stream_goes_on(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sessions, "read_transaction", lambda _: 1 // 0)
        _, response = peer.run(CLIENTS[0], b"read", b"genesis")
    assert (response.status, response.message) == (500, "internal error of the chaincode")
    assert peer.run(CLIENTS[0], b"read", b"genesis", nonce=b"2")[1].status == 200


def test_transactions_at_once_share_nothing(peer: Peer) -> None:
    for number, client in enumerate(CLIENTS):
        peer.start(client, (b"apply", *[CALL] * (number + 1)))
    done = peer.finish(len(CLIENTS))
    assert sorted(len(simulation.outcomes) for simulation, _ in done) == list(range(1, len(CLIENTS) + 1))
    assert peer.channel.commit(*(simulation for simulation, _ in done)) == [VALID] * len(CLIENTS)
    assert len(peer.channel.requests) == sum(range(1, len(CLIENTS) + 1))


def test_two_transactions_of_one_account_at_once_conflict(peer: Peer) -> None:
    for nonce in (b"1", b"2"):
        peer.start(CLIENTS[0], (b"apply", CALL), nonce)
    assert peer.channel.commit(*(simulation for simulation, _ in peer.finish(2))) == [VALID, CONFLICT]


def test_answers_may_come_in_any_order(peer: Peer) -> None:
    for client in CLIENTS[:3]:
        peer.start(client, (b"read", b"genesis"))
    asked = [next(peer.incoming) for _ in range(3)]
    for message in reversed(asked):
        peer.send(peer.answer(message))
    assert [response.status for _, response in peer.finish(3)] == [200] * 3


def test_a_peer_that_refuses_to_read_is_told_so(peer: Peer) -> None:
    peer.start(CLIENTS[0], (b"read", b"genesis"))
    asked = next(peer.incoming)
    peer.send(Message(type="ERROR", payload=b"no ledger context", txid=asked.txid, channel_id=CHANNEL))
    ((_, response),) = peer.finish()
    assert (response.status, response.message) == (500, "the peer answered: no ledger context")


def test_a_value_beyond_the_bound_is_refused(peer: Peer) -> None:
    peer.start(CLIENTS[0], (b"read", b"genesis"))
    asked = next(peer.incoming)
    peer.send(Message(type="RESPONSE", payload=bytes(1 << 21), txid=asked.txid, channel_id=CHANNEL))
    ((_, response),) = peer.finish()
    assert response.status == 500
    assert "2097152 bytes" in response.message


def test_a_keepalive_is_answered(peer: Peer) -> None:
    peer.send(Message(type="KEEPALIVE"))
    assert next(peer.incoming).type == Message.KEEPALIVE


def test_an_answer_that_nobody_waits_for_is_passed_over(peer: Peer) -> None:
    peer.send(Message(type="RESPONSE", txid="00", channel_id=CHANNEL, payload=b"late"))
    assert peer.run(CLIENTS[0], b"read", b"genesis")[1].status == 200


def test_a_peer_that_does_not_answer_in_time_loses_the_stream() -> None:
    with joined(seconds=0.05) as peer:
        peer.register()
        peer.start(CLIENTS[0], (b"found", DOCUMENT.encoded))
        assert [message.type for message in peer.incoming] == [Message.GET_STATE]


def test_a_transaction_that_begins_too_late_asks_nothing_and_the_stream_goes_on() -> None:
    with joined(seconds=0) as peer:
        peer.register()
        _, response = peer.run(CLIENTS[0], b"found", DOCUMENT.encoded)
        assert (response.status, response.message) == (500, "the transaction's time is over")
        peer.send(Message(type="KEEPALIVE"))
        assert next(peer.incoming).type == Message.KEEPALIVE


def test_a_worker_that_waits_learns_that_the_stream_ended() -> None:
    with joined() as peer:
        peer.register()
        peer.start(CLIENTS[0], (b"found", DOCUMENT.encoded))
        assert next(peer.incoming).type == Message.GET_STATE
    # Leaving the block joins the workers: none of them waits out the deadline of 30 seconds.


@pytest.mark.parametrize("kind", ["REGISTER", "COMPLETED", "GET_STATE", "UNDEFINED"])
def test_a_message_that_no_peer_sends_ends_the_stream(kind: str) -> None:
    with joined() as peer:
        peer.register()
        peer.send(Message(type=kind))
        assert list(peer.incoming) == []


def test_the_same_transaction_twice_at_once_ends_the_stream() -> None:
    with joined() as peer:
        peer.register()
        for _ in range(2):
            peer.start(CLIENTS[0], (b"found", DOCUMENT.encoded))
        assert Message.COMPLETED not in [message.type for message in peer.incoming]


def test_beyond_the_bound_transactions_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_IN_FLIGHT", 2)
    arguments = (b"found", DOCUMENT.encoded)
    with joined() as peer:
        peer.register()
        for number in range(3):
            peer.start(CLIENTS[number], arguments)
        kinds = {}
        for _ in range(3):
            message = next(peer.incoming)
            kinds[message.txid] = message
        last = propose(CLIENTS[2], arguments, START).transaction
        response = peer_pb2.Response.FromString(kinds[last].payload)
        assert (response.status, response.message) == (500, "too many transactions at once")
