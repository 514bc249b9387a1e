"""Shapes: what the API's answers look like (docs/spec/registry-api.md).

They cost nothing when an answer is made: mypy holds the endpoints to them, ``registry.server.openapi`` makes JSON
Schemas of them, and tests hold real answers to those. No shape lets a name through that it does not list.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from fabric.core.errors import Retry
from fabric.trust.standing import State
from registry.server.entries import Count, Entry, Issuer, Kind, Name, Ref, Shape, Version, Word

PAGE: Final = 50
"""How many results of a search, or items that wait, are answered at once."""
MAX_QUERY: Final = 200
Waits = Annotated[str, WithJsonSchema({"type": "string", "enum": ["entry", "staged"]})]
Meta = TypedDict("Meta", {"api-version": Literal["1.0"]})
META: Final[Meta] = {"api-version": "1.0"}


class Answer(Shape):
    """What every answer has."""

    meta: Meta


class Front(Answer):
    """Which log this is."""

    origin: Annotated[str, Field(min_length=1, max_length=255)]
    """Name of the log."""
    entries: Count
    """How many the log has."""
    bundles: Count
    """How many are published."""
    openapi: Literal["openapi.json"]
    """Where the description of this API is, relative to this address."""


class Found(Shape):
    """The newest release of a cryptlet that a search found."""

    ref: Ref
    description: str
    """One line of its author's; empty where its wheel could not be read."""
    measurement: Word
    state: State


class Search(Answer):
    """One page of what a search found, best first."""

    query: Annotated[str, Field(max_length=MAX_QUERY)]
    total: Count
    """On all pages."""
    page: Annotated[int, Field(ge=1)]
    results: Annotated[list[Found], Field(max_length=PAGE)]


class Listed(Shape):
    """One release of a cryptlet."""

    version: Version
    kind: Kind
    measurement: Word
    publisher: Word
    """The key that signed the publication."""
    size: Count
    """Of the wheel file, bytes."""
    wheel: Word
    """SHA-256 of the wheel file."""
    logged: Count
    """When the log took it in, Unix seconds."""
    position: Count
    """In the log."""
    state: State
    reason: str
    """Of its state; empty where it is active."""
    since: Count
    """When the log took its state in, Unix seconds."""
    rebuilds: list[Name]
    """The namespaces that built it again from its sources, and got the same bytes."""


class Cryptlet(Answer):
    """The releases of a cryptlet."""

    name: Annotated[str, Field(pattern="^[a-z0-9-]+/[a-z0-9-]+$")]
    """`namespace/name`."""
    newest: Version
    """The newest that may be bound; the newest of all where none may."""
    releases: list[Listed]
    """Oldest first."""


class Namespace(Answer):
    """Who owns a namespace."""

    namespace: Name
    sequence: Count
    """The number of its next entry."""
    claimed: Count
    """Position of its claim in the log."""
    keys: list[Word]
    threshold: Count
    """How many of the keys a release and a change of owners take."""
    issuers: list[Issuer]
    """Whose OIDC tokens may stage releases."""
    lost: dict[Word, Count]
    """Keys that are in wrong hands, and since when, Unix seconds."""
    cryptlets: list[Name]
    services: list[str]
    """Data services, each as `name@version`."""


class Brought(Shape):
    """A wheel that a token brought, which an owner has not signed yet."""

    namespace: Name
    provenance: dict[str, str]
    """Issuer, subject, and the claims that the namespace asks for, as the token says."""
    size: Count
    """Of the wheel file, bytes."""
    wheel: Word
    """SHA-256 of the wheel file."""


class Item(Shape):
    """What waits for a signature or a file."""

    digest: Word
    """Its name: SHA-256 of the entry's statement, or of the body."""
    kind: Waits
    namespace: Name
    body: Entry | Brought
    """As the kind says."""
    wheel: Word | None
    """SHA-256 of the wheel file that it needs, if any."""
    created: Count
    """Unix seconds."""


class Pending(Answer):
    """A page of what waits."""

    pending: Annotated[list[Item], Field(max_length=PAGE)]
    """Oldest first; empty behind the last."""


class OnePending(Item, Answer):
    """One item that waits."""


class Outcome(Answer):
    """What became of an entry."""

    digest: Word
    """SHA-256 of its statement."""
    position: Count | None
    """In the log; null while it waits."""
    lacks: str
    """What it waits for, for people; empty when it is logged."""
    wheel: Word | None
    """SHA-256 of the file that must be uploaded next, if one must."""


class Staged(Answer):
    """What a token brought waits for an owner."""

    digest: Word
    """Its name among what waits."""
    ref: Ref
    measurement: Word


class Counted(Answer):
    """A record was counted as usage, once."""

    ref: Ref
    """The bundle that it is of."""
    ledger: str
    """Kind of the ledger that it is anchored on."""


class Fault(Shape):
    """What went wrong."""

    code: str
    """For programs; stable (docs/spec/errors.md)."""
    message: str
    """For people."""
    retry: Retry


class Failure(Answer):
    """An error."""

    error: Fault


class Description(Shape):
    """This document. The one answer without `meta`, for which OpenAPI has no place."""

    openapi: Literal["3.1.0"]
    info: dict[str, Any]
    servers: list[dict[str, Any]]
    paths: dict[str, Any]
    components: dict[str, Any]
