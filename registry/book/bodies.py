"""Bodies: what an entry states, one class a kind (docs/spec/registry.md, section 2).

Each reads and writes its own JSON strictly. What is allowed when is decided in ``registry.book.rules``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import Measurement, parse_word
from fabric.trust.fields import read_choice, read_hex, read_integer, read_list, read_object, read_text
from fabric.trust.publication import Publication, parse_publication
from fabric.trust.standing import MAX_REASON, State

MAX_KEYS: Final = 16
MAX_ISSUERS: Final = 8
MAX_CLAIMS: Final = 16
MAX_WHEEL_BYTES: Final = 32 << 20
MAX_DOCUMENT: Final = 32_768
_LAST: Final = 2**53 - 1
_KEY_BYTES: Final = 32


@dataclass(frozen=True)
class Issuer:
    """Whose OIDC tokens may stage releases: the issuer's URL, and claims that must have these very values."""

    url: str
    audience: str
    claims: Mapping[str, str]

    def to_json(self) -> JsonObject:
        """Returns it as a JSON object."""
        return {"audience": self.audience, "claims": dict(self.claims), "url": self.url}


@dataclass(frozen=True)
class Owners:
    """Who owns a namespace from now on.

    Attributes:
        keys: Ed25519 keys, ascending; without any the namespace is closed for good.
        threshold: how many of them a release and a change of owners take.
        issuers: whose tokens may stage releases.
    """

    keys: tuple[bytes, ...]
    threshold: int
    issuers: tuple[Issuer, ...] = ()

    def to_json(self) -> JsonObject:
        """Returns it as a JSON object."""
        return {
            "issuers": [item.to_json() for item in self.issuers],
            "keys": [key.hex() for key in self.keys],
            "threshold": self.threshold,
        }


@dataclass(frozen=True)
class Claim:
    """A namespace begins. Of the namespace ``registry`` it is the log's first entry."""

    owners: Owners

    def to_json(self) -> JsonObject:
        """Returns it as a JSON object."""
        return self.owners.to_json()


@dataclass(frozen=True)
class Release:
    """A bundle is published under a namespace.

    Attributes:
        publication: the publisher's word, with its signature.
        size: of the wheel file, bytes.
        staged: whether a second key must confirm, whatever the namespace's threshold.
        provenance: who staged it, as the registry read it from a token; empty otherwise.
    """

    publication: Publication
    size: int
    staged: bool = False
    provenance: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """Returns it as a JSON object."""
        return {
            "provenance": dict(self.provenance),
            "publication": self.publication.to_json(),
            "size": self.size,
            "staged": self.staged,
        }


@dataclass(frozen=True)
class Change:
    """A bundle's state changes."""

    measurement: Measurement
    state: State
    reason: str

    def to_json(self) -> JsonObject:
        """Returns it as a JSON object."""
        return {"measurement": self.measurement.hex(), "reason": self.reason, "state": self.state.value}


@dataclass(frozen=True)
class Compromise:
    """A key is lost to somebody else: what it signed from ``since`` on, Unix seconds of the log, is revoked."""

    key: bytes
    since: int

    def to_json(self) -> JsonObject:
        """Returns it as a JSON object."""
        return {"key": self.key.hex(), "since": self.since}


@dataclass(frozen=True)
class Rebuild:
    """The namespace's owner built a bundle again, from its sources, and got the same bytes."""

    measurement: Measurement

    def to_json(self) -> JsonObject:
        """Returns it as a JSON object."""
        return {"measurement": self.measurement.hex()}


@dataclass(frozen=True)
class Link:
    """A publisher's key and a ledger account sign each other; the document holds both."""

    document: JsonObject

    def to_json(self) -> JsonObject:
        """Returns it as a JSON object."""
        return {"document": self.document}


@dataclass(frozen=True)
class Service:
    """A data service is listed: its document (docs/spec/bundle.md) under a name and a version."""

    name: str
    version: str
    document: JsonObject

    def to_json(self) -> JsonObject:
        """Returns it as a JSON object."""
        return {"document": self.document, "name": self.name, "version": self.version}


Body = Claim | Owners | Release | Change | Compromise | Rebuild | Link | Service


def read_body(kind: str, value: JsonValue) -> Body:
    """Reads the body of a kind; raises ``Malformed``."""
    return _READERS[read_choice(kind, tuple(_READERS), "entry.kind")](value)


def kind_of(body: Body) -> str:
    """Returns the kind's name."""
    return _KINDS[type(body)]


def _read_owners(value: JsonValue) -> Owners:
    fields = read_object(value, frozenset(("issuers", "keys", "threshold")), "entry.owners")
    keys = read_list(fields["keys"], lambda item: read_hex(item, "entry.keys", _KEY_BYTES), "entry.keys", MAX_KEYS)
    if list(keys) != sorted(set(keys)):
        raise Malformed("entry.keys", "expected each key once, in ascending order")
    threshold = read_integer(fields["threshold"], "entry.threshold", min(1, len(keys)), len(keys))
    return Owners(keys, threshold, read_list(fields["issuers"], _read_issuer, "entry.issuers", MAX_ISSUERS))


def _read_issuer(value: JsonValue) -> Issuer:
    fields = read_object(value, frozenset(("audience", "claims", "url")), "entry.issuers")
    audience = read_text(fields["audience"], "entry.issuers.audience")
    return Issuer(read_text(fields["url"], "entry.issuers.url"), audience, _read_texts(fields["claims"], "claims"))


def _read_texts(value: JsonValue, name: str) -> Mapping[str, str]:
    if not isinstance(value, dict) or len(value) > MAX_CLAIMS:
        raise Malformed(f"entry.{name}", f"expected an object of at most {MAX_CLAIMS} texts")
    place = f"entry.{name}"
    return MappingProxyType({read_text(key, place): read_text(text, place, 1000) for key, text in value.items()})


def _read_release(value: JsonValue) -> Release:
    fields = read_object(value, frozenset(("provenance", "publication", "size", "staged")), "entry.release")
    if not isinstance(fields["staged"], bool):
        raise Malformed("entry.release.staged", "expected true or false")
    return Release(
        parse_publication(fields["publication"]),
        read_integer(fields["size"], "entry.release.size", 1, MAX_WHEEL_BYTES),
        fields["staged"],
        _read_texts(fields["provenance"], "release.provenance"),
    )


def _read_change(value: JsonValue) -> Change:
    fields = read_object(value, frozenset(("measurement", "reason", "state")), "entry.change")
    state = State(read_choice(fields["state"], tuple(State), "entry.change.state"))
    reason = fields["reason"]
    if not isinstance(reason, str) or len(reason) > MAX_REASON or bool(reason) is (state is State.ACTIVE):
        raise Malformed("entry.change.reason", f"empty for active, else 1 to {MAX_REASON} characters")
    return Change(_read_measurement(fields["measurement"]), state, reason)


def _read_measurement(value: JsonValue) -> Measurement:
    return Measurement(parse_word(value, "entry.measurement"))


def _read_compromise(value: JsonValue) -> Compromise:
    fields = read_object(value, frozenset(("key", "since")), "entry.compromise")
    since = read_integer(fields["since"], "entry.compromise.since", 0, _LAST)
    return Compromise(read_hex(fields["key"], "entry.compromise.key", _KEY_BYTES), since)


def _read_service(value: JsonValue) -> Service:
    fields = read_object(value, frozenset(("document", "name", "version")), "entry.service")
    document = _read_document(fields["document"])
    name = read_text(fields["name"], "entry.service.name", 64)
    return Service(name, read_text(fields["version"], "entry.service.version", 32), document)


def _read_document(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise Malformed("entry.document", "expected an object")
    return value


_READERS: Final[Mapping[str, Callable[[JsonValue], Body]]] = {
    "claim": lambda value: Claim(_read_owners(value)),
    "owners": _read_owners,
    "release": _read_release,
    "change": _read_change,
    "compromise": _read_compromise,
    "rebuild": lambda value: Rebuild(
        _read_measurement(read_object(value, frozenset(("measurement",)), "entry.rebuild")["measurement"])
    ),
    "link": lambda value: Link(_read_document(read_object(value, frozenset(("document",)), "entry.link")["document"])),
    "service": _read_service,
}
_KINDS: Final[Mapping[type[Body], str]] = {
    Claim: "claim",
    Owners: "owners",
    Release: "release",
    Change: "change",
    Compromise: "compromise",
    Rebuild: "rebuild",
    Link: "link",
    Service: "service",
}
