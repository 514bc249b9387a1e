"""Whose store it is."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes the table that names the fabric; the next start fills it."""
    op.create_table(
        "owner",
        sa.Column("fabric", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fabric", name=op.f("pk_owner")),
    )
