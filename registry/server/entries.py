"""Entries as JSON: the shapes of what publishers sign (docs/spec/registry.md, sections 1 and 2).

For the API's description alone: ``registry.book.entry`` and ``registry.book.bodies`` read entries, and are stricter. A
test holds these shapes to every entry of the vectors.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema, with_config
from typing_extensions import TypedDict

from fabric.bundles.tables import NAME_PATTERN, VERSION_PATTERN
from fabric.core.canonical import MAX_INTEGER
from fabric.trust.publication import KINDS
from fabric.trust.standing import MAX_REASON, State
from registry.book.bodies import MAX_CLAIMS, MAX_ISSUERS, MAX_KEYS, MAX_WHEEL_BYTES
from registry.book.entry import MAX_SIGNATURES
from registry.names import MAX_NAME

Word = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""32 bytes in lower-case hexadecimal digits: a digest, a measurement, an Ed25519 key."""
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=MAX_NAME)]
Version = Annotated[str, Field(pattern=VERSION_PATTERN)]
Ref = Annotated[str, Field(pattern=f"{NAME_PATTERN[:-1]}/{NAME_PATTERN[1:-1]}@{VERSION_PATTERN[1:]}")]
Kind = Annotated[str, WithJsonSchema({"type": "string", "enum": [*KINDS]})]
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
"""A number, a position in the log from 0, or Unix seconds."""
Text = Annotated[str, Field(min_length=1, max_length=200)]
Texts = Annotated[dict[Text, Annotated[str, Field(min_length=1, max_length=1_000)]], Field(max_length=MAX_CLAIMS)]
Document = dict[str, Any]


@with_config(ConfigDict(extra="forbid", use_attribute_docstrings=True))
class Shape(TypedDict):
    """An object of the names that are listed, and of no others."""


class Signature(Shape):
    """An Ed25519 signature."""

    key: Word
    """The public key."""
    scheme: Literal["ed25519"]
    signature: Annotated[str, Field(pattern="^[0-9a-f]{128}$")]


class Issuer(Shape):
    """Whose OIDC tokens may stage releases."""

    url: Text
    """Of the issuer."""
    audience: Text
    """That a token must be made out for."""
    claims: Texts
    """That a token must have, with these very values."""


class Owners(Shape):
    """Who owns a namespace: the body of `claim` and of `owners`."""

    keys: Annotated[list[Word], Field(max_length=MAX_KEYS)]
    """Ascending; without any the namespace is closed for good."""
    threshold: Annotated[int, Field(ge=0, le=MAX_KEYS)]
    """How many of them a release and a change of owners take."""
    issuers: Annotated[list[Issuer], Field(max_length=MAX_ISSUERS)]


class PublicationStatement(Shape):
    """What a publisher states of a bundle (docs/spec/bundle.md)."""

    format: Literal["cryptlet-fabric/publication/v1"]
    kind: Kind
    lock: Word
    """SHA-256 of the canonical list of locked dependencies."""
    name: Name
    version: Version
    wheel: Word
    """SHA-256 of the wheel file."""


class Publication(Shape):
    """A publisher's signed word on a bundle."""

    signature: Signature
    """Over the statement's canonical JSON."""
    statement: PublicationStatement


class Release(Shape):
    """A bundle is published: the body of `release`."""

    provenance: Texts
    """Who staged it, as the registry read it from a token; empty otherwise."""
    publication: Publication
    size: Annotated[int, Field(ge=1, le=MAX_WHEEL_BYTES)]
    """Of the wheel file, bytes."""
    staged: bool
    """Whether a second key must confirm, whatever the threshold."""


class Change(Shape):
    """A bundle's state changes: the body of `change`."""

    measurement: Word
    state: State
    reason: Annotated[str, Field(max_length=MAX_REASON)]
    """Empty exactly where the state is `active`."""


class Compromise(Shape):
    """A key is in wrong hands: the body of `compromise`."""

    key: Word
    since: Count
    """Unix seconds of the log: what the key signed from then on is revoked."""


class Rebuild(Shape):
    """A bundle was built again and is the same: the body of `rebuild`."""

    measurement: Word


class Link(Shape):
    """A key and a ledger account sign each other: the body of `link`."""

    document: Document
    """docs/spec/accounts.md."""


class Service(Shape):
    """A data service is listed: the body of `service`."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    version: Annotated[str, Field(min_length=1, max_length=32)]
    document: Document
    """docs/spec/data-service.md."""


class Statement(Shape):
    """What an entry states; the signatures are over its canonical JSON, whose SHA-256 names the entry."""

    body: Owners | Release | Change | Compromise | Rebuild | Link | Service
    """As the kind asks."""
    format: Literal["cryptlet-fabric/registry-entry/v1"]
    kind: Literal["claim", "owners", "release", "change", "compromise", "rebuild", "link", "service"]
    namespace: Name
    registry: Annotated[str, Field(min_length=1, max_length=255)]
    """Origin of the log."""
    sequence: Count
    """How many entries the namespace had before."""


class Entry(Shape):
    """A signed statement about a namespace (docs/spec/registry.md)."""

    signatures: Annotated[list[Signature], Field(max_length=MAX_SIGNATURES)]
    """In ascending order of their keys, each key once."""
    statement: Statement
