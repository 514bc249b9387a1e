"""What the door says of messages between ledgers, and what it lets people do with them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fabric.core.errors import Malformed, NotFound, Refused, Unauthorized
from fabric.core.ids import DestinationId
from fabric.core.plugins import nearest
from fabric.gateway.backend import OpenedLedger
from fabric.gateway.endpoint import LOCAL_CALLER
from fabric.ledger.port import CallTaker
from fabric.relay.reasons import advice_of, party_of, sentence
from fabric.relay.relay import Relay
from fabric.store.mail import ENDED, NEVER, MessageFilter, MessageRow, MessageState, OpenChannel, Step
from fabric.store.mail import MessageCount as StoredCount
from fabric.store.store import Store
from fabric.trust.message import End
from fabric.wire.messages import (
    CallTaken,
    ChannelEnd,
    ChannelInfo,
    ChannelList,
    ListChannels,
    ListMessages,
    MessageCount,
    MessageInfo,
    MessageList,
    MessageStep,
    MessageTrace,
    RetryMessage,
    SubmitCall,
)


@dataclass(frozen=True)
class MessageDesk:
    """Answers callers. What a ledger tells is for all of them to see; only the operator moves anything.

    Attributes:
        store: where messages are.
        relay: who carries them.
        ledgers: the fabric's ledgers by destination id.
        takers: those of them that take signed calls, by configured name.
        look: has a ledger's watchers look at once.
    """

    store: Store
    relay: Relay
    ledgers: Mapping[DestinationId, OpenedLedger]
    takers: Mapping[str, CallTaker]
    look: Callable[[str], None]

    async def messages(self, request: ListMessages) -> MessageList:
        """Returns messages, the newest first, and counts of all of them.

        Raises:
            Malformed: no such state.
        """
        states = frozenset(map(_state, request.states))
        wanted = MessageFilter(states, request.channel, request.page or NEVER, request.limit)
        rows = await self.store.messages.newest(wanted)
        counts = await self.store.messages.counts()
        following = rows[-1].seq if len(rows) == request.limit else 0
        return MessageList(tuple(map(self._info, rows)), following, tuple(map(self._count, counts)))

    async def trace(self, name: str) -> MessageTrace:
        """Returns a message by some digits of its id, and every step that it took.

        Raises:
            NotFound: no such message.
            Refused: fewer than 8 digits, or several messages begin so.
        """
        row = await self.store.messages.named(name)
        steps = await self.store.messages.steps(row)
        return MessageTrace(self._info(row), tuple(map(self._step, steps)))

    async def retry(self, caller: str, request: RetryMessage) -> MessageInfo:
        """Makes another attempt due now, with the reason in the trace.

        Raises:
            Unauthorized: the caller is not the operator.
            NotFound: no such message.
            Refused: it cannot be tried again as it is.
        """
        if caller != LOCAL_CALLER:
            raise Unauthorized(f"caller {caller!r} is no operator; messages are tried again by {LOCAL_CALLER!r}")
        row = await self.store.messages.named(request.message)
        return self._info(await self.relay.retry(row.message.id, request.reason))

    async def channels(self, request: ListChannels) -> ChannelList:
        """Returns one channel or the newest ones.

        Raises:
            NotFound: the channel is open at no end, as far as final events show.
        """
        if request.channel is None:
            found = await self.store.mailboxes.newest_channels()
        else:
            found = list((await self.store.mailboxes.channels([request.channel])).values())
            if not found:
                raise NotFound(f"no end of channel {request.channel.hex()} is open on a ledger of this fabric")
        return ChannelList(tuple(map(self._channel, found)))

    async def submit_call(self, request: SubmitCall) -> CallTaken:
        """Gives a ledger what one of its accounts signed; a repeat gives the first answer.

        Raises:
            NotFound: no such ledger.
            Refused: its accounts send for themselves.
            Malformed: no call of that ledger.
            LedgerError: the ledger refuses it, by rule, or does not answer.
        """
        names = sorted(item.name for item in self.ledgers.values())
        if request.ledger not in names:
            raise NotFound(f"no ledger {request.ledger[:80]!r}{nearest(request.ledger, names)}")
        taker = self.takers.get(request.ledger)
        if taker is None:
            raise Refused(f"ledger {request.ledger!r} takes no signed calls: its accounts send transactions themselves")
        receipt = await taker.take_call(request.call)
        self.look(request.ledger)
        return CallTaken(receipt.locator, receipt.position, receipt.time)

    def _info(self, row: MessageRow) -> MessageInfo:
        passage = row.passage
        is_planned = passage.state not in ENDED and passage.not_before < NEVER
        return MessageInfo(
            message=row.message,
            source=self._name(row.message.source),
            destination=self._name(row.message.destination),
            state=str(passage.state),
            reason=str(passage.reason),
            party=str(party_of(passage.state, passage.reason)),
            meaning=sentence(passage.state, passage.reason),
            advice=advice_of(passage).replace("MSG", row.message.id.hex()[:16]),
            detail=passage.detail,
            attempt=passage.attempt,
            next_attempt=passage.not_before if is_planned else 0,
            created=row.created,
            changed=row.changed,
        )

    def _step(self, step: Step) -> MessageStep:
        return MessageStep(
            time=step.time,
            state=str(step.state),
            reason=str(step.reason),
            party=str(party_of(step.state, step.reason)),
            detail=step.detail,
            attempt=step.attempt,
            ledger=self._name(step.ledger) if step.ledger else "",
            locator=step.locator,
            ledger_time=step.ledger_time,
            invocation=step.invocation or b"",
        )

    def _count(self, count: StoredCount) -> MessageCount:
        return MessageCount(
            source=self._name(count.source),
            destination=self._name(count.destination),
            state=str(count.state),
            reason=str(count.reason),
            party=str(party_of(count.state, count.reason)),
            count=count.count,
            oldest=count.oldest,
        )

    def _channel(self, found: OpenChannel) -> ChannelInfo:
        first, second = found.channel.first, found.channel.second
        return ChannelInfo(found.channel, (self._end(found, first), self._end(found, second)))

    def _end(self, found: OpenChannel, end: End) -> ChannelEnd:
        opened = found.opened.get(end.destination)
        return ChannelEnd(
            ledger=self._name(end.destination),
            destination=end.destination,
            is_open=opened is not None,
            locator=opened.locator if opened else "",
            next_sequence=found.sent.get(end.destination, 0),
        )

    def _name(self, place: DestinationId) -> str:
        ledger = self.ledgers.get(place)
        return ledger.name if ledger else place.hex()


def _state(text: str) -> MessageState:
    try:
        return MessageState(text)
    except ValueError as error:
        known = [state.value for state in MessageState]
        raise Malformed("ListMessagesRequest.states", f"no state {text[:40]!r}{nearest(text, known)}") from error
