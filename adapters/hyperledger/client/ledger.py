"""The ledger port on a Hyperledger channel (``fabric.ledger.port``): what the outbox and the watchers use."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from adapters.hyperledger.client.chain import Chain
from adapters.hyperledger.client.events import Asked, Told
from adapters.hyperledger.client.health import health, warning
from adapters.hyperledger.client.identity import WARN_SECONDS
from adapters.hyperledger.client.observing import Asking, Observer
from adapters.hyperledger.client.peers import SUBMIT, PeerError
from adapters.hyperledger.client.preparing import Preparer
from adapters.hyperledger.client.series import Origin, Placed, Series
from adapters.hyperledger.client.stored import Sent, read_stored
from adapters.hyperledger.client.work import task_of
from adapters.hyperledger.names import GENESIS_KEY, MAILBOX, REQUEST
from adapters.hyperledger.proto import common_pb2, gateway_pb2
from fabric.core.canonical import JsonObject
from fabric.core.clock import Clock
from fabric.core.errors import LedgerUnavailable, Malformed, SubmitError
from fabric.core.ids import BatchId, IntentId
from fabric.ledger.port import (
    EventKind,
    MailboxEvent,
    MailboxPage,
    Observation,
    Request,
    RequestPage,
    Submission,
    Work,
)
from fabric.ledger.rules.entries import KeyEntry, batch_entry, intent_entry, key_entry
from fabric.ledger.rules.mailbox_entries import channel_entry, delivery_entry, message_entry
from fabric.signers.proposals import write_base64
from fabric.trust.attestation import KeySet, KeyState
from fabric.trust.destination import Destination

_log = structlog.get_logger(__name__)

_AT_ONCE: Final = 8
_DAY: Final = 86_400
_KEYS: Final = {
    EventKind.OPENED: channel_entry,
    EventKind.SENT: message_entry,
    EventKind.DELIVERED: delivery_entry,
    EventKind.EXPIRED: delivery_entry,
}


@dataclass(frozen=True)
class Parts:
    """What a ledger is made of; ``adapters.hyperledger.client.plugin`` puts them together."""

    asking: Asking
    chain: Chain
    destination: Destination


class HyperledgerLedger:
    """One deployment of the chaincode: a ledger, its requests and its mailbox."""

    def __init__(self, parts: Parts, clock: Clock, founded: int = 0) -> None:
        """Takes parts that are known to reach the destination, and the number of the block in which it was founded."""
        self._asking = parts.asking
        self._chain = parts.chain
        self._destination = parts.destination
        self._clock = clock
        self._observer = Observer(parts.asking, parts.destination, clock)
        self._preparer = Preparer(parts.asking.endorser, parts.asking.limits)
        place = parts.asking.endorser.place
        common = (parts.chain, parts.asking.reader, Origin(place.chaincode, founded), parts.asking.limits)
        self._requests = Series(REQUEST, *common)
        self._mailbox = Series(MAILBOX, *common)
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._reminded = 0
        self._remind()

    @property
    def destination(self) -> Destination:
        """Which deployment this is."""
        return self._destination

    async def prepare(self, work: Sequence[Work], pending: Sequence[Submission]) -> Sequence[Submission]:
        """Turns work into endorsed and signed transactions of many calls; there is no nonce to give out.

        Work that the rules refuse already now gets a submission that says so and is never sent.

        Raises:
            LedgerUnavailable: no answer, or not the one that was asked for; nothing was signed.
            LedgerError: a call is ill-formed, or the client's certificate has ended.
        """
        del pending
        self._remind()
        return await self._preparer.prepare([task_of(each, self._destination) for each in work])

    async def submit(self, submissions: Sequence[Submission]) -> None:
        """Sends each stored envelope once; one that is on the channel already changes nothing there.

        Raises:
            SubmitError: the outcome of one or more is unknown.
            LedgerError: a stored submission cannot be read; nothing was sent.
        """
        stored = [each for submission in submissions if isinstance(each := read_stored(submission), Sent)]
        envelopes = {each.transaction: each for each in stored}
        complaints = await asyncio.gather(*(self._submit(each) for each in envelopes.values()))
        failed = [complaint for complaint in complaints if complaint]
        if failed:
            message = f"{len(failed)} of {len(envelopes)} transactions not taken: {failed[0]}"
            raise SubmitError(message)

    async def observe(self, work: Sequence[tuple[Work, Submission | None]]) -> Sequence[Observation]:
        """Asks what became of work; see ``fabric.ledger.port``. What is committed here is final."""
        return await self._observer.observe(work) if work else []

    async def key_state(self, keys: KeySet) -> KeyState | None:
        """Returns the state of an enclave's keys, None when they are not registered."""
        value = await self._asking.reader.value(key_entry(keys.ed25519).decode())
        try:
            return KeyEntry.decode(value).state if value else None
        except Malformed as error:
            raise LedgerUnavailable(str(error)) from error

    async def is_settled(self, batch: BatchId) -> bool:
        """Says whether a batch is anchored."""
        return await self._asking.reader.value(batch_entry(batch).decode()) is not None

    async def is_spent(self, intent: IntentId) -> bool:
        """Says whether an intent was consumed."""
        return await self._asking.reader.value(intent_entry(intent).decode()) is not None

    async def requests(self, cursor: bytes, limit: int) -> RequestPage:
        """Returns up to ``limit`` requests after the cursor; see ``fabric.ledger.port.RequestSource``."""
        page = await self._requests.page(cursor, limit)
        return RequestPage(tuple(map(_request, page.events)), page.cursor)

    async def mailbox_events(self, cursor: bytes, limit: int) -> MailboxPage:
        """Returns up to ``limit`` mailbox events after the cursor; see ``fabric.ledger.port.MailboxSource``."""
        page = await self._mailbox.page(cursor, limit)
        return MailboxPage(tuple(map(_event, page.events)), page.cursor)

    async def event_material(self, events: Sequence[MailboxEvent]) -> Sequence[JsonObject]:
        """Returns what shows each event offline, see docs/spec/hyperledger.md."""
        return await asyncio.gather(*map(self._material, events))

    async def ledger_time(self) -> int:
        """Returns the time that endorsers let a transaction have now, Unix seconds; raises ``LedgerUnavailable``."""
        return (await self._asking.reader.read([GENESIS_KEY])).time

    async def health(self) -> JsonObject:
        """Returns the newest block and the client's certificate; see ``fabric.ledger.health``."""
        endorser, limits = self._asking.endorser, self._asking.limits
        return health(await self._chain.newest(limits.deliver_seconds), endorser.client, self._clock.unix_seconds())

    async def aclose(self) -> None:
        """Releases the connections; idempotent."""
        await self._asking.peers.aclose()

    def _remind(self) -> None:
        """Logs once a day that the client's certificate ends soon, or has ended."""
        client, now = self._asking.endorser.client, self._clock.unix_seconds()
        if client.seconds_left(now) < WARN_SECONDS and now - self._reminded >= _DAY:
            self._reminded = now
            _log.warning(warning(client, now), destination=self._destination.id.hex())

    async def _submit(self, sent: Sent) -> str:
        """Sends one envelope; returns why it may not have been taken, or nothing."""
        if sent.certificate_end() < self._clock.unix_seconds():
            return f"{sent.transaction}: the certificate that it was signed under has ended"
        request = gateway_pb2.SubmitRequest(
            transaction_id=sent.transaction,
            channel_id=self._asking.endorser.place.channel,
            prepared_transaction=common_pb2.Envelope.FromString(sent.envelope),
        )
        try:
            async with self._free:
                await self._asking.peers.ask(SUBMIT, request, self._asking.limits.submit_seconds)
        except PeerError as error:
            return f"{sent.transaction}: {error}"
        self._observer.remember(sent.transaction)
        return ""

    async def _material(self, event: MailboxEvent) -> JsonObject:
        # The kind says whether the subject is a channel or a message, and each entry takes the id of its own.
        key = _KEYS[event.kind](event.subject.id).decode()  # type: ignore[operator]
        read = await self._asking.reader.read([key])
        if read.found[key] is None:
            message = f"mailbox event {event.index} is told of, and the endorsers do not have {key}"
            raise LedgerUnavailable(message)
        return {
            "told": event.kind.value,
            "message": event.subject.encoded.hex(),
            "data": write_base64(event.data),
            "read": read.material,
        }


def _request(placed: Placed) -> Request:
    assert isinstance(placed.happening, Asked)  # noqa: S101 - what this series holds
    entry = placed.happening.entry
    return Request(
        index=placed.index,
        invocation=entry.invocation,
        requester=entry.requester,
        nonce=entry.nonce,
        method=entry.method,
        input=entry.input,
        binding=entry.binding,
        state_version=entry.state_version,
        time=entry.time,
        locator=placed.locator,
    )


def _event(placed: Placed) -> MailboxEvent:
    assert isinstance(placed.happening, Told)  # noqa: S101 - what this series holds
    told = placed.happening
    where = (placed.time, placed.block, placed.locator)
    return MailboxEvent(placed.index, told.kind, told.subject, told.data, *where)
