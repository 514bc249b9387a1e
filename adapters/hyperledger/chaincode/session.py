"""One peer's stream: registration, then transactions, several at once, each in a worker of its own."""

import queue
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog

from adapters.hyperledger.chaincode.calls import PeerGone, PeerLedger
from adapters.hyperledger.chaincode.contract import Answer, Contract
from adapters.hyperledger.chaincode.transaction import read_transaction
from adapters.hyperledger.names import EVENT
from adapters.hyperledger.proto import peer_pb2, shim_pb2
from fabric.core.clock import Clock
from fabric.core.errors import FabricError, LedgerError

_log = structlog.get_logger()
_Message = shim_pb2.ChaincodeMessage
_OK: Final = 200
_ERROR: Final = 500
_STARTS: Final = frozenset({_Message.TRANSACTION, _Message.INIT})
_ANSWERS: Final = frozenset({_Message.RESPONSE, _Message.ERROR})
_IGNORED: Final = frozenset({_Message.REGISTERED, _Message.READY})
WORKERS: Final = 32
"""Threads of one stream: a peer that does not answer holds up nobody but itself."""
MAX_IN_FLIGHT: Final = 256
"""Transactions of one stream at once; the next are refused, not kept."""


class ProtocolBroken(LedgerError):
    """A peer sent what the protocol does not allow; its stream ends."""


@dataclass(frozen=True)
class Means:
    """What all streams use.

    Attributes:
        contract: carries transactions out.
        clock: measures deadlines.
        package: the package id under which the chaincode registers.
        seconds: within which a transaction ends.
    """

    contract: Contract
    clock: Clock
    package: str
    seconds: float


class Session:
    """The chaincode's side of one stream."""

    def __init__(self, means: Means) -> None:
        """Registers the chaincode as the first thing that the peer gets."""
        self._means = means
        self._outgoing: queue.SimpleQueue[shim_pb2.ChaincodeMessage | None] = queue.SimpleQueue()
        self._workers = ThreadPoolExecutor(WORKERS, "transaction")
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], PeerLedger] = {}
        self._ended = False
        name = peer_pb2.ChaincodeID(name=means.package)
        self._outgoing.put(_Message(type=_Message.REGISTER, payload=name.SerializeToString()))

    def outgoing(self) -> Iterator[shim_pb2.ChaincodeMessage]:
        """Gives what the peer shall get, until the stream ends."""
        while (message := self._outgoing.get()) is not None:
            yield message

    def receive(self, incoming: Iterable[shim_pb2.ChaincodeMessage]) -> None:
        """Takes what the peer sends, until its stream ends or breaks the protocol."""
        try:
            for message in incoming:
                self._take(message)
        except ProtocolBroken as error:
            _log.warning("stream ended", reason=str(error))
        finally:
            self.end()

    def end(self) -> None:
        """Ends the stream; workers that wait for the peer learn that no answer will come."""
        with self._lock:
            self._ended = True
            calls = list(self._calls.values())
            self._workers.shutdown(wait=False, cancel_futures=True)
        for call in calls:
            call.answers.put(None)
        self._outgoing.put(None)

    def _take(self, message: shim_pb2.ChaincodeMessage) -> None:
        if message.type in _STARTS:
            self._start(message)
        elif message.type in _ANSWERS:
            self._answer(message)
        elif message.type == _Message.KEEPALIVE:
            self._outgoing.put(message)
        elif message.type not in _IGNORED:
            reason = f"message of type {message.type}"
            raise ProtocolBroken(reason)

    def _start(self, message: shim_pb2.ChaincodeMessage) -> None:
        key = (message.channel_id, message.txid)
        clock = self._means.clock
        deadline = clock.monotonic_seconds() + self._means.seconds
        call = PeerLedger(*key, self._outgoing.put, clock, deadline)
        with self._lock:
            if key in self._calls:
                reason = f"transaction {message.txid} twice at once"
                raise ProtocolBroken(reason)
            is_taken = len(self._calls) < MAX_IN_FLIGHT and not self._ended
            if is_taken:
                self._calls[key] = call
                self._workers.submit(self._work, message, call)
        if not is_taken:
            self._complete(message, _refused("too many transactions at once"))

    def _answer(self, message: shim_pb2.ChaincodeMessage) -> None:
        with self._lock:
            call = self._calls.get((message.channel_id, message.txid))
        if call is not None:  # an answer that comes after its transaction ended is of no use to anyone
            call.answers.put(message)

    def _work(self, message: shim_pb2.ChaincodeMessage, call: PeerLedger) -> None:
        try:
            outcome = self._carry_out(message, call)
        except PeerGone as error:
            # A late answer could be taken for one of another question, so that nothing more is asked on this stream.
            _log.warning("stream ended", transaction=message.txid, reason=str(error))
            self.end()
            return
        finally:
            with self._lock:
                del self._calls[message.channel_id, message.txid]
        self._complete(message, outcome)

    def _carry_out(self, message: shim_pb2.ChaincodeMessage, call: PeerLedger) -> peer_pb2.Response | Answer:
        try:
            return self._means.contract.invoke(read_transaction(message), call)
        except PeerGone:
            raise
        except FabricError as error:
            return _refused(str(error))
        except Exception:  # noqa: BLE001 - logged and answered
            # The one boundary to the peer: whatever fails in here must not leave it without an answer.
            _log.exception("transaction failed", transaction=message.txid)
            return _refused("internal error of the chaincode")

    def _complete(self, message: shim_pb2.ChaincodeMessage, outcome: peer_pb2.Response | Answer) -> None:
        done = _Message(type=_Message.COMPLETED, txid=message.txid, channel_id=message.channel_id)
        if isinstance(outcome, Answer):
            response = peer_pb2.Response(status=_OK, payload=outcome.payload)
            if outcome.event is not None:
                event = peer_pb2.ChaincodeEvent(tx_id=message.txid, event_name=EVENT, payload=outcome.event)
                done.chaincode_event.CopyFrom(event)
        else:
            response = outcome
        done.payload = response.SerializeToString()
        self._outgoing.put(done)


def _refused(reason: str) -> peer_pb2.Response:
    return peer_pb2.Response(status=_ERROR, message=reason)
