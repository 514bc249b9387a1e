"""One transaction in flight: what its worker asks the peer, one question at a time, and when it must end."""

import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from adapters.hyperledger.proto import shim_pb2
from fabric.core.clock import Clock
from fabric.core.errors import LedgerUnavailable

MAX_VALUE_BYTES: Final = 1 << 20
"""Of one value that a peer shows; the rules' own are below 1 kB, a genesis document below 64 KiB."""
_MAX_TEXT: Final = 300
_Message = shim_pb2.ChaincodeMessage


class PeerGone(LedgerUnavailable):
    """The peer did not answer in time, or its stream ended: nothing of the transaction can count."""


@dataclass(frozen=True)
class PeerLedger:
    """The state as the peer shows it to one transaction; every key is asked for over the stream.

    Attributes:
        channel: the channel's id.
        transaction: the transaction id.
        send: hands a message to the peer's stream.
        clock: measures the deadline.
        deadline: monotonic seconds at which the peer must have answered everything.
        answers: what the peer answered, put there by who reads the stream; None when the stream ended.
    """

    channel: str
    transaction: str
    send: Callable[[shim_pb2.ChaincodeMessage], None]
    clock: Clock
    deadline: float
    answers: "queue.SimpleQueue[shim_pb2.ChaincodeMessage | None]" = field(default_factory=queue.SimpleQueue)

    def get(self, key: str) -> bytes | None:
        """Returns the value of a key, None where there is none (the protocol has no empty values).

        Raises:
            PeerGone: no answer.
            LedgerUnavailable: the peer refused to read, or showed a value beyond the bound; or no time is left to ask.
        """
        value = self._ask(_Message.GET_STATE, shim_pb2.GetState(key=key).SerializeToString())
        if len(value) > MAX_VALUE_BYTES:
            message = f"the peer shows {len(value)} bytes under {key}"
            raise LedgerUnavailable(message)
        return value or None

    def put(self, key: str, value: bytes) -> None:
        """Sets the value of a key; raises as ``get``."""
        self._ask(_Message.PUT_STATE, shim_pb2.PutState(key=key, value=value).SerializeToString())

    def _ask(self, kind: shim_pb2.ChaincodeMessage.Type, payload: bytes) -> bytes:
        if self.clock.monotonic_seconds() >= self.deadline:
            message = "the transaction's time is over"
            raise LedgerUnavailable(message)
        self.send(_Message(type=kind, payload=payload, txid=self.transaction, channel_id=self.channel))
        answer = self._next_answer()
        if answer.type == _Message.RESPONSE:
            return answer.payload
        text = "another message"
        if answer.type == _Message.ERROR:
            text = answer.payload[:_MAX_TEXT].decode(errors="replace")
        message = f"the peer answered: {text}"
        raise LedgerUnavailable(message)

    def _next_answer(self) -> shim_pb2.ChaincodeMessage:
        try:
            answer = self.answers.get(timeout=max(self.deadline - self.clock.monotonic_seconds(), 0))
        except queue.Empty:
            answer = None
        if answer is None:
            message = "the peer did not answer"
            raise PeerGone(message)
        return answer
