"""What a client asks of a Hyperledger peer beside proposals, as the key process signs it: a closed list."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from fabric.core.canonical import MAX_INTEGER, JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.signers.proposals import ClientGrant, Identity, parse_identity, write_base64
from fabric.signers.protobuf import data, item, number, text
from fabric.trust.fields import read_base64, read_integer, read_object, read_text

_DELIVER_SEEK_INFO: Final = 5
_FAIL_IF_NOT_READY: Final = 1
_DIGEST_BYTES: Final = 32
_TRANSACTION_DIGITS: Final = 64


@dataclass(frozen=True)
class CommitStatus:
    """What became of a transaction."""

    channel: str
    transaction: str
    identity: Identity

    @cached_property
    def signed(self) -> bytes:
        """``gateway.CommitStatusRequest``."""
        return text(1, self.transaction) + text(2, self.channel) + data(3, self.identity.encoded)

    def check(self, grant: ClientGrant) -> None:
        """Refuses a question outside a grant; raises ``Refused``."""
        grant.check_channel(self.channel)

    def to_json(self) -> JsonObject:
        """Returns what ``parse_query`` reads."""
        return {
            "kind": "commit_status",
            "channel": self.channel,
            "transaction": self.transaction,
            "identity": self.identity.to_json(),
        }


@dataclass(frozen=True)
class ChaincodeEvents:
    """The events of a chaincode from a block on."""

    channel: str
    chaincode: str
    start: int
    identity: Identity

    @cached_property
    def signed(self) -> bytes:
        """``gateway.ChaincodeEventsRequest``."""
        names = text(1, self.channel) + text(2, self.chaincode)
        return names + data(3, self.identity.encoded) + item(4, _specified(self.start))

    def check(self, grant: ClientGrant) -> None:
        """Refuses a question outside a grant; raises ``Refused``."""
        grant.check(self.channel, self.chaincode)

    def to_json(self) -> JsonObject:
        """Returns what ``parse_query`` reads."""
        return {
            "kind": "chaincode_events",
            "channel": self.channel,
            "chaincode": self.chaincode,
            "start": self.start,
            "identity": self.identity.to_json(),
        }


@dataclass(frozen=True)
class Blocks:
    """The blocks of a channel that are there now.

    Attributes:
        channel: the channel's id.
        start: number of the first block, None for the newest.
        stop: number of the last block, None for the newest; blocks that are not there yet are not waited for.
        seconds: the question's time, Unix seconds.
        tls: SHA-256 of the client's TLS certificate, DER, which a peer with mutual TLS asks for; else empty.
        identity: who asks.
    """

    channel: str
    start: int | None
    stop: int | None
    seconds: int
    tls: bytes
    identity: Identity

    @cached_property
    def signed(self) -> bytes:
        """``common.Payload`` of an envelope for ``protos.Deliver``."""
        timestamp = item(3, number(1, self.seconds))
        channel = number(1, _DELIVER_SEEK_INFO) + timestamp + text(4, self.channel) + data(8, self.tls)
        header = data(1, channel) + data(2, data(1, self.identity.encoded))
        seek = item(1, _position(self.start)) + item(2, _position(self.stop)) + number(3, _FAIL_IF_NOT_READY)
        return item(1, header) + data(2, seek)

    def check(self, grant: ClientGrant) -> None:
        """Refuses a question outside a grant; raises ``Refused``."""
        grant.check_channel(self.channel)

    def to_json(self) -> JsonObject:
        """Returns what ``parse_query`` reads."""
        return {
            "kind": "blocks",
            "channel": self.channel,
            "start": self.start,
            "stop": self.stop,
            "seconds": self.seconds,
            "tls": write_base64(self.tls),
            "identity": self.identity.to_json(),
        }


Query = CommitStatus | ChaincodeEvents | Blocks
_NAMES: Final = {
    "commit_status": frozenset({"kind", "identity", "channel", "transaction"}),
    "chaincode_events": frozenset({"kind", "identity", "channel", "chaincode", "start"}),
    "blocks": frozenset({"kind", "identity", "channel", "start", "stop", "seconds", "tls"}),
}


def parse_query(value: JsonValue) -> Query:
    """Reads a question; raises ``Malformed``."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _NAMES:
        raise Malformed("query", f"expected kind to be one of {', '.join(sorted(_NAMES))}")
    fields = read_object(value, _NAMES[kind], "query")
    identity = parse_identity(fields["identity"])
    channel = read_text(fields["channel"], "query.channel")
    if kind == "commit_status":
        return CommitStatus(channel, _transaction(fields["transaction"]), identity)
    if kind == "chaincode_events":
        chaincode = read_text(fields["chaincode"], "query.chaincode")
        return ChaincodeEvents(
            channel, chaincode, read_integer(fields["start"], "query.start", 0, MAX_INTEGER), identity
        )
    tls = read_base64(fields["tls"], "query.tls")
    if len(tls) not in (0, _DIGEST_BYTES):
        raise Malformed("query.tls", f"expected {_DIGEST_BYTES} bytes or none")
    seconds = read_integer(fields["seconds"], "query.seconds", 0, MAX_INTEGER)
    return Blocks(channel, _number(fields["start"]), _number(fields["stop"]), seconds, tls, identity)


def _position(number_of: int | None) -> bytes:
    """Returns an ``orderer.SeekPosition``: newest, or a block's number."""
    return item(1, b"") if number_of is None else _specified(number_of)


def _specified(number_of: int) -> bytes:
    return item(3, number(1, number_of))


def _number(value: JsonValue) -> int | None:
    return None if value is None else read_integer(value, "query.start or stop", 0, MAX_INTEGER)


def _transaction(value: JsonValue) -> str:
    digits = read_text(value, "query.transaction", _TRANSACTION_DIGITS)
    if len(digits) != _TRANSACTION_DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise Malformed("query.transaction", f"expected {_TRANSACTION_DIGITS} lower-case hexadecimal digits")
    return digits
