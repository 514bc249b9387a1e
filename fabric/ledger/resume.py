"""Resuming a halted ledger: what it no longer has is asked about again, and its requests are read anew.

Nothing of a ledger is believed because it was final once. Receipts that still stand mark how deep the reorg went;
effects above that are open work again, which the dispatcher observes before it sends anything, so that each takes
effect once. Until the last step, one transaction, the ledger stays halted, and what broke off is begun again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from fabric.core.clock import Clock
from fabric.core.errors import Malformed, Refused
from fabric.core.ids import BatchId
from fabric.ledger import outbox
from fabric.ledger.port import Ledger, Receipt
from fabric.ledger.watcher import MAILBOX, REQUESTS, cursor_name
from fabric.store.halts import Anew, Resumption
from fabric.store.outbox import Change
from fabric.store.store import Store
from fabric.store.values import CursorMove, OutboxRow, WorkState

PAGE: Final = 256
"""Closed rows that are looked at together."""
REOPENED: Final = "reopened: the ledger replaced blocks beyond finality and was resumed"


@dataclass(frozen=True)
class Restart:
    """Where requests are read anew from: a cursor that stands, and the index of the first request after it."""

    cursor: bytes = b""
    index: int = 0


@runtime_checkable
class Resumable(Protocol):
    """What a ledger offers beside the port if it can tell what a reorg left; without it everything is asked again."""

    async def stands(self, receipts: Sequence[Receipt], *, deep: bool = True) -> Sequence[bool | None]:
        """Says of receipts whether what they show is there and final.

        Args:
            receipts: what was final.
            deep: whether it must be final now; otherwise it is enough that it is there. A node that lost its newest
                blocks, which were not final, has what was final not deep enough for a while.

        Returns:
            For each True, False where something else is in its place or it is not final any more, None where the ledger
            is not that far: it is behind, or was rolled back.

        Raises:
            LedgerUnavailable: the ledger did not answer.
        """
        ...

    async def restart(self, cursor: bytes, position: int | None) -> Restart:
        """Forgets what it knows to be final, and says where to read requests anew from.

        Args:
            cursor: the watcher's cursor.
            position: the highest position of which a receipt stands, None where none does.

        Raises:
            LedgerUnavailable: the ledger did not answer.
        """
        ...


@dataclass(frozen=True)
class Resumed:
    """What became of a resumption.

    Attributes:
        entry: the audit's.
        reopened: how many effects and refusals are asked about again.
    """

    entry: Resumption
    reopened: int


async def resume(ledger: Ledger, store: Store, clock: Clock, *, who: str, why: str) -> Resumed:
    """Lets a halted ledger go on; its loops must not run meanwhile.

    Args:
        ledger: the ledger.
        store: the store.
        clock: dates the audit.
        who: the caller.
        why: their reason.

    Raises:
        Refused: the ledger is not halted.
        LedgerUnavailable: it does not answer; it stays halted.
        StoreError: it stays halted.
    """
    destination = ledger.destination.id
    # A loop that was stopped may have left a write that still goes on: a row that it closes must be seen below.
    halt = await store.halts.settled(destination)
    if halt is None:
        raise Refused(f"ledger {destination.hex()} is not halted; there is nothing to resume")
    name = cursor_name(REQUESTS, destination)
    standing, reopened = await _reopen(ledger, store)
    restart = Restart()
    if isinstance(ledger, Resumable):
        restart = await ledger.restart(await store.cursors.get(name), standing)
    entry = Resumption(who, why, halt, clock.unix_seconds())
    # Of a mailbox everything is read anew: there is no telling which of its events the reorg left.
    mailbox = CursorMove(cursor_name(MAILBOX, destination), b"")
    await store.halts.lift(destination, entry, Anew(CursorMove(name, restart.cursor), restart.index, mailbox))
    return Resumed(entry, reopened)


async def _reopen(ledger: Ledger, store: Store) -> tuple[int | None, int]:
    """Reopens closed rows that do not stand; returns the highest position that does, and how many do not."""
    standing: int | None = None
    after = reopened = 0
    while rows := await store.outbox.closed(ledger.destination.id, after, PAGE):
        after = rows[-1].seq
        receipts = {row.seq: receipt for row in rows if (receipt := _receipt(row))}
        stands = await _stands(ledger, receipts)
        gone = [row for row in rows if not stands.get(row.seq)]
        await store.outbox.save([Change(row, outbox.reopened(row.progress, REOPENED)) for row in gone])
        kept = [receipts[seq].position for seq, holds in stands.items() if holds]
        standing = max([*kept, *([] if standing is None else [standing])], default=None)
        reopened += len(gone)
    return standing, reopened


async def _stands(ledger: Ledger, receipts: dict[int, Receipt]) -> dict[int, bool | None]:
    if not receipts or not isinstance(ledger, Resumable):
        return {}
    return dict(zip(receipts, await ledger.stands(list(receipts.values())), strict=True))


def _receipt(row: OutboxRow) -> Receipt | None:
    """Returns the receipt of a final row, None of a refused one and of one that cannot be read: it is asked again."""
    if row.progress.state is not WorkState.FINAL or row.progress.receipt is None:
        return None
    try:
        return outbox.read_receipt(row.destination, row.progress.receipt)
    except Malformed:
        return None


async def recall(ledger: Ledger, store: Store) -> bool | None:
    """Says whether a ledger still has what was final on it, by the newest settlement; see ``Resumable.stands``.

    Raises:
        LedgerUnavailable: the ledger did not answer.
    """
    row = await store.outbox.newest_final_batch(ledger.destination.id)
    if row is None:
        return True
    receipt = _receipt(row)
    if receipt and isinstance(ledger, Resumable):
        (stands,) = await ledger.stands([receipt], deep=False)
        return stands
    return await ledger.is_settled(BatchId(row.work_id)) or None
