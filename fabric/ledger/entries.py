"""Rows of the outbox as pieces of work: the store keeps trust values, the port speaks of work."""

from dataclasses import dataclass
from typing import assert_never

from fabric.ledger.outbox import submission_of
from fabric.ledger.port import Consume, Expire, Register, RevokeCode, Settle, Submission, Work
from fabric.store.values import (
    ConsumeBody,
    ExpireBody,
    OutboxRow,
    Progress,
    RegisterBody,
    RevokeBody,
    SettleBody,
    WorkBody,
)


@dataclass
class Entry:
    """A piece of work on its way.

    Attributes:
        row: as it is stored.
        work: what the ledger shall do.
        progress: as far as it is known here; what differs from the row is not stored yet.
        if_asked: progress that is stored instead, where it answers a request that the ledger has.
    """

    row: OutboxRow
    work: Work
    progress: Progress
    if_asked: Progress | None = None

    @property
    def seq(self) -> int:
        """Number of the row; work is done in this order."""
        return self.row.seq

    @property
    def submission(self) -> Submission | None:
        """The submission, None before one was prepared."""
        return submission_of(self.progress)


def work_of(body: WorkBody) -> Work:
    """Returns what a stored body asks for."""
    match body:
        case RegisterBody():
            return Register(body.result, body.destinations, body.signatures)
        case SettleBody():
            return Settle(body.header, body.signatures)
        case ConsumeBody():
            return Consume(body.record, body.payload, body.header, body.index, body.path)
        case ExpireBody():
            return Expire(body.message)
        case RevokeBody():
            return RevokeCode(body.revocation, body.signatures)
        case _:
            assert_never(body)
