"""Sources: the ledger events that an invocation rests on, checked before it runs and again by a verifier.

Under a binding with sources the input carries the events' material. What a cryptlet sees, and what the statement says,
is what the check gave, never the material itself (docs/spec/message.md).
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import FabricError, SourceRefused
from fabric.core.ids import DestinationId, parse_word
from fabric.trust.binding import Binding, EventSource
from fabric.trust.fields import read_list, read_object
from fabric.trust.kind import DestinationKind, Source, SourceEvent, Status, Told
from fabric.trust.letter import message_object

MAX_EVENTS: Final = 4
MAX_INPUT_BYTES: Final = 1 << 20
"""Of an invocation under a binding without sources; and of any one as the cryptlet sees it."""
MAX_SHOWN_BYTES: Final = 32 << 20
"""Of one under a binding with sources, which holds their events' material. The longest material that an adapter's
check takes must fit, or whoever makes it long keeps a message from ever being told: an Ethereum receipt is 15 MB in a
block of 120 million gas, twice as long in hexadecimal, and headers come with it (``adapters.ethereum.anchorage``)."""
Kinds = Callable[[str], DestinationKind]
"""Gives the pure part of an adapter by the name of its ledger kind."""
_RANK: Final = {status: rank for rank, status in enumerate(Status)}


@dataclass(frozen=True)
class Witnessed:
    """An event that holds under its binding.

    Attributes:
        destination: the ledger that tells.
        event: what it tells.
    """

    destination: DestinationId
    event: SourceEvent

    @property
    def facts(self) -> JsonObject:
        """What the cryptlet sees: the message and the data as well."""
        message, data = message_object(self.event.message), base64.b64encode(self.event.data).decode()
        return self._common | {"message": message, "data": data}

    @property
    def summary(self) -> JsonObject:
        """What the statement says: the message by its id, no data."""
        return self._common | {"message": self.event.message.id.hex()}

    @property
    def _common(self) -> JsonObject:
        anchorage = self.event.anchorage
        return {
            "destination": self.destination.hex(),
            "event": str(self.event.told),
            "position": anchorage.position,
            "source": str(anchorage.source),
            "status": str(anchorage.status),
            "time": anchorage.time,
        }


def longest_input(binding: Binding) -> int:
    """Returns how many bytes an invocation's input may have under a binding."""
    return MAX_SHOWN_BYTES if binding.sources else MAX_INPUT_BYTES


def check_sources(binding: Binding, data: bytes, kinds: Kinds) -> tuple[Witnessed, ...]:
    """Checks the events of an input; of a binding without sources there are none, whatever the input.

    Args:
        binding: says which ledgers count, and under which roots.
        data: the invocation's input.
        kinds: the adapters' pure parts.

    Raises:
        SourceRefused: with the event's place in the list and what does not hold.
    """
    if not binding.sources:
        return ()
    sources = {source.destination.id: source for source in binding.sources}
    try:
        events = read_list(_events_of(data), _parse, "input.events", MAX_EVENTS)
    except FabricError as error:
        raise SourceRefused(str(error)) from error
    if not events:
        raise SourceRefused("input.events: expected at least one event")
    return tuple(_check(at, event, sources, kinds) for at, event in enumerate(events))


def input_of(data: bytes, witnessed: Sequence[Witnessed]) -> bytes:
    """Returns the input as the cryptlet gets it: what the checks gave stands in the place of each event's material."""
    if not witnessed:
        return data
    fields = canonical.decode_object(data)
    return canonical.encode(fields | {"events": [one.facts for one in witnessed]})


def _events_of(data: bytes) -> JsonValue:
    value = canonical.parse(data)
    return value.get("events") if isinstance(value, dict) else None


def _parse(value: JsonValue) -> tuple[DestinationId, JsonObject]:
    fields = read_object(value, frozenset({"destination", "material"}), "input.events")
    material = fields["material"]
    destination = DestinationId(parse_word(fields["destination"], "input.events.destination"))
    return destination, material if isinstance(material, dict) else {}


def _check(
    at: int, event: tuple[DestinationId, JsonObject], sources: dict[DestinationId, EventSource], kinds: Kinds
) -> Witnessed:
    destination, material = event
    try:
        source = _source_of(destination, sources)
        shown = kinds(source.destination.kind).check_event(source.destination, material, source.trust)
        _demand(shown, source)
    except FabricError as error:
        raise SourceRefused(f"event {at}: {error}") from error
    return Witnessed(destination, shown)


def _source_of(destination: DestinationId, sources: dict[DestinationId, EventSource]) -> EventSource:
    if destination not in sources:
        raise SourceRefused(f"the binding takes no events of ledger {destination.hex()}")
    return sources[destination]


def _demand(shown: SourceEvent, source: EventSource) -> None:
    anchorage = shown.anchorage
    if _RANK[anchorage.status] < _RANK[source.minimum_status]:
        raise SourceRefused(f"status {anchorage.status} is less than {source.minimum_status}")
    if anchorage.source is not Source.PROVEN and not source.accept_asserted:
        raise SourceRefused("the ledger's word is only asserted")
    teller = shown.message.source if shown.told is Told.SENT else shown.message.destination
    if teller != source.destination.id:
        raise SourceRefused("the message is of another ledger than the one that tells of it")
