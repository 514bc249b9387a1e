"""Revocations of code, and the work of writing them to ledgers."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table, and lets the outbox hold such work."""
    op.create_table(
        "revocations",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("measurement", sa.LargeBinary(), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("signatures", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_revocations")),
        sa.UniqueConstraint("digest", name=op.f("uq_revocations_digest")),
    )
    op.create_index(op.f("ix_revocations_measurement"), "revocations", ["measurement"], unique=False)
    # SQLite makes the table anew, for which it must be told of constraints that it cannot show.
    with op.batch_alter_table("outbox") as batch:
        batch.add_column(sa.Column("revocation", _NUMBER, nullable=True))
        batch.create_foreign_key(op.f("fk_outbox_revocation"), "revocations", ["revocation"], ["seq"])
        batch.drop_constraint(op.f("ck_outbox_kind"), type_="check")
        kinds = "kind IN ('register', 'settle', 'consume', 'expire', 'revoke')"
        batch.create_check_constraint(op.f("ck_outbox_kind"), kinds)
        batch.create_check_constraint(op.f("ck_outbox_revocation"), "(revocation IS NOT NULL) = (kind = 'revoke')")
