"""What an operator asks of a running fabric: typed values to and from ``fabric_pb2``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fabric.core.errors import Malformed
from fabric.core.ids import DestinationId
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
    reason = message.reason.strip()
    if not 1 <= len(reason) <= MAX_REASON:
        raise Malformed("ResumeLedger.reason", f"expected 1 to {MAX_REASON} characters that say why, got {len(reason)}")
    return ResumeLedger(message.name, reason)


def _decode_resumed(data: bytes) -> LedgerResumed:
    message = parse(pb.ResumeLedgerReply, data)
    return LedgerResumed(Halted(message.halted_for, message.halted_at), message.reopened)


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
}
