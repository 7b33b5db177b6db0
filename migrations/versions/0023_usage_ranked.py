"""Totals in the order of their cost by the day too, and by cost centre, in place of those by the month alone."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
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
    """Create the table, which gateways fill from the daily rollup a day at a time; index what parts of months read.

    The one that it takes the place of stays, without rows, for gateways of the release before.
    """
    op.execute("TRUNCATE usage_monthly, usage_folded")
    op.create_table(
        "usage_ranked",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        *(sa.Column(key, sa.Uuid()) for key in ("org_id", "team_id", "user_id", "service_account_id", "token_id")),
        *(sa.Column(key, sa.Text()) for key in ("model", "provider", "cost_center")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.Column("cost", sa.Numeric(30, 12), nullable=False),
        postgresql_with={"fillfactor": 80},
    )
    op.create_table(
        "usage_ranked_until",
        sa.Column("id", sa.SmallInteger(), primary_key=True, server_default=sa.text("1")),
        sa.Column("until", sa.Date(), nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    op.create_index(
        "ix_usage_ranked_kind_first_day_cost",
        "usage_ranked",
        ["kind", "first_day", sa.text("cost DESC"), sa.text("requests DESC")],
    )
    op.create_index("ix_usage_daily_org_id_model_day", "usage_daily", ["org_id", "model", "day"])
    op.create_index(
        "ix_usage_daily_token_id_day",
        "usage_daily",
        ["token_id", "day"],
        postgresql_where=sa.text("token_id IS NOT NULL"),
    )
    op.create_table(
        "ranked_centers",
        sa.Column("team_id", sa.Uuid(), primary_key=True),
        sa.Column("cost_center", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    """Remove the tables; gateways of then fill the one by the month anew."""
    op.drop_index("ix_usage_daily_token_id_day", "usage_daily")
    op.drop_index("ix_usage_daily_org_id_model_day", "usage_daily")
    op.drop_table("ranked_centers")
    op.drop_table("usage_ranked_until")
    op.drop_table("usage_ranked")
