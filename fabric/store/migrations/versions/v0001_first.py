"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes every table."""
    _enclaves()
    _bindings()
    _invocations()
    _outbox()
    _watchers()


def _enclaves() -> None:
    op.create_table(
        "attestations",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=False),
        sa.Column("destinations", sa.LargeBinary(), nullable=False),
        sa.Column("signatures", sa.LargeBinary(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.Column("created", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_attestations")),
        sa.UniqueConstraint("digest", name=op.f("uq_attestations_digest")),
    )
    op.create_index(op.f("ix_attestations_key_id"), "attestations", ["key_id"], unique=False)


def _bindings() -> None:
    op.create_table(
        "bindings",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("version", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("created", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_bindings")),
        sa.UniqueConstraint("version", name=op.f("uq_bindings_version")),
    )
    op.create_index(op.f("ix_bindings_name"), "bindings", ["name"], unique=False)
    op.create_table(
        "publications",
        sa.Column("measurement", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("measurement", name=op.f("pk_publications")),
    )


def _invocations() -> None:
    op.create_table(
        "batches",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("destination", sa.LargeBinary(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("signatures", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("records", sa.LargeBinary(), nullable=False),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_batches")),
        sa.UniqueConstraint("id", name=op.f("uq_batches_id")),
    )
    op.create_table(
        "invocations",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("caller", sa.LargeBinary(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("binding", sa.LargeBinary(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("input_digest", sa.LargeBinary(), nullable=False),
        sa.Column("input", sa.LargeBinary(), nullable=True),
        sa.Column("as_of", _NUMBER, nullable=False),
        sa.Column("state_version", _NUMBER, nullable=False),
        sa.Column("deadline_ms", _NUMBER, nullable=False),
        sa.Column("output", sa.LargeBinary(), nullable=True),
        sa.Column("failure_code", sa.String(), nullable=True),
        sa.Column("failure_message", sa.String(), nullable=True),
        sa.Column("created", _NUMBER, nullable=False),
        sa.CheckConstraint("(output IS NULL) = (failure_code IS NOT NULL)", name=op.f("ck_invocations_one_outcome")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_invocations")),
        sa.UniqueConstraint("caller", "idempotency_key", name=op.f("uq_invocations_caller_idempotency_key")),
        sa.UniqueConstraint("id", name=op.f("uq_invocations_id")),
    )
    op.create_table(
        "records",
        sa.Column("invocation", _NUMBER, nullable=False),
        sa.Column("batch", _NUMBER, nullable=False),
        sa.Column("position", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["batch"], ["batches.seq"], name=op.f("fk_records_batch")),
        sa.ForeignKeyConstraint(["invocation"], ["invocations.seq"], name=op.f("fk_records_invocation")),
        sa.PrimaryKeyConstraint("invocation", "batch", name=op.f("pk_records")),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("destination", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("work_id", sa.LargeBinary(), nullable=False),
        sa.Column("attestation", _NUMBER, nullable=True),
        sa.Column("batch", _NUMBER, nullable=True),
        sa.Column("position", _NUMBER, nullable=True),
        sa.Column("depends_on", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", _NUMBER, nullable=False),
        sa.Column("next_attempt", _NUMBER, nullable=False),
        sa.Column("submission", sa.LargeBinary(), nullable=True),
        sa.Column("locator", sa.String(), nullable=True),
        sa.Column("receipt", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.CheckConstraint("(position IS NOT NULL) = (kind = 'consume')", name=op.f("ck_outbox_position")),
        sa.CheckConstraint("kind IN ('register', 'settle', 'consume')", name=op.f("ck_outbox_kind")),
        sa.CheckConstraint(
            "state IN ('new', 'prepared', 'submitted', 'included', 'final', 'refused')", name=op.f("ck_outbox_state")
        ),
        sa.CheckConstraint("(attestation IS NULL) <> (batch IS NULL)", name=op.f("ck_outbox_one_source")),
        sa.ForeignKeyConstraint(["attestation"], ["attestations.seq"], name=op.f("fk_outbox_attestation")),
        sa.ForeignKeyConstraint(["batch"], ["batches.seq"], name=op.f("fk_outbox_batch")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sa.UniqueConstraint("destination", "work_id", name=op.f("uq_outbox_destination_work_id")),
    )
    op.create_index("ix_outbox_batch", "outbox", ["batch", "position"], unique=False)
    op.create_index(
        "ix_outbox_open",
        "outbox",
        ["destination", "state"],
        unique=False,
        sqlite_where=sa.text("state NOT IN ('final', 'refused')"),
        postgresql_where=sa.text("state NOT IN ('final', 'refused')"),
    )


def _watchers() -> None:
    op.create_table(
        "cursors",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursors")),
    )
    op.create_table(
        "halts",
        sa.Column("destination", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_halts")),
    )
    op.create_table(
        "requests",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("destination", sa.LargeBinary(), nullable=False),
        sa.Column("position", _NUMBER, nullable=False),
        sa.Column("invocation", sa.LargeBinary(), nullable=False),
        sa.Column("binding", sa.LargeBinary(), nullable=False),
        sa.Column("input", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.CheckConstraint(
            "state IN ('ready', 'waiting-for-input', 'answered', 'refused')", name=op.f("ck_requests_state")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_requests")),
        sa.UniqueConstraint("destination", "position", name=op.f("uq_requests_destination_position")),
        sa.UniqueConstraint("invocation", name=op.f("uq_requests_invocation")),
    )
    op.create_index(
        "ix_requests_unanswered",
        "requests",
        ["destination", "state"],
        unique=False,
        sqlite_where=sa.text("state IN ('ready', 'waiting-for-input')"),
        postgresql_where=sa.text("state IN ('ready', 'waiting-for-input')"),
    )
