"""What came of holding a request's answer against the client's JSON schema."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; it is empty where no answer was checked."""
    op.add_column("requests", sa.Column("schema_outcome", sa.Text()), schema="usage")


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("requests", "schema_outcome", schema="usage")
