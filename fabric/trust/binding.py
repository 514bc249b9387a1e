"""Binding: who may run which cryptlet and where its results go; versioned by hash (docs/spec/binding.md).

The minimum of this release: cryptlet, methods, callers, requesters, destinations, and the ledgers whose events count.
Schema, counterparties and their signatures are not in it yet; a channel locks the bindings of its two ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.capabilities import KNOWN
from fabric.core.errors import Malformed
from fabric.core.ids import Account, BindingVersion, DestinationId, Measurement, caller_account, parse_word, sha256
from fabric.trust.destination import Destination, parse_destination
from fabric.trust.fields import read_choice, read_list, read_object
from fabric.trust.kind import Status

FORMAT: Final = "cryptlet-fabric/binding/v1"
MAX_DESTINATIONS: Final = 16
MAX_SOURCES: Final = 16
MAX_BYTES: Final = 65_536
MAX_VALID_SECONDS: Final = 10 * 366 * 86_400
"""Ten years: longer than any settlement needs, short enough for every integer of every ledger."""
_NAMES: Final = frozenset(
    (
        "callers",
        "cryptlet",
        "destinations",
        "format",
        "measurement",
        "methods",
        "name",
        "requesters",
        "sources",
        "valid_seconds",
    )
)
_CAPABILITIES: Final = "capabilities"
"""There exactly where something is granted, so that one binding has one spelling."""
_SOURCE_NAMES: Final = frozenset(("accept_asserted", "destination", "minimum_status", "trust"))


@dataclass(frozen=True)
class Route:
    """One destination of a binding.

    Attributes:
        destination: where the record takes effect.
        recipient: the account that may consume it; zero for anchoring only.
        consume: whether the fabric itself delivers the record to the recipient once it is settled.
        codec: how the destination encodes the payload from the output, see docs/spec/binding.md.
    """

    destination: DestinationId
    recipient: Account
    consume: bool
    codec: Mapping[str, JsonValue]


@dataclass(frozen=True)
class EventSource:
    """A ledger whose events count under a binding, and what they are checked under (docs/spec/message.md).

    Attributes:
        destination: the deployment.
        trust: the roots that its kind takes, as in a policy.
        minimum_status: the least that an event must have reached.
        accept_asserted: whether the ledger's word suffices where it cannot be proven.
    """

    destination: Destination
    trust: JsonObject
    minimum_status: Status
    accept_asserted: bool


@dataclass(frozen=True)
class Binding:
    """A parsed binding; ``document`` is its canonical JSON, ``version`` the hash of that.

    Attributes:
        document: the canonical bytes.
        name: the name by which callers address it.
        cryptlet: ``name@version`` of the cryptlet, for people; the measurement decides.
        measurement: the bundle that runs.
        methods: names of the methods that may be called.
        callers: names of the callers that may invoke it.
        requesters: ledger accounts whose requests are answered.
        routes: the destinations, in the order of the document.
        sources: the ledgers whose events count.
        valid_seconds: how long after its as-of time a record may be settled or consumed.
        capabilities: what the cryptlet may use beyond a container of its own.
    """

    document: bytes
    name: str
    cryptlet: str
    measurement: Measurement
    methods: frozenset[str]
    callers: frozenset[str]
    requesters: frozenset[Account]
    routes: tuple[Route, ...]
    sources: tuple[EventSource, ...]
    valid_seconds: int
    capabilities: frozenset[str] = frozenset()

    @cached_property
    def version(self) -> BindingVersion:
        """SHA-256 of the canonical document."""
        return BindingVersion(sha256(self.document))

    @cached_property
    def accounts(self) -> frozenset[Account]:
        """Everybody in whose name an invocation may run: the callers' accounts and the requesters."""
        return frozenset(map(caller_account, self.callers)) | self.requesters

    @classmethod
    def parse(cls, document: bytes) -> Self:
        """Reads a canonical binding document; raises ``Malformed``."""
        value = canonical.decode_object(document, max_bytes=MAX_BYTES)
        if set(value) - {_CAPABILITIES} != _NAMES or value["format"] != FORMAT:
            raise Malformed("binding", f"expected format {FORMAT!r} and the names {sorted(_NAMES)}")
        destinations = value["destinations"]
        if not isinstance(destinations, list) or not 1 <= len(destinations) <= MAX_DESTINATIONS:
            raise Malformed("binding.destinations", f"expected 1 to {MAX_DESTINATIONS} destinations")
        routes = tuple(_route(item) for item in destinations)
        if len({route.destination for route in routes}) != len(routes):
            raise Malformed("binding.destinations", "a destination twice")
        return cls(
            document=document,
            name=_text(value["name"], "name"),
            cryptlet=_text(value["cryptlet"], "cryptlet"),
            measurement=Measurement(parse_word(value["measurement"], "binding.measurement")),
            methods=frozenset(_texts(value["methods"], "methods")),
            callers=frozenset(_texts(value["callers"], "callers")),
            requesters=frozenset(
                Account(parse_word(text, "binding.requesters")) for text in _texts(value["requesters"], "requesters")
            ),
            routes=routes,
            sources=_sources(value["sources"]),
            valid_seconds=_seconds(value["valid_seconds"]),
            capabilities=_capabilities(value[_CAPABILITIES]) if _CAPABILITIES in value else frozenset(),
        )


def write_binding(fields: JsonObject) -> Binding:
    """Returns the binding of the given fields: all but ``format``; ``sources`` and ``capabilities`` only where any are.

    Raises:
        Malformed: they are none of a binding.
    """
    return Binding.parse(canonical.encode({"sources": []} | fields | {"format": FORMAT}))


def _route(value: JsonValue) -> Route:
    if not isinstance(value, dict) or set(value) != {"codec", "consume", "id", "recipient"}:
        raise Malformed("binding.destinations", "expected objects with codec, consume, id, recipient")
    codec, consume = value["codec"], value["consume"]
    if not isinstance(codec, dict) or not isinstance(consume, bool):
        raise Malformed("binding.destinations", "codec is an object, consume a boolean")
    destination = DestinationId(parse_word(value["id"], "binding.destinations.id"))
    recipient = Account(parse_word(value["recipient"], "binding.destinations.recipient"))
    return Route(destination, recipient, consume, codec)


def _sources(value: JsonValue) -> tuple[EventSource, ...]:
    sources = read_list(value, _source, "binding.sources", MAX_SOURCES)
    if len({source.destination.id for source in sources}) != len(sources):
        raise Malformed("binding.sources", "a ledger twice")
    return sources


def _source(value: JsonValue) -> EventSource:
    fields = read_object(value, _SOURCE_NAMES, "binding.sources")
    trust, asserted = fields["trust"], fields["accept_asserted"]
    if not isinstance(trust, dict) or not isinstance(asserted, bool):
        raise Malformed("binding.sources", "trust is an object, accept_asserted a boolean")
    status = read_choice(fields["minimum_status"], tuple(Status), "binding.sources.minimum_status")
    return EventSource(parse_destination(fields["destination"]), trust, Status(status), asserted)


def _capabilities(value: JsonValue) -> frozenset[str]:
    names = frozenset(_texts(value, _CAPABILITIES))
    if not names or names - KNOWN:
        raise Malformed(
            f"binding.{_CAPABILITIES}", f"expected names of {sorted(KNOWN)}; left out where none is granted"
        )
    return names


def _text(value: JsonValue, name: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 200:  # noqa: PLR2004 - a line of text
        raise Malformed(f"binding.{name}", "expected 1 to 200 characters")
    return value


def _texts(value: JsonValue, name: str) -> list[str]:
    if not isinstance(value, list):
        raise Malformed(f"binding.{name}", "expected a list")
    texts = [_text(item, name) for item in value]
    if texts != sorted(set(texts)):
        raise Malformed(f"binding.{name}", "expected ascending order without repetition")
    return texts


def _seconds(value: JsonValue) -> int:
    if type(value) is not int or not 1 <= value <= MAX_VALID_SECONDS:
        raise Malformed("binding.valid_seconds", "expected 1 second to 10 years")
    return value
