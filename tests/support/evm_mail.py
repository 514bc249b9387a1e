"""An account without code on an EVM chain as the end of a channel: it opens, and it sends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.ethereum import abi
from adapters.ethereum.accounts import NodeAccount
from fabric.core.ids import Account
from fabric.trust.destination import Destination
from fabric.trust.message import Channel, Message
from tests.support.harness import channel_of, next_message

OPEN_CHANNEL: Final = abi.Function("openChannel(bytes)")
SEND: Final = abi.Function("send(bytes,bytes)")


@dataclass
class Correspondent:
    """An account of the node's.

    Attributes:
        account: who opens and sends.
        destination: the deployment.
        sent: how many messages it sent.
    """

    account: NodeAccount
    destination: Destination
    sent: int = 0

    @property
    def word(self) -> Account:
        """The account as a word."""
        return Account(self.account.address.rjust(32, b"\0"))

    @property
    def channel(self) -> Channel:
        """Its channel to an account elsewhere."""
        return channel_of(self.destination.id, self.word)

    async def open(self, channel: Channel) -> None:
        """Opens its end; the node must make blocks."""
        await self._call(OPEN_CHANNEL.call(channel.encoded))

    async def send(self, body: bytes, expiry: int) -> Message:
        """Sends its next message."""
        message = next_message(self.channel, self.destination.id, self.sent, body, expiry)
        self.sent += 1
        await self._call(SEND.call(message.encoded, body))
        return message

    async def _call(self, data: bytes) -> None:
        await self.account.send(self.destination.settlement[-20:], data)


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
