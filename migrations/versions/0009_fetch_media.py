"""Whether content at web addresses is fetched, by model."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; every model keeps behaving as its provider says."""
    op.add_column("models", sa.Column("fetch_media", sa.Boolean()))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("models", "fetch_media")
