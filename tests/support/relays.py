"""Two ledgers in memory and a whole relay between them: real store, rules, dispatchers, watchers, pipeline, signatures.

Of the enclave only the process is missing: the stand-in looks an event up on the ledger instead of checking a proof.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from adapters.native.destination import Native
from fabric.core import canonical
from fabric.core.clock import FrozenClock
from fabric.core.crashpoint import CrashPoint
from fabric.core.errors import FabricError, NotFound
from fabric.core.ids import Account, DestinationId, Digest, Measurement, sha256
from fabric.core.model import Failure, Invocation, Outcome
from fabric.enclave.records import Recorder
from fabric.invoke.acceptor import Acceptor, Keyed
from fabric.invoke.admission import Desk
from fabric.invoke.catalogue import Catalogue
from fabric.invoke.pipeline import Pipeline
from fabric.ledger.dispatcher import Dispatcher
from fabric.ledger.fakes.memory import MemoryLedger
from fabric.ledger.fakes.posts import posted
from fabric.ledger.rules import operations
from fabric.ledger.rules.mailbox import find_delivery, find_message
from fabric.ledger.rules.mailbox_entries import MessageState as LedgerState
from fabric.ledger.rules.state import Genesis
from fabric.ledger.watcher import Watcher, mailbox_of
from fabric.relay.lookout import Lookout, Post
from fabric.relay.mailroom import Mailroom
from fabric.relay.model import RELAY_CALLER
from fabric.relay.relay import Relay
from fabric.sdk.messages import LedgerEvent, LedgerMessage, Told, acknowledge, deliver
from fabric.store.mail import MessageRow, MessageState, Step
from fabric.store.store import Store, open_store
from fabric.trust import eip712
from fabric.trust.batch import SignedBatch, header_of
from fabric.trust.binding import Binding, write_binding
from fabric.trust.destination import Destination
from fabric.trust.letter import message_object
from fabric.trust.message import Channel, End, Message, Shown
from fabric.trust.publication import Publication
from fabric.trust.schemes import ED25519
from fabric.wire.codec import RunResult
from fabric.wire.service import Answer, Call, InvokeRequest
from tests.support.batches import APPRAISER, ENCLAVE, FABRIC, NOW, attest, destination
from tests.support.projects import RELAY, built, signed

SENDER: Final = Account(sha256(b"sender"))
RECIPIENT: Final = Account(sha256(b"recipient"))
SOURCE: Final = destination("a")
DESTINATION: Final = destination("b")
LIFE: Final = 100
"""Seconds for which a message may be delivered, unless a test says otherwise."""
BODY: Final = b"a claim"
CHANNEL_OF_NOBODY: Final = sha256(b"no channel")


class RelayBundle:
    """A bundle source with the relay cryptlet of the box."""

    def get(self, measurement: Measurement) -> tuple[bytes, Publication]:
        if measurement != built(RELAY).bundle.measurement:
            raise NotFound(f"no bundle {measurement.hex()}")
        return built(RELAY).wheel, signed(built(RELAY))

    def resolve(self, name: str, version: str | None = None) -> Measurement:
        raise NotFound(f"{name}@{version}")


def route(place: Destination, **changes: canonical.JsonValue) -> canonical.JsonObject:
    """Returns the route of a relay's binding to the mailbox of a ledger."""
    fields: canonical.JsonObject = {
        "id": place.id.hex(),
        "recipient": place.settlement.hex(),
        "consume": True,
        "codec": {"kind": "message"},
    }
    return fields | changes


def source(place: Destination, *, accept_asserted: bool = True) -> canonical.JsonObject:
    """Returns the entry of a relay's binding that lets events of a ledger count."""
    return {
        "destination": place.to_json(),
        "trust": {},
        "minimum_status": "included",
        "accept_asserted": accept_asserted,
    }


def relay_binding(place: Destination, teller: Destination, **changes: canonical.JsonValue) -> Binding:
    """Returns a binding under which records for the mailbox of one ledger rest on events of another."""
    fields: canonical.JsonObject = {
        "name": f"relay to {place.id.hex()[:8]}",
        "cryptlet": "relay@1.0.0",
        "measurement": built(RELAY).bundle.measurement.hex(),
        "methods": ["acknowledge", "deliver"],
        "callers": [RELAY_CALLER],
        "requesters": [],
        "valid_seconds": 3_600,
        "destinations": [route(place)],
        "sources": [source(teller)],
    }
    return write_binding(fields | changes)


@dataclass
class StandInEnclave:
    """Runs the relay cryptlet's two functions on events that the ledgers in memory really have.

    Attributes:
        ledgers: by destination id.
        ran: the method and the message of each run.
        fails: raised instead of running.
        failure: given instead of an outcome.
    """

    ledgers: dict[DestinationId, MemoryLedger]
    ran: list[tuple[str, bytes]] = field(default_factory=list)
    fails: FabricError | None = None
    failure: Failure | None = None

    async def run(self, binding: Binding, invocations: Sequence[Invocation]) -> RunResult:
        if self.fails:
            raise self.fails
        if self.failure:
            return RunResult(tuple(Outcome(one.id, None, self.failure) for one in invocations), ())
        recorder = Recorder(FABRIC, binding, "relay@1.0.0", "none", tuple(Native() for _ in binding.routes))
        outputs = [self._answer(one) for one in invocations]
        columns = zip(*map(recorder.seal, invocations, outputs), strict=True)
        batches = []
        for where, entries in zip(binding.routes, columns, strict=True):
            header = header_of([entry.record for entry in entries], 1)
            typed = eip712.header_digest(header, self.ledgers[where.destination].destination)
            batches.append(SignedBatch(header, ENCLAVE.signatures(header.encoded, typed), entries))
        outcomes = tuple(Outcome(one.id, output) for one, output in zip(invocations, outputs, strict=True))
        return RunResult(outcomes, tuple(batches))

    def _answer(self, invocation: Invocation) -> bytes:
        given: Any = canonical.decode_object(invocation.input)["events"]
        place = DestinationId(bytes.fromhex(given[0]["destination"]))
        event = posted(self.ledgers[place].chain.blocks)[given[0]["material"]["index"]]
        assert isinstance(event.subject, Message)
        self.ran.append((invocation.method, event.subject.id))
        told = LedgerEvent(
            destination=place.hex(),
            event=cast("Told", event.kind.value),
            message=LedgerMessage.model_validate(message_object(event.subject)),
            data=base64.b64encode(event.data).decode(),
            time=event.time,
            position=event.position,
            status="included",
            source="asserted",
        )
        letter = deliver(told) if invocation.method == "deliver" else acknowledge(told)
        return canonical.encode(json.loads(letter.model_dump_json()))


@dataclass
class World:
    """A fabric on two ledgers, driven step by step."""

    folder: Path
    store: Store
    clock: FrozenClock
    ledgers: dict[DestinationId, MemoryLedger]
    enclave: StandInEnclave
    crash: Callable[[CrashPoint], None] = lambda _point: None

    def __post_init__(self) -> None:
        self.channel = self.channel_of()
        self.sent = 0
        self.restart()

    @property
    def source(self) -> MemoryLedger:
        return self.ledgers[SOURCE.id]

    @property
    def destination(self) -> MemoryLedger:
        return self.ledgers[DESTINATION.id]

    def restart(self, *, without: frozenset[DestinationId] = frozenset()) -> None:
        """Begins with nothing in memory but what the store has."""

        def reached(point: CrashPoint) -> None:
            self.crash(point)

        acceptor = Acceptor(self.store, self.enclave.run, {ENCLAVE.key: Digest(ENCLAVE.public.id)}, self.clock, reached)

        async def gather(rules: Binding, items: Sequence[Keyed]) -> Sequence[Outcome | FabricError]:
            return await acceptor.accept(rules, items)

        self.pipeline = Pipeline(Desk(FABRIC, 5_000), Catalogue(RelayBundle()), gather, self.clock)
        self.posts = {
            name: Post(ledger.destination, ledger, asserted=True)
            for name, ledger in self.ledgers.items()
            if name not in without
        }
        lookout = Lookout(FABRIC, self.posts, self.store, self.clock)
        self.relay = Relay(lookout, self.store, self.invoke, self.clock, reached=reached)
        self.dispatchers = [
            Dispatcher(ledger, self.store.outbox, self.clock, reached=reached) for ledger in self.ledgers.values()
        ]
        self.watchers = []
        for name, post in self.posts.items():
            watched = mailbox_of(name, post.source)
            room = Mailroom(watched, self.store, self.clock, self.relay.wake, reached)
            self.watchers.append(Watcher(watched, self.store, room.accept, self.clock))

    async def invoke(self, binding: Binding, calls: Sequence[Call]) -> Sequence[Answer]:
        request = InvokeRequest(binding.name, tuple(calls))
        return (await self.pipeline.invoke(RELAY_CALLER, binding, request)).answers

    async def register(self) -> None:
        """Makes the enclave known, puts both bindings in force and opens both ends."""
        await self.store.attest(attest([*self.ledgers]), [*self.ledgers])
        await self.bind(relay_binding(SOURCE, DESTINATION), relay_binding(DESTINATION, SOURCE))
        self.open_source()
        self.open_destination()

    async def bind(self, *bindings: Binding) -> None:
        for binding in bindings:
            await self.store.bindings.put(binding, NOW)

    def channel_of(
        self, *, back: Binding | None = None, forth: Binding | None = None, accepts: Shown = Shown.ASSERTED
    ) -> Channel:
        """Returns a channel whose ends name the usual bindings, or others."""
        back, forth = back or relay_binding(SOURCE, DESTINATION), forth or relay_binding(DESTINATION, SOURCE)
        own = End(SOURCE.id, SENDER, back.version, Shown.ASSERTED)
        return Channel.between(own, End(DESTINATION.id, RECIPIENT, forth.version, accepts), bytes(32))

    def open_source(self) -> None:
        self.source.act(SENDER, operations.OpenChannel(self.channel))

    def open_destination(self) -> None:
        self.destination.act(RECIPIENT, operations.OpenChannel(self.channel))

    def send(self, *, life: int = LIFE, body: bytes = BODY) -> Message:
        """Sends the next message of the channel."""
        expiry = self.clock.unix_seconds() + life
        ends = (SOURCE.id, DESTINATION.id, SENDER, RECIPIENT)
        message = Message(self.channel.id, *ends, self.sent, expiry, sha256(body))
        self.source.act(SENDER, operations.Send(message, body))
        self.sent += 1
        return message

    async def watch(self) -> None:
        for watcher in self.watchers:
            while await watcher.step():
                pass

    async def dispatch(self) -> None:
        for dispatcher in self.dispatchers:
            while await dispatcher.round():
                pass

    async def carry(self) -> None:
        while await self.relay.step():
            pass

    async def turn(self, times: int = 1) -> None:
        """Lets everything do what it can do now, so often."""
        for _ in range(times):
            await self.watch()
            await self.carry()
            await self.dispatch()
            await self.watch()
            await self.carry()

    async def hours(self, count: int) -> None:
        """Lets so many hours pass, in steps of ten minutes: nothing waits longer between two attempts."""
        for _ in range(6 * count):
            await self.turn()
            self.clock.advance(600)

    async def settle(self) -> None:
        """Goes on until no message is on its way, or for some hours."""
        for _ in range(200):
            await self.turn()
            if await self.store.messages.soonest() is None:
                return
            self.clock.advance(61)

    async def row(self, message: Message) -> MessageRow:
        return await self.store.messages.named(message.id.hex())

    async def state(self, message: Message) -> tuple[str, str]:
        passage = (await self.row(message)).passage
        return passage.state.value, passage.reason.value

    async def steps(self, message: Message) -> list[Step]:
        return await self.store.messages.steps(await self.row(message))

    async def story(self, message: Message) -> list[tuple[MessageState, str]]:
        return [(step.state, step.reason.value) for step in await self.steps(message)]

    def told(self, message: Message) -> str:
        """Returns what the destination has of a message."""
        found = find_delivery(self.destination.chain.state, message.id)
        return found.ending.name.lower() if found else "nothing"

    def closed(self, message: Message) -> LedgerState:
        """Returns what the source has of a message."""
        found = find_message(self.source.chain.state, message.id)
        assert found is not None
        return found.state


async def open_world(folder: Path, *, finality: int = 0) -> World:
    """Opens a world in a folder; close its store at the end."""
    clock = FrozenClock(NOW)
    store = await open_store(folder / "fabric.db", folder / "blobs", clock)
    ledgers = {
        place.id: MemoryLedger(Genesis(place, (APPRAISER.public,), 1, ED25519), clock, finality=finality)
        for place in (SOURCE, DESTINATION)
    }
    return World(folder, store, clock, ledgers, StandInEnclave(ledgers))
