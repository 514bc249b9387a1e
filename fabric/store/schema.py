"""The tables. A release changes them by a migration only; a test holds the two equal.

Ids, digests and signed bytes are stored as the bytes they are. What a batch carries lies in two columns of its row,
in tree order, instead of a row for each record: a proof needs the whole batch anyway, and a row of 2 KB a record
would fill a page each.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine
from typing_extensions import override

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Number: Final = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits everywhere; SQLite numbers its rows by a column of exactly the type INTEGER."""


class Prose(TypeDecorator[str]):
    """Text for people that others wrote, such as a contract's reason: PostgreSQL keeps no character of code zero."""

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = String
    cache_ok: bool | None = True

    @override
    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Returns what is stored."""
        return value if value is None else value.replace("\0", "\N{REPLACEMENT CHARACTER}")


OPEN: Final = "state NOT IN ('final', 'refused')"
"""Of the outbox: rows that somebody still has to work on."""
UNANSWERED: Final = "state IN ('ready', 'waiting-for-input')"
"""Of the requests: rows that have no answer and were not refused."""

bindings = Table(
    "bindings",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("version", LargeBinary, nullable=False, unique=True),
    Column("name", String, nullable=False, index=True),
    Column("document", LargeBinary, nullable=False),
    Column("created", Number, nullable=False),
)
"""Bindings that were put in force; the newest of a name is the one that the name means."""

publications = Table(
    "publications",
    metadata,
    Column("measurement", LargeBinary, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)
"""Canonical JSON of the publication under which a bundle was loaded."""

attestations = Table(
    "attestations",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("key_id", LargeBinary, nullable=False, index=True),
    Column("result", LargeBinary, nullable=False),
    Column("destinations", LargeBinary, nullable=False),  # the ids, ascending, 32 bytes each
    Column("signatures", LargeBinary, nullable=False),  # canonical JSON
    Column("evidence", LargeBinary, nullable=False),
    Column("created", Number, nullable=False),
)
"""Attestation results with the evidence that was appraised; several for one key set where it was renewed."""

invocations = Table(
    "invocations",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("caller", LargeBinary, nullable=False),
    Column("idempotency_key", String),  # none exactly when a ledger event asked
    Column("binding", LargeBinary, nullable=False),
    Column("method", String, nullable=False),
    Column("input_digest", LargeBinary, nullable=False),
    Column("input", LargeBinary),  # none: a blob of that digest
    Column("as_of", Number, nullable=False),
    Column("state_version", Number, nullable=False),
    Column("deadline_ms", Number, nullable=False),
    Column("output", LargeBinary),
    Column("failure_code", String),
    Column("failure_message", Prose),
    Column("created", Number, nullable=False),
    UniqueConstraint("caller", "idempotency_key"),
    CheckConstraint("(output IS NULL) = (failure_code IS NOT NULL)", name="one_outcome"),
)
"""Accepted invocations with their outcomes: what is not in here was not accepted."""

batches = Table(
    "batches",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("destination", LargeBinary, nullable=False),
    Column("header", LargeBinary, nullable=False),
    Column("signatures", LargeBinary, nullable=False),  # canonical JSON
    Column("key_id", LargeBinary, nullable=False),
    Column("records", LargeBinary, nullable=False),  # see fabric.store.packing
    Column("details", LargeBinary, nullable=False),
)
"""Signed batches."""

records = Table(
    "records",
    metadata,
    Column("invocation", Number, ForeignKey("invocations.seq"), primary_key=True),
    Column("batch", Number, ForeignKey("batches.seq"), primary_key=True),
    Column("position", Number, nullable=False),
)
"""Where the records of an invocation stand."""

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("destination", LargeBinary, nullable=False),
    Column("kind", String, nullable=False),
    Column("work_id", LargeBinary, nullable=False),
    Column("attestation", Number, ForeignKey("attestations.seq")),
    Column("batch", Number, ForeignKey("batches.seq")),
    Column("position", Number),
    Column("depends_on", LargeBinary),  # a work id of the same destination
    Column("state", String, nullable=False),
    Column("attempts", Number, nullable=False),
    Column("next_attempt", Number, nullable=False),
    Column("submission", LargeBinary),
    Column("locator", String),
    Column("receipt", LargeBinary),  # canonical JSON
    Column("reason", Prose, nullable=False),
    UniqueConstraint("destination", "work_id"),
    CheckConstraint("kind IN ('register', 'settle', 'consume')", name="kind"),
    CheckConstraint("state IN ('new', 'prepared', 'submitted', 'included', 'final', 'refused')", name="state"),
    CheckConstraint("(attestation IS NULL) <> (batch IS NULL)", name="one_source"),
    CheckConstraint("(position IS NOT NULL) = (kind = 'consume')", name="position"),
)
"""Work for the ledgers, see docs/spec/outbox.md."""

Index(
    "ix_outbox_open",
    outbox.c.destination,
    outbox.c.state,
    sqlite_where=text(OPEN),
    postgresql_where=text(OPEN),
)
Index("ix_outbox_batch", outbox.c.batch, outbox.c.position)

cursors = Table(
    "cursors",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""How far each watcher has come."""

requests = Table(
    "requests",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("destination", LargeBinary, nullable=False),
    Column("position", Number, nullable=False),  # the ledger's own counter
    Column("invocation", LargeBinary, nullable=False, unique=True),
    Column("binding", LargeBinary, nullable=False),
    Column("input", LargeBinary, nullable=False),
    Column("document", LargeBinary, nullable=False),  # canonical JSON of the whole request
    Column("state", String, nullable=False),
    Column("reason", Prose, nullable=False),
    UniqueConstraint("destination", "position"),
    CheckConstraint("state IN ('ready', 'waiting-for-input', 'answered', 'refused')", name="state"),
)
"""Requests that ledgers made, seen exactly once each."""

Index(
    "ix_requests_unanswered",
    requests.c.destination,
    requests.c.state,
    sqlite_where=text(UNANSWERED),
    postgresql_where=text(UNANSWERED),
)

halts = Table(
    "halts",
    metadata,
    Column("destination", LargeBinary, primary_key=True),
    Column("reason", Prose, nullable=False),
    Column("created", Number, nullable=False),
)
"""Ledgers that nothing is sent to any more until a person has looked."""

owner = Table(
    "owner",
    metadata,
    Column("fabric", LargeBinary, primary_key=True),
)
"""The one fabric whose store this is; a database on a server may be named by another one's configuration too."""
