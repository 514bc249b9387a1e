"""The mailbox of a chain in memory, read: its events by their index."""

from collections.abc import Iterable

from fabric.ledger.fakes.chain import Block
from fabric.ledger.port import EventKind, MailboxEvent
from fabric.ledger.rules.events import ChannelOpened, Delivered, Event, Expired, Sent


def posted(blocks: Iterable[Block]) -> list[MailboxEvent]:
    """Returns the mailbox events of blocks, in their order."""
    found = [(block, event) for block in blocks for one in block.executed for event in one.events]
    return [made for block, event in found if (made := _event(block, event))]


def _event(block: Block, event: Event) -> MailboxEvent | None:
    where = (block.time, block.number, f"block {block.number}")
    match event:
        case ChannelOpened():
            return MailboxEvent(event.index, EventKind.OPENED, event.channel, b"", *where)
        case Sent():
            return MailboxEvent(event.index, EventKind.SENT, event.message, event.body, *where)
        case Delivered():
            return MailboxEvent(event.index, EventKind.DELIVERED, event.message, event.result, *where)
        case Expired():
            return MailboxEvent(event.index, EventKind.EXPIRED, event.message, b"", *where)
        case _:
            return None
