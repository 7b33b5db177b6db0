"""More kinds in the ranked totals: orgs with teams, users and cost centres, and teams by five days."""

from collections.abc import Sequence

from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Let gateways fill the table anew, a day at a time: a day that is folded has all kinds."""
    op.execute("TRUNCATE usage_ranked, usage_ranked_until")


def downgrade() -> None:
    """Let gateways of then fill the table anew."""
    op.execute("TRUNCATE usage_ranked, usage_ranked_until")
