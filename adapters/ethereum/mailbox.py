"""The mailbox, read: final events in the order of its counter, none missing, each with what shows it offline."""

from collections.abc import Sequence
from typing import Final

from adapters.ethereum import abi, answers, told
from adapters.ethereum.calls import Effect
from adapters.ethereum.indexed import IndexedEvents, Placed, Series
from adapters.ethereum.receipts import Place, Receipts
from adapters.ethereum.rpc import Call, Rpc
from adapters.ethereum.view import Watch
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import LedgerUnavailable
from fabric.core.ids import DestinationId
from fabric.ledger.port import EventKind, MailboxEvent, MailboxPage
from fabric.trust.destination import Destination
from fabric.trust.schemes import ADDRESS_BYTES
from fabric.trust.words import uint

_SERIES: Final = Series("mailbox events", tuple(told.NAMES), abi.MAILBOX_COUNT)
_TOPICS: Final = {EventKind(name): topic for topic, name in told.NAMES.items()}


class Mailbox:
    """Reads the mailbox of one settlement deployment."""

    def __init__(self, rpc: Rpc, destination: Destination, watch: Watch, start: int, receipts: Receipts) -> None:
        """Takes the block from which the deployment can have events, and the maker of receipts."""
        self._rpc = rpc
        self._watch = watch
        self._destination = destination.id
        self._address = "0x" + destination.settlement[-ADDRESS_BYTES:].hex()
        self._events = IndexedEvents(rpc, destination, watch, receipts, start, _SERIES)
        self._receipts = receipts

    async def page(self, cursor: bytes, limit: int) -> MailboxPage:
        """Returns up to ``limit`` final events after a cursor; see ``fabric.ledger.port.MailboxSource``."""
        page = await self._events.page(cursor, limit)
        with answers.reading():
            return MailboxPage(tuple(_event(self._destination, event) for event in page.events), page.cursor)

    async def material(self, events: Sequence[MailboxEvent]) -> list[JsonObject]:
        """Returns what shows each event offline; four round trips at most, whatever their number.

        Raises:
            LedgerUnavailable: no answer, or an event is not final, or no longer where it was.
        """
        view = await self._watch.view()
        for event in events:
            if event.position > view.final:
                message = f"mailbox event {event.index} of block {event.position} is not final"
                raise LedgerUnavailable(message)
        effects = [_effect(event) for event in events]
        places = await self._places(events, effects)
        receipts = await self._receipts.make(list(zip(places, effects, strict=True)))
        return [receipt.material for receipt in await self._receipts.complete(receipts)]

    async def _places(self, events: Sequence[MailboxEvent], effects: Sequence[Effect]) -> list[Place]:
        calls = [self._logs_call(event, effect) for event, effect in zip(events, effects, strict=True)]
        places = []
        for event, answer in zip(events, await self._rpc.ask(calls), strict=True):
            with answers.reading():
                logs = [answers.event_log(each) for each in answers.items(answer, "logs")]
            if len(logs) != 1:
                message = f"block {event.position} shows mailbox event {event.index} {len(logs)} times"
                raise LedgerUnavailable(message)
            places.append(Place(logs[0].block, logs[0].block_hash, logs[0].transaction_index))
        return places

    def _logs_call(self, event: MailboxEvent, effect: Effect) -> Call:
        at = hex(event.position)
        wanted: JsonValue = {"address": self._address, "topics": effect.filter(), "fromBlock": at, "toBlock": at}
        return "eth_getLogs", [wanted]


def _effect(event: MailboxEvent) -> Effect:
    return Effect((_TOPICS[event.kind], uint(event.index), event.subject.id))


def _event(destination: DestinationId, event: Placed) -> MailboxEvent:
    log = told.read(destination, event.log.topics, event.log.data)
    where = (event.time, event.log.block, event.locator)
    return MailboxEvent(log.index, EventKind(log.name), log.subject, log.data, *where)
