"""Messages between ledgers: mailboxes' events, channels, messages on their way, and tombstones as work."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ON_THE_WAY = sa.text("state NOT IN ('acknowledged', 'refunded')")
_WAITING = sa.text("work IS NOT NULL")


def upgrade() -> None:
    """Makes the tables, and lets the outbox hold tombstones."""
    _mailboxes()
    _messages()
    _steps()
    _outbox()


def _mailboxes() -> None:
    op.create_table(
        "channels",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_channels")),
        sa.UniqueConstraint("id", name=op.f("uq_channels_id")),
    )
    op.create_table(
        "mail",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("destination", sa.LargeBinary(), nullable=False),
        sa.Column("position", _NUMBER, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("time", _NUMBER, nullable=False),
        sa.Column("place", _NUMBER, nullable=False),
        sa.Column("locator", sa.String(), nullable=False),
        sa.CheckConstraint("kind IN ('opened', 'sent', 'delivered', 'expired')", name=op.f("ck_mail_kind")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_mail")),
        sa.UniqueConstraint("destination", "position", name=op.f("uq_mail_destination_position")),
        sa.UniqueConstraint("subject", "destination", name=op.f("uq_mail_subject_destination")),
    )


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("channel", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.Column("destination", sa.LargeBinary(), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("attempt", _NUMBER, nullable=False),
        sa.Column("tries", _NUMBER, nullable=False),
        sa.Column("not_before", _NUMBER, nullable=False),
        sa.Column("due", _NUMBER, nullable=False),
        sa.Column("waits_on", sa.LargeBinary(), nullable=False),
        sa.Column("work", sa.LargeBinary(), nullable=True),
        sa.Column("seen", sa.String(), nullable=False),
        sa.Column("version", _NUMBER, nullable=False),
        sa.Column("created", _NUMBER, nullable=False),
        sa.Column("changed", _NUMBER, nullable=False),
        sa.CheckConstraint(
            "state IN ('sent', 'delivering', 'expiring', 'delivered', 'expired', 'acknowledging', 'acknowledged', "
            "'refunded')",
            name=op.f("ck_messages_state"),
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_messages")),
        sa.UniqueConstraint("id", name=op.f("uq_messages_id")),
    )
    op.create_index(
        "ix_messages_due", "messages", ["due"], unique=False, sqlite_where=_ON_THE_WAY, postgresql_where=_ON_THE_WAY
    )
    op.create_index(
        "ix_messages_waiting",
        "messages",
        ["waits_on", "work"],
        unique=False,
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )
    op.create_index("ix_messages_channel", "messages", ["channel", "source"], unique=False)


def _steps() -> None:
    op.create_table(
        "message_steps",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("message", _NUMBER, nullable=False),
        sa.Column("time", _NUMBER, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("attempt", _NUMBER, nullable=False),
        sa.Column("ledger", sa.LargeBinary(), nullable=True),
        sa.Column("locator", sa.String(), nullable=False),
        sa.Column("ledger_time", _NUMBER, nullable=False),
        sa.Column("invocation", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["message"], ["messages.seq"], name=op.f("fk_message_steps_message")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_message_steps")),
    )
    op.create_index(op.f("ix_message_steps_message"), "message_steps", ["message"], unique=False)


def _outbox() -> None:
    # SQLite makes the table anew, for which it must be told of constraints that it cannot show.
    with op.batch_alter_table("outbox") as batch:
        batch.add_column(sa.Column("message", _NUMBER, nullable=True))
        batch.create_foreign_key(op.f("fk_outbox_message"), "messages", ["message"], ["seq"])
        for name in ("kind", "one_source"):
            batch.drop_constraint(op.f(f"ck_outbox_{name}"), type_="check")
        batch.create_check_constraint(op.f("ck_outbox_kind"), "kind IN ('register', 'settle', 'consume', 'expire')")
        batch.create_check_constraint(op.f("ck_outbox_attestation"), "(attestation IS NOT NULL) = (kind = 'register')")
        batch.create_check_constraint(op.f("ck_outbox_batch"), "(batch IS NOT NULL) = (kind IN ('settle', 'consume'))")
        batch.create_check_constraint(op.f("ck_outbox_message"), "(message IS NOT NULL) = (kind = 'expire')")
