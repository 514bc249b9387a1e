"""The mailroom: stores the pages of a ledger's mailbox with the watcher's cursor, and reads events back for proofs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fabric.core.clock import Clock
from fabric.core.crashpoint import CrashPoint, Reached, unharmed
from fabric.core.errors import LedgerError
from fabric.core.ids import DestinationId
from fabric.ledger.port import EventKind, MailboxEvent, MailboxPage
from fabric.ledger.watcher import Watched
from fabric.store.mail import MailEvent, MailKind, MailPage
from fabric.store.store import Store
from fabric.store.values import CursorMove
from fabric.trust.message import Channel

_TELLS_AS_SOURCE: Final = frozenset({EventKind.SENT})


@dataclass(frozen=True)
class Mailroom:
    """Takes the pages of one ledger's mailbox.

    Attributes:
        watched: the mailbox.
        store: where they go.
        clock: the time that messages are stamped with.
        wake: called after a page that held an event.
        reached: passes crash points.
    """

    watched: Watched[MailboxPage]
    store: Store
    clock: Clock
    wake: Callable[[], None]
    reached: Reached = unharmed

    async def accept(self, page: MailboxPage) -> None:
        """Stores a page's events with what comes of them, and the cursor behind them.

        Raises:
            LedgerError: an event of a message or channel that is not this ledger's to tell.
            StoreError: it did not commit.
        """
        place = self.watched.destination
        events = [stored_event(place, event) for event in page.events]
        cursor = CursorMove(self.watched.cursor, page.cursor)
        await self.store.mailboxes.store(MailPage(events, cursor), self.clock.unix_seconds())
        if events:
            self.reached(CrashPoint.AFTER_MAIL)
            self.wake()


def stored_event(place: DestinationId, event: MailboxEvent) -> MailEvent:
    """Returns an event as it is stored; raises ``LedgerError`` for one that is not this ledger's to tell."""
    if not _is_of(place, event):
        raise LedgerError(f"mailbox event {event.index} of {place.hex()} is of another ledger")
    return MailEvent(
        place,
        event.index,
        MailKind(event.kind.value),
        event.subject,
        event.data,
        event.time,
        event.position,
        event.locator,
    )


def told_event(event: MailEvent) -> MailboxEvent:
    """Returns a stored event as the ledger told it."""
    return MailboxEvent(
        event.position,
        EventKind(event.kind.value),
        event.subject,
        event.data,
        event.time,
        event.place,
        event.locator,
    )


def _is_of(place: DestinationId, event: MailboxEvent) -> bool:
    subject = event.subject
    if isinstance(subject, Channel):
        return event.kind is EventKind.OPENED and subject.end_at(place) is not None
    if event.kind in _TELLS_AS_SOURCE:
        return subject.source == place
    return event.kind is not EventKind.OPENED and subject.destination == place
