"""What the chaincode tells of a transaction, read (docs/spec/hyperledger.md, events)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.hyperledger.names import MAILBOX, REQUEST, series_entry
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.ledger.port import EventKind
from fabric.ledger.rules.entries import RequestEntry
from fabric.trust.fields import read_base64, read_hex, read_object
from fabric.trust.message import Channel, Message

_FIELD: Final = "event"
_MAX_BYTES: Final = 8 << 20


@dataclass(frozen=True)
class Asked:
    """An invocation was asked for."""

    key: str
    entry: RequestEntry


@dataclass(frozen=True)
class Told:
    """A mailbox changed.

    Attributes:
        key: the state key of the event.
        kind: what happened.
        subject: the channel or message.
        data: of ``sent`` the body, of ``delivered`` the result.
    """

    key: str
    kind: EventKind
    subject: Channel | Message
    data: bytes = b""


Happening = Asked | Told


def read_events(payload: bytes, transaction: str) -> list[Happening]:
    """Returns what a transaction's event tells, in its order; raises ``Malformed``."""
    value = canonical.decode(payload, max_bytes=_MAX_BYTES)
    if not isinstance(value, list) or not value:
        raise Malformed(_FIELD, "expected a list of what happened")
    found: list[Happening] = []
    counts = {REQUEST: 0, MAILBOX: 0}
    for each in value:
        name = each.get("event") if isinstance(each, dict) else None
        if not isinstance(each, dict) or not isinstance(name, str) or name not in _READERS:
            raise Malformed(_FIELD, f"expected event to be one of {', '.join(sorted(_READERS))}")
        names, read = _READERS[name]
        series = REQUEST if name == _REQUESTED else MAILBOX
        fields = read_object(each, names | {"event"}, _FIELD)
        found.append(read(series_entry(series, transaction, counts[series]), fields))
        counts[series] += 1
    return found


def write_told(told: Sequence[tuple[EventKind, Message]]) -> bytes:
    """Returns the payload that tells of deliveries and tombstones; accounts here run no code that could answer."""
    values: list[JsonValue] = []
    for kind, message in told:
        fields: JsonObject = {"event": kind.value, "message": message.encoded.hex()}
        values.append(fields | {"result": ""} if kind is EventKind.DELIVERED else fields)
    return canonical.encode(values)


def _requested(key: str, fields: JsonObject) -> Happening:
    return Asked(key, RequestEntry.decode(read_hex(fields["entry"], f"{_FIELD}.entry")))


def _opened(key: str, fields: JsonObject) -> Happening:
    return Told(key, EventKind.OPENED, Channel.decode(read_hex(fields["channel"], f"{_FIELD}.channel")))


def _sent(key: str, fields: JsonObject) -> Happening:
    return Told(key, EventKind.SENT, _message(fields), read_base64(fields["body"], f"{_FIELD}.body"))


def _delivered(key: str, fields: JsonObject) -> Happening:
    return Told(key, EventKind.DELIVERED, _message(fields), read_base64(fields["result"], f"{_FIELD}.result"))


def _expired(key: str, fields: JsonObject) -> Happening:
    return Told(key, EventKind.EXPIRED, _message(fields))


def _message(fields: JsonObject) -> Message:
    return Message.decode(read_hex(fields["message"], f"{_FIELD}.message"))


_REQUESTED: Final = "requested"
_READERS: Final[dict[str, tuple[frozenset[str], Callable[[str, JsonObject], Happening]]]] = {
    _REQUESTED: (frozenset({"entry"}), _requested),
    "opened": (frozenset({"channel"}), _opened),
    "sent": (frozenset({"message", "body"}), _sent),
    "delivered": (frozenset({"message", "result"}), _delivered),
    "expired": (frozenset({"message"}), _expired),
}
