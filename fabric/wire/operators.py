"""What an operator asks of a running fabric: typed values to and from ``fabric_pb2``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fabric.core.canonical import MAX_INTEGER
from fabric.core.errors import Malformed
from fabric.core.ids import DestinationId, Measurement
from fabric.wire.method import Method
from fabric.wire.reading import parse, word
from fabric.wire.v1 import fabric_pb2 as pb

MAX_REASON: Final = 500
"""Characters of a reason for the audit."""


@dataclass(frozen=True, slots=True)
class ListLedgers:
    """Ask for a ledger by its configured name, or for all; with ``status`` each is asked how it is."""

    name: str = ""
    status: bool = False


@dataclass(frozen=True, slots=True)
class Halted:
    """What a ledger is or was halted for, and since when (Unix seconds)."""

    reason: str
    since: int


@dataclass(frozen=True, slots=True)
class LedgerInfo:
    """One ledger of a fabric.

    Attributes:
        name: configured name.
        kind: of the adapter.
        destination: id of the deployment.
        halted: None while its work goes on.
        status: canonical JSON (docs/spec/api.md); empty where it was not asked for.
    """

    name: str
    kind: str
    destination: DestinationId
    halted: Halted | None
    status: bytes = b""


@dataclass(frozen=True, slots=True)
class LedgerList:
    """Ledgers in the order of their names."""

    ledgers: tuple[LedgerInfo, ...]


@dataclass(frozen=True, slots=True)
class ResumeLedger:
    """Let a halted ledger go on, for a reason that the audit keeps."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class LedgerResumed:
    """What the ledger was halted for, and how many effects and refusals are asked about again."""

    halted: Halted
    reopened: int


@dataclass(frozen=True, slots=True)
class RevokeCode:
    """Have results of a bundle count for nothing that are settled from a time on (Unix seconds), for a reason."""

    measurement: Measurement
    since: int
    reason: str


@dataclass(frozen=True, slots=True)
class RevocationState:
    """How far a revocation has come on a ledger: state of its outbox row, and why it was refused or waits."""

    ledger: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class CodeRevoked:
    """The time that holds, which may be an earlier one than was asked for, and each ledger by its name."""

    since: int
    ledgers: tuple[RevocationState, ...]


def _encode_list(value: LedgerList) -> bytes:
    return pb.ListLedgersReply(ledgers=map(_info_to_pb, value.ledgers)).SerializeToString()


def _info_to_pb(info: LedgerInfo) -> pb.LedgerInfo:
    halted = info.halted
    return pb.LedgerInfo(
        name=info.name,
        kind=info.kind,
        destination=info.destination,
        is_halted=halted is not None,
        halted_for=halted.reason if halted else "",
        halted_at=halted.since if halted else 0,
        status=info.status,
    )


def _decode_list(data: bytes) -> LedgerList:
    return LedgerList(tuple(map(_info, parse(pb.ListLedgersReply, data).ledgers)))


def _info(item: pb.LedgerInfo) -> LedgerInfo:
    halted = Halted(item.halted_for, item.halted_at) if item.is_halted else None
    destination = DestinationId(word(item.destination, "LedgerInfo.destination"))
    return LedgerInfo(item.name, item.kind, destination, halted, item.status)


def _decode_list_request(data: bytes) -> ListLedgers:
    message = parse(pb.ListLedgersRequest, data)
    return ListLedgers(message.name, message.status)


def _decode_resume(data: bytes) -> ResumeLedger:
    message = parse(pb.ResumeLedgerRequest, data)
    return ResumeLedger(message.name, _reason(message.reason, "ResumeLedger.reason"))


def _reason(text: str, field: str) -> str:
    reason = text.strip()
    if not 1 <= len(reason) <= MAX_REASON:
        raise Malformed(field, f"expected 1 to {MAX_REASON} characters that say why, got {len(reason)}")
    return reason


def _decode_resumed(data: bytes) -> LedgerResumed:
    message = parse(pb.ResumeLedgerReply, data)
    return LedgerResumed(Halted(message.halted_for, message.halted_at), message.reopened)


def _decode_revoke(data: bytes) -> RevokeCode:
    message = parse(pb.RevokeCodeRequest, data)
    measurement = Measurement(word(message.measurement, "RevokeCode.measurement"))
    if not 1 <= message.since <= MAX_INTEGER:
        raise Malformed("RevokeCode.since", f"expected Unix seconds from 1 to 2**53 - 1, got {message.since}")
    return RevokeCode(measurement, message.since, _reason(message.reason, "RevokeCode.reason"))


def _encode_revoked(value: CodeRevoked) -> bytes:
    ledgers = [pb.RevocationState(ledger=one.ledger, state=one.state, reason=one.reason) for one in value.ledgers]
    return pb.RevokeCodeReply(since=value.since, ledgers=ledgers).SerializeToString()


def _decode_revoked(data: bytes) -> CodeRevoked:
    message = parse(pb.RevokeCodeReply, data)
    ledgers = tuple(RevocationState(one.ledger, one.state, one.reason) for one in message.ledgers)
    return CodeRevoked(message.since, ledgers)


METHODS: Final[Mapping[str, Method]] = {
    "ListLedgers": Method(
        lambda value: pb.ListLedgersRequest(name=value.name, status=value.status).SerializeToString(),
        _decode_list_request,
        _encode_list,
        _decode_list,
    ),
    "ResumeLedger": Method(
        lambda value: pb.ResumeLedgerRequest(name=value.name, reason=value.reason).SerializeToString(),
        _decode_resume,
        lambda value: pb.ResumeLedgerReply(
            halted_for=value.halted.reason, halted_at=value.halted.since, reopened=value.reopened
        ).SerializeToString(),
        _decode_resumed,
    ),
    "RevokeCode": Method(
        lambda value: pb.RevokeCodeRequest(
            measurement=value.measurement, since=value.since, reason=value.reason
        ).SerializeToString(),
        _decode_revoke,
        _encode_revoked,
        _decode_revoked,
    ),
}
