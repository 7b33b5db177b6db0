"""How a model answers: several answers at once, the check against the client's schema, automatic prompt caching."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; every model keeps behaving as before."""
    op.add_column("models", sa.Column("multiple_answers", sa.Text(), nullable=False, server_default="auto"))
    op.add_column("models", sa.Column("schema_check", sa.Text()))
    op.add_column("models", sa.Column("auto_cache", sa.Text()))
    op.create_check_constraint("multiple_answers", "models", "multiple_answers IN ('auto', 'fan_out', 'reject')")
    op.create_check_constraint("schema_check", "models", "schema_check IN ('report', 'repair')")
    op.create_check_constraint("auto_cache", "models", "auto_cache IN ('5m', '1h')")


def downgrade() -> None:
    """Remove the columns, and their check constraints with them."""
    for column in ("auto_cache", "schema_check", "multiple_answers"):
        op.drop_column("models", column)
