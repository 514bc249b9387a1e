"""How often the account at the end of a message's way refused it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the counter; what is on its way begins to count now."""
    op.add_column("messages", sa.Column("reverts", _NUMBER, nullable=False, server_default=sa.text("0")))
