"""The relay says of a message what its ledger told, and nothing else."""

import base64

import pytest

from cryptlets.utility.relay.carrier import Relay
from fabric.core.canonical import JsonObject
from fabric.core.errors import Malformed
from fabric.sdk.testing import run
from fabric.trust.letter import Acknowledgement, Delivery, message_object, write_letter
from fabric.trust.message import Ending, Shown
from tests.support.trust_samples import AS_OF, sample_message

MESSAGE = sample_message(b"a body")


def event(told: str, data: bytes = b"", **changes: object) -> JsonObject:
    facts: JsonObject = {
        "destination": MESSAGE.source.hex(),
        "event": told,
        "message": message_object(MESSAGE),
        "data": base64.b64encode(data).decode(),
        "time": AS_OF,
        "position": 7,
        "status": "final",
        "source": "proven",
    }
    return {"events": [facts | changes]}  # type: ignore[list-item]


def test_a_sent_message_is_delivered_with_its_body() -> None:
    output = run(Relay, "deliver", event("sent", b"a body", source="asserted"))
    assert write_letter(output) == Delivery(Shown.ASSERTED, MESSAGE, b"a body").encoded


@pytest.mark.parametrize(("told", "result"), [("delivered", b"thanks"), ("expired", b"")])
def test_an_ending_is_acknowledged_with_its_time(told: str, result: bytes) -> None:
    output = run(Relay, "acknowledge", event(told, result))
    expected = Acknowledgement(Shown.PROVEN, Ending[told.upper()], AS_OF, MESSAGE, result)
    assert write_letter(output) == expected.encoded


@pytest.mark.parametrize(
    ("method", "told"), [("deliver", "delivered"), ("deliver", "expired"), ("acknowledge", "sent")]
)
def test_an_event_of_another_kind_is_refused(method: str, told: str) -> None:
    with pytest.raises(Malformed, match=r"expected one event, .* got"):
        run(Relay, method, event(told))


def test_more_than_one_event_is_refused() -> None:
    events = [*event("sent")["events"], *event("sent")["events"]]  # type: ignore[misc]
    with pytest.raises(Malformed, match="got sent, sent"):
        run(Relay, "deliver", {"events": events})
