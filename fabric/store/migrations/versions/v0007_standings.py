"""Standings of code, as registries signed them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "standings",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("measurement", sa.LargeBinary(), nullable=False),
        sa.Column("issued", _NUMBER, nullable=False),
        sa.Column("expires", _NUMBER, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_standings")),
    )
    op.create_index(op.f("ix_standings_measurement"), "standings", ["measurement"], unique=False)
