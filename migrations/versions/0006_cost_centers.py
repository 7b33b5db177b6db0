"""The cost centre of a team, by which reports on usage add up."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the column; no team has a cost centre yet."""
    op.add_column("teams", sa.Column("cost_center", sa.Text()))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("teams", "cost_center")
