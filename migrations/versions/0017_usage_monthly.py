"""Totals by the month of what has many groups, with an index by cost, which finds the most expensive of them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

SUMS = (
    "requests",
    "errors",
    "unsettled",
    "unpriced",
    "attempts",
    "duration_ms",
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "completion_tokens",
    "reasoning_tokens",
)


def upgrade() -> None:
    """Create the tables; gateways fill them from the daily rollup, a day at a time."""
    op.create_table(
        "usage_monthly",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        *(sa.Column(key, sa.Uuid()) for key in ("org_id", "team_id", "user_id", "service_account_id", "token_id")),
        sa.Column("model", sa.Text()),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.Column("cost", sa.Numeric(30, 12), nullable=False),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "ix_usage_monthly_kind_first_day_cost", "usage_monthly", ["kind", "first_day", sa.text("cost DESC")]
    )
    op.create_table(
        "usage_folded",
        sa.Column("id", sa.SmallInteger(), primary_key=True, server_default=sa.text("1")),
        sa.Column("until", sa.Date(), nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
    )


def downgrade() -> None:
    """Remove the tables."""
    op.drop_table("usage_folded")
    op.drop_table("usage_monthly")
