"""The audit of resumed ledgers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "resumptions",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("destination", sa.LargeBinary(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("halted", _NUMBER, nullable=False),
        sa.Column("resumed", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_resumptions")),
    )
    op.create_index("ix_resumptions_destination", "resumptions", ["destination"], unique=False)
