"""An account without code on an EVM chain as the end of a channel: it opens, and it sends."""

from collections.abc import Sequence
from typing import Final

from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.correspondent import EthereumCorrespondent
from fabric.trust.destination import Destination
from fabric.trust.message import Channel, Message
from tests.support.harness import channel_of, next_message


class Correspondent(EthereumCorrespondent):
    """An account of the node's, with its one channel to an account elsewhere.

    Attributes:
        channel: the channel.
    """

    def __init__(self, account: NodeAccount, destination: Destination) -> None:
        super().__init__(account, destination)
        self.channel: Channel = channel_of(destination.id, self.account)
        self._here = destination.id
        self._sent = 0

    async def write(self, body: bytes, expiry: int) -> Message:
        """Sends its next message; the node must make blocks."""
        message = next_message(self.channel, self._here, self._sent, body, expiry)
        self._sent += 1
        await self.send(message, body)
        return message


LOG_BYTES: Final = 100_000
"""Data of one log of those that a call is wrapped in."""


def wrapped(to: bytes, calls: Sequence[bytes], logs: int) -> bytes:
    """Returns creation code that calls a contract and emits logs around it: anybody may make a receipt long."""
    begin = len(_body(to, calls, logs, begin=0))
    return _body(to, calls, logs, begin) + b"".join(calls)


def _body(to: bytes, calls: Sequence[bytes], logs: int, begin: int) -> bytes:
    code, place = b"", begin
    for data in calls:
        code += _push(len(data)) + _push(place) + _push(0) + b"\x39"  # CODECOPY
        code += _push(0) + _push(0) + _push(len(data)) + _push(0) + _push(0) + b"\x73" + to + b"\x5a\xf1"  # GAS CALL
        code += _push(len(code) + 6) + b"\x57\xfe\x5b"  # JUMPI over INVALID: a call that failed fails the whole
        place += len(data)
    return code + (_push(LOG_BYTES) + _push(0) + b"\xa0") * logs + b"\x00"  # LOG0, STOP


def _push(number: int) -> bytes:
    return b"\x62" + number.to_bytes(3, "big")
