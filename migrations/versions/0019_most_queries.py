"""The most searches and seconds of audio that a request for a model may take, so that budgets can be kept."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Let models say both; null means the gateway's own bound."""
    for column in ("max_queries", "max_seconds"):
        op.add_column("models", sa.Column(column, sa.Integer()))
        op.create_check_constraint(column, "models", f"{column} >= 0")


def downgrade() -> None:
    """Remove both."""
    for column in ("max_seconds", "max_queries"):
        op.drop_column("models", column)
