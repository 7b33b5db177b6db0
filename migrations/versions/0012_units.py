"""Images, seconds and searches in raw usage: what providers charge beside tokens."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

UNITS = ("images", "seconds", "queries")


def upgrade() -> None:
    """Add the columns; they are empty where a provider reports no such units."""
    for table in ("requests", "attempts"):
        for name in UNITS:
            op.add_column(table, sa.Column(name, sa.Integer()), schema="usage")


def downgrade() -> None:
    """Remove the columns."""
    for table in ("requests", "attempts"):
        for name in UNITS:
            op.drop_column(table, name, schema="usage")
