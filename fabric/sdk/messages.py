"""Messages: what a relay cryptlet is given, and what it answers (docs/spec/message.md).

The enclave has checked every event before the cryptlet runs; there is no proof in it to look at. A relay decides which
messages travel: it returns ``deliver(event)`` or ``acknowledge(event)``, or raises ``InvalidInput``::

    class Relay(Cryptlet):
        @method
        def deliver(self, ctx: Context, value: LedgerEvents) -> DeliveryLetter:
            return deliver(value.only("sent"))

Import this module by its own name, ``fabric.sdk.messages``; other cryptlets do not pay for its models.
"""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fabric.sdk.cryptlet import InvalidInput

Word = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""32 bytes in hexadecimal digits."""
Told = Literal["sent", "delivered", "expired"]
Shown = Literal["proven", "asserted"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class LedgerMessage(_Value):
    """A message between two ledgers.

    Attributes:
        channel: id of its channel.
        source: id of the sending ledger's deployment.
        destination: id of the receiving one.
        sender: account of the channel's end on the source.
        recipient: account of its end on the destination.
        sequence: counts the messages of this channel and direction, from 0.
        expiry: last time of the destination at which it may be delivered, Unix seconds.
        body: SHA-256 of the body.
    """

    channel: Word
    source: Word
    destination: Word
    sender: Word
    recipient: Word
    sequence: int
    expiry: int
    body: Word


class LedgerEvent(_Value):
    """What a ledger tells of a message.

    Attributes:
        destination: id of the ledger that tells.
        event: what happened.
        message: the message.
        data: base64; of ``sent`` the body, of ``delivered`` the recipient's result, otherwise nothing.
        time: the ledger's time, Unix seconds.
        position: number of the block or index of the entry.
        status: how far the block or entry got.
        source: whether that was proven, or is the word of whoever runs the fabric.
    """

    destination: Word
    event: Told
    message: LedgerMessage
    data: str
    time: int
    position: int
    status: str
    source: Shown

    @property
    def body(self) -> bytes:
        """What ``data`` stands for: of ``sent`` the message's body; raises ``InvalidInput`` for what is no base64."""
        try:
            return base64.b64decode(self.data, validate=True)
        except binascii.Error as error:
            raise InvalidInput(f"data: no base64: {error}") from error


class LedgerEvents(_Value):
    """The input of a relay's methods."""

    events: tuple[LedgerEvent, ...]

    def only(self, *told: Told) -> LedgerEvent:
        """Returns the one event, of one of these kinds; raises ``InvalidInput`` for more of them or another kind."""
        if len(self.events) != 1 or self.events[0].event not in told:
            found = ", ".join(event.event for event in self.events) or "none"
            message = f"events: expected one event, {' or '.join(told)}, got {found}"
            raise InvalidInput(message)
        return self.events[0]


class _Delivery(_Value):
    message: LedgerMessage
    body: str
    source: Shown


class _Acknowledgement(_Value):
    message: LedgerMessage
    outcome: Literal["delivered", "expired"]
    time: int
    result: str
    source: Shown


class DeliveryLetter(_Value):
    """The result of ``deliver``: the codec ``message`` makes of it what the destination's mailbox takes."""

    delivery: _Delivery


class AcknowledgementLetter(_Value):
    """The result of ``acknowledge``, for the source's mailbox."""

    acknowledgement: _Acknowledgement


def deliver(event: LedgerEvent) -> DeliveryLetter:
    """Returns the letter that brings a message to its recipient, of the event that it was sent."""
    return DeliveryLetter(delivery=_Delivery(message=event.message, body=event.data, source=event.source))


def acknowledge(event: LedgerEvent) -> AcknowledgementLetter:
    """Returns the letter that tells the sender what became of a message; raises ``InvalidInput`` for no ending."""
    if event.event == "sent":
        raise InvalidInput("events: a message that was sent has no ending yet")
    letter = _Acknowledgement(
        message=event.message, outcome=event.event, time=event.time, result=event.data, source=event.source
    )
    return AcknowledgementLetter(acknowledgement=letter)
