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
ON_THE_WAY: Final = "state NOT IN ('acknowledged', 'refunded')"
"""Of the messages: rows that somebody still has to work on."""
WAITING: Final = "work IS NOT NULL"
"""Of the messages: rows that wait for a row of the outbox."""

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

revocations = Table(
    "revocations",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("measurement", LargeBinary, nullable=False, index=True),
    Column("words", LargeBinary, nullable=False),
    Column("signatures", LargeBinary, nullable=False),  # canonical JSON
    Column("reason", Prose, nullable=False),
    Column("created", Number, nullable=False),
)
"""Revocations of code that appraisers signed, with the operator's or the registry's reason; rows are only added."""

standings = Table(
    "standings",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("measurement", LargeBinary, nullable=False, index=True),
    Column("issued", Number, nullable=False),
    Column("expires", Number, nullable=False),
    Column("document", LargeBinary, nullable=False),  # canonical JSON, with the registry's signature
)
"""What registries said of bundles, from when to when; one that its neighbours make needless is let go."""

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
    Column("message", Number, ForeignKey("messages.seq")),
    Column("revocation", Number, ForeignKey("revocations.seq")),
    Column("depends_on", LargeBinary),  # a work id of the same destination
    Column("state", String, nullable=False),
    Column("attempts", Number, nullable=False),
    Column("next_attempt", Number, nullable=False),
    Column("submission", LargeBinary),
    Column("locator", String),
    Column("receipt", LargeBinary),  # canonical JSON
    Column("reason", Prose, nullable=False),
    UniqueConstraint("destination", "work_id"),
    CheckConstraint("kind IN ('register', 'settle', 'consume', 'expire', 'revoke')", name="kind"),
    CheckConstraint("state IN ('new', 'prepared', 'submitted', 'included', 'final', 'refused')", name="state"),
    CheckConstraint("(attestation IS NOT NULL) = (kind = 'register')", name="attestation"),
    CheckConstraint("(batch IS NOT NULL) = (kind IN ('settle', 'consume'))", name="batch"),
    CheckConstraint("(message IS NOT NULL) = (kind = 'expire')", name="message"),
    CheckConstraint("(revocation IS NOT NULL) = (kind = 'revoke')", name="revocation"),
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

channels = Table(
    "channels",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("words", LargeBinary, nullable=False),
)
"""Channels that an end opened; which ends did is said by the events."""

mail = Table(
    "mail",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("destination", LargeBinary, nullable=False),
    Column("position", Number, nullable=False),  # the mailbox's own counter
    Column("kind", String, nullable=False),
    Column("subject", LargeBinary, nullable=False),  # id of the channel or the message
    Column("words", LargeBinary, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("time", Number, nullable=False),
    Column("place", Number, nullable=False),
    Column("locator", Prose, nullable=False),
    UniqueConstraint("destination", "position"),
    UniqueConstraint("subject", "destination"),  # a ledger tells once of what happened to something there
    CheckConstraint("kind IN ('opened', 'sent', 'delivered', 'expired')", name="kind"),
)
"""Final events of the ledgers' mailboxes, seen exactly once each."""

messages = Table(
    "messages",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("channel", LargeBinary, nullable=False),
    Column("source", LargeBinary, nullable=False),
    Column("destination", LargeBinary, nullable=False),
    Column("words", LargeBinary, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("detail", Prose, nullable=False),
    Column("attempt", Number, nullable=False),
    Column("tries", Number, nullable=False),
    Column("reverts", Number, nullable=False, server_default=text("0")),
    Column("not_before", Number, nullable=False),
    Column("due", Number, nullable=False),
    Column("waits_on", LargeBinary, nullable=False),  # the ledger of the outbox row that is awaited
    Column("work", LargeBinary),  # its work id
    Column("seen", String, nullable=False),  # its state when it was looked at last
    Column("version", Number, nullable=False),
    Column("created", Number, nullable=False),
    Column("changed", Number, nullable=False),
    CheckConstraint(
        "state IN ('sent', 'delivering', 'expiring', 'delivered', 'expired', 'acknowledging', 'acknowledged', "
        "'refunded')",
        name="state",
    ),
)
"""Messages on their way, one row for each that a ledger of this fabric sent."""

Index(
    "ix_messages_due",
    messages.c.due,
    sqlite_where=text(ON_THE_WAY),
    postgresql_where=text(ON_THE_WAY),
)
Index(
    "ix_messages_waiting",
    messages.c.waits_on,
    messages.c.work,
    sqlite_where=text(WAITING),
    postgresql_where=text(WAITING),
)
Index("ix_messages_channel", messages.c.channel, messages.c.source)

message_steps = Table(
    "message_steps",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("message", Number, ForeignKey("messages.seq"), nullable=False, index=True),
    Column("time", Number, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("detail", Prose, nullable=False),
    Column("attempt", Number, nullable=False),
    Column("ledger", LargeBinary),
    Column("locator", Prose, nullable=False),
    Column("ledger_time", Number, nullable=False),
    Column("invocation", LargeBinary),
)
"""What became of each message, step by step, for people."""

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

resumptions = Table(
    "resumptions",
    metadata,
    Column("seq", Number, primary_key=True),
    Column("destination", LargeBinary, nullable=False, index=True),
    Column("who", String, nullable=False),
    Column("why", Prose, nullable=False),
    Column("reason", Prose, nullable=False),  # what it was halted for
    Column("halted", Number, nullable=False),
    Column("resumed", Number, nullable=False),
)
"""Audit: who let a halted ledger go on, when and why. Rows are only added."""

owner = Table(
    "owner",
    metadata,
    Column("fabric", LargeBinary, primary_key=True),
)
"""The one fabric whose store this is; a database on a server may be named by another one's configuration too."""
