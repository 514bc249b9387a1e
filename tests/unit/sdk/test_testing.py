"""What a relay's author tests with: events as an enclave hands them over."""

import pytest

from fabric.core.errors import Malformed
from fabric.core.ids import sha256
from fabric.sdk import Context, Cryptlet, InvalidInput, method
from fabric.sdk.messages import DeliveryLetter, LedgerEvents, deliver
from fabric.sdk.testing import run, told


class Curious(Cryptlet):
    """Carries what begins with a word."""

    @method
    def deliver(self, ctx: Context, value: LedgerEvents) -> DeliveryLetter:  # noqa: ARG002 - no time in it
        event = value.only("sent")
        if not event.body.startswith(b"please"):
            raise InvalidInput("body: say please")
        return deliver(event)


def test_an_event_is_told_by_the_ledger_that_has_it() -> None:
    (sent,), (ending,) = told("sent", b"please").events, told("delivered", b"thanks").events
    assert (sent.destination, ending.destination) == (sent.message.source, ending.message.destination)
    assert (sent.body, sent.message.body) == (b"please", sha256(b"please").hex())
    assert ending.body == b"thanks"
    assert told("sent", name="other").events[0].message.channel != sent.message.channel


def test_a_relay_decides_by_the_body() -> None:
    assert (
        run(Curious, Curious.deliver, told("sent", b"please")).delivery.message
        == told("sent", b"please").events[0].message
    )
    with pytest.raises(Malformed, match="say please"):
        run(Curious, Curious.deliver, told("sent", b"now"))


def test_a_body_that_is_no_base64_is_the_callers() -> None:
    (event,) = told("sent").events
    with pytest.raises(InvalidInput, match="data: no base64"):
        _ = event.model_copy(update={"data": "*"}).body
