"""Calls: an operation as canonical JSON, the form in which it travels to a ledger of ours and is logged there."""

import base64
from collections.abc import Callable
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import (
    WORD_BYTES,
    BatchId,
    BindingVersion,
    DestinationId,
    Digest,
    parse_word,
)
from fabric.ledger.rules.operations import (
    Acknowledge,
    AppraiserOperation,
    Consume,
    Deliver,
    Expire,
    MailboxOperation,
    OpenChannel,
    Operation,
    Register,
    Request,
    RevokeCode,
    Send,
    SetKeyStatus,
    Settle,
)
from fabric.trust import batch, words
from fabric.trust.attestation import MAX_DESTINATIONS, AttestationResult, KeyStatus
from fabric.trust.batch import Header
from fabric.trust.fields import read_base64
from fabric.trust.letter import Acknowledgement, Delivery
from fabric.trust.merkle import parse_path
from fabric.trust.message import Channel, Message
from fabric.trust.record import Record
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import Signature, parse_signature

MAX_CALL_BYTES: Final = 65_536
MAX_SIGNATURES: Final = 64
_CALL: Final = "call"


def encode_call(operation: Operation) -> bytes:
    """Returns the canonical bytes of an operation."""
    return canonical.encode(call_object(operation))


def decode_call(data: bytes) -> Operation:
    """Reads canonical bytes; raises ``Malformed`` for anything that ``encode_call`` does not write."""
    return parse_call(canonical.decode(data, max_bytes=MAX_CALL_BYTES))


def call_object(operation: Operation) -> JsonObject:
    """Returns an operation as a JSON object."""
    match operation:
        case Register() | SetKeyStatus() | RevokeCode():
            return _appraisers_object(operation)
        case Settle():
            return {
                "op": "settle",
                "header": operation.header.encoded.hex(),
                "signature": operation.signature.to_json(),
            }
        case Consume():
            return {
                "op": "consume",
                "record": operation.record.encoded.hex(),
                "batch": operation.batch.hex(),
                "index": operation.index,
                "path": [one.hex() for one in operation.path],
            }
        case Request():
            return {
                "op": "request",
                "method": operation.method.hex(),
                "input": operation.input.hex(),
                "binding": operation.binding.hex(),
                "state_version": operation.state_version,
            }
        case _:
            return _mailbox_object(operation)


def _appraisers_object(operation: AppraiserOperation) -> JsonObject:
    signatures: JsonValue = [one.to_json() for one in operation.signatures]
    match operation:
        case Register():
            return {
                "op": "register",
                "result": operation.result.encoded.hex(),
                "destinations": [one.hex() for one in operation.destinations],
                "signatures": signatures,
            }
        case SetKeyStatus():
            return {"op": "set_key_status", "status": operation.status.encoded.hex(), "signatures": signatures}
        case RevokeCode():
            return {"op": "revoke_code", "revocation": operation.revocation.encoded.hex(), "signatures": signatures}


def _mailbox_object(operation: MailboxOperation) -> JsonObject:
    match operation:
        case OpenChannel():
            return {"op": "open_channel", "channel": operation.channel.encoded.hex()}
        case Send():
            return {"op": "send", "message": operation.message.encoded.hex(), "body": _base64(operation.body)}
        case Deliver():
            return {"op": "deliver"} | _letter_object(operation)
        case Acknowledge():
            return {"op": "acknowledge"} | _letter_object(operation)
        case Expire():
            return {"op": "expire", "message": operation.message.encoded.hex()}


def _letter_object(operation: Deliver | Acknowledge) -> JsonObject:
    return {
        "record": operation.record.encoded.hex(),
        "payload": _base64(operation.payload),
        "batch": operation.batch.hex(),
        "index": operation.index,
        "path": [one.hex() for one in operation.path],
    }


def parse_call(value: JsonValue) -> Operation:
    """Reads the object of a call; raises ``Malformed`` for a missing, foreign or ill-formed field."""
    if not isinstance(value, dict):
        raise Malformed(_CALL, "expected an object")
    name = value.get("op")
    if not isinstance(name, str) or name not in _PARSERS:
        raise Malformed(_CALL, f"expected op to be one of {', '.join(sorted(_PARSERS))}")
    names, parse = _PARSERS[name]
    if set(value) != {"op", *names}:
        raise Malformed(_CALL, f"{name} has the names op, {', '.join(sorted(names))}")
    return parse(value)


def _register(value: JsonObject) -> Operation:
    ids = _list(value["destinations"], "destinations", MAX_DESTINATIONS)
    return Register(
        AttestationResult.decode(_hex(value["result"], "result")),
        tuple(DestinationId(parse_word(one, "call.destinations")) for one in ids),
        _signatures(value["signatures"]),
    )


def _set_key_status(value: JsonObject) -> Operation:
    status = KeyStatus.decode(_hex(value["status"], "status"))
    return SetKeyStatus(status, _signatures(value["signatures"]))


def _revoke_code(value: JsonObject) -> Operation:
    revocation = CodeRevocation.decode(_hex(value["revocation"], "revocation"))
    return RevokeCode(revocation, _signatures(value["signatures"]))


def _settle(value: JsonObject) -> Operation:
    return Settle(_header(_hex(value["header"], "header")), parse_signature(value["signature"]))


def _consume(value: JsonObject) -> Operation:
    return Consume(Record.decode(_hex(value["record"], "record")), *_place(value))


def _request(value: JsonObject) -> Operation:
    return Request(
        Digest(parse_word(value["method"], "call.method")),
        Digest(parse_word(value["input"], "call.input")),
        BindingVersion(parse_word(value["binding"], "call.binding")),
        _number(value["state_version"], "state_version"),
    )


def _open_channel(value: JsonObject) -> Operation:
    return OpenChannel(Channel.decode(_hex(value["channel"], "channel")))


def _send(value: JsonObject) -> Operation:
    return Send(Message.decode(_hex(value["message"], "message")), read_base64(value["body"], "call.body"))


def _deliver(value: JsonObject) -> Operation:
    return Deliver(Record.decode(_hex(value["record"], "record")), Delivery.decode(_payload(value)), *_place(value))


def _acknowledge(value: JsonObject) -> Operation:
    letter = Acknowledgement.decode(_payload(value))
    return Acknowledge(Record.decode(_hex(value["record"], "record")), letter, *_place(value))


def _expire(value: JsonObject) -> Operation:
    return Expire(Message.decode(_hex(value["message"], "message")))


def _payload(value: JsonObject) -> bytes:
    return read_base64(value["payload"], "call.payload")


def _place(value: JsonObject) -> tuple[BatchId, int, tuple[Digest, ...]]:
    batch = BatchId(parse_word(value["batch"], "call.batch"))
    return batch, _number(value["index"], "index"), parse_path(value["path"], "call.path")


_LETTER: Final = frozenset({"record", "payload", "batch", "index", "path"})
_PARSERS: Final[dict[str, tuple[frozenset[str], Callable[[JsonObject], Operation]]]] = {
    "register": (frozenset({"result", "destinations", "signatures"}), _register),
    "set_key_status": (frozenset({"status", "signatures"}), _set_key_status),
    "revoke_code": (frozenset({"revocation", "signatures"}), _revoke_code),
    "settle": (frozenset({"header", "signature"}), _settle),
    "consume": (frozenset({"record", "batch", "index", "path"}), _consume),
    "request": (frozenset({"method", "input", "binding", "state_version"}), _request),
    "open_channel": (frozenset({"channel"}), _open_channel),
    "send": (frozenset({"message", "body"}), _send),
    "deliver": (_LETTER, _deliver),
    "acknowledge": (_LETTER, _acknowledge),
    "expire": (frozenset({"message"}), _expire),
}


def _header(data: bytes) -> Header:
    # Unlike Header.decode it lets a bad count pass: that one is for the rules to refuse, as a contract does.
    destination, epoch, count, root = words.split(data, batch.TAG, 4, "call.header")
    return Header(
        DestinationId(destination),
        words.read_uint(epoch, "call.header.epoch"),
        words.read_uint(count, "call.header.count"),
        Digest(root),
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _signatures(value: JsonValue) -> tuple[Signature, ...]:
    return tuple(map(parse_signature, _list(value, "signatures", MAX_SIGNATURES)))


def _list(value: JsonValue, field: str, limit: int) -> list[JsonValue]:
    if not isinstance(value, list) or len(value) > limit:
        raise Malformed(f"{_CALL}.{field}", f"expected a list of at most {limit}")
    return value


def _number(value: JsonValue, field: str) -> int:
    if type(value) is not int or not 0 <= value <= canonical.MAX_INTEGER:
        raise Malformed(f"{_CALL}.{field}", "expected an integer from 0 to 2**53 - 1")
    return value


def _hex(value: JsonValue, field: str) -> bytes:
    try:
        data = bytes.fromhex(value) if isinstance(value, str) else None
    except ValueError:
        data = None
    if data is None or data.hex() != value or len(data) % WORD_BYTES:
        raise Malformed(f"{_CALL}.{field}", "expected words in lower-case hexadecimal digits")
    return data
