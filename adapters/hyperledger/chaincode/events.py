"""What a transaction tells in its chaincode event (docs/spec/hyperledger.md, events)."""

import base64
from collections.abc import Iterable

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.ledger.rules.entries import RequestEntry
from fabric.ledger.rules.events import ChannelOpened, Delivered, Event, Expired, Requested, Sent


def write_events(events: Iterable[Event], time: int) -> bytes | None:
    """Returns the payload of a transaction's event, None where there is nothing to tell.

    Args:
        events: what the transaction made true, in order.
        time: the transaction's time, Unix seconds.
    """
    told = [value for value in (_object(event, time) for event in events) if value is not None]
    return canonical.encode([*told]) if told else None


def _object(event: Event, time: int) -> JsonObject | None:
    match event:
        case Requested():
            return {"event": "requested", "entry": _entry(event, time).encoded.hex()}
        case ChannelOpened():
            return {"event": "opened", "channel": event.channel.encoded.hex()}
        case Sent():
            return {"event": "sent", "message": event.message.encoded.hex(), "body": _base64(event.body)}
        case Delivered():
            return {"event": "delivered", "message": event.message.encoded.hex(), "result": _base64(event.result)}
        case Expired():
            return {"event": "expired", "message": event.message.encoded.hex()}
        case _:
            return None  # no other ledger and no trigger waits for it


def _entry(event: Requested, time: int) -> RequestEntry:
    return RequestEntry(
        invocation=event.invocation,
        requester=event.requester,
        nonce=event.nonce,
        method=event.method,
        input=event.input,
        binding=event.binding,
        state_version=event.state_version,
        time=time,
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
