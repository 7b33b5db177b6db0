"""Totals with fewer keys, by day and by month, for reports on a whole installation; fewer indexes elsewhere."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
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
UNREAD_INDEXES = (
    *(("usage_hourly", key, "hour") for key in ("org_id", "team_id", "user_id", "token_id")),
    ("usage_daily", "token_id", "day"),
)

# The kinds and keys are those of `aqueduct.db.usage_tables.TOTALS` at this revision.
FILL = """
INSERT INTO usage_totals (id, kind, first_day, org_id, team_id, user_id, model, provider, {sums}, cost)
SELECT md5(row(kind, first_day, org_id, team_id, user_id, model, provider)::text)::uuid, * FROM (
    SELECT CASE grouping(day, org_id, team_id, user_id, model)
             WHEN 7 THEN 'org_day' WHEN 14 THEN 'model_day' WHEN 19 THEN 'team_month' WHEN 21 THEN 'user_month'
             WHEN 30 THEN 'model_month' WHEN 22 THEN 'org_model_month'
           END AS kind,
           coalesce(day, month) AS first_day, org_id, team_id, user_id, model, provider,
           {summed}, sum(cost)
      FROM (SELECT *, date_trunc('month', day)::date AS month FROM usage_daily) AS days
     GROUP BY GROUPING SETS ((day, org_id), (day, model, provider), (month, org_id, team_id), (month, org_id, user_id),
                             (month, model, provider), (month, org_id, model, provider))
) AS totals
""".format(sums=", ".join(SUMS), summed=", ".join(f"sum({name})::bigint" for name in SUMS))  # noqa: S608 - constants


def upgrade() -> None:
    """Create the table and fill it from the daily rollup."""
    op.create_table(
        "usage_totals",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        *(sa.Column(key, sa.Uuid()) for key in ("org_id", "team_id", "user_id")),
        *(sa.Column(key, sa.Text()) for key in ("model", "provider")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.Column("cost", sa.Numeric(30, 12), nullable=False),
        postgresql_with={"fillfactor": 80},
    )
    op.execute(FILL)
    op.create_index("ix_usage_totals_kind_first_day", "usage_totals", ["kind", "first_day"])
    op.create_index("ix_usage_totals_org_id_kind_first_day", "usage_totals", ["org_id", "kind", "first_day"])
    for table, key, bucket in UNREAD_INDEXES:
        op.drop_index(f"ix_{table}_{key}_{bucket}", table)
    op.drop_index("ix_usage_daily_user_id_day", "usage_daily")
    for key in ("user_id", "service_account_id"):
        op.create_index(
            f"ix_usage_daily_{key}_day", "usage_daily", [key, "day"], postgresql_where=sa.text(f"{key} IS NOT NULL")
        )
    for table in ("usage_hourly", "usage_daily"):
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 80)")


def downgrade() -> None:
    """Remove the table and bring the indexes back."""
    for table in ("usage_hourly", "usage_daily"):
        op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
    for key in ("user_id", "service_account_id"):
        op.drop_index(f"ix_usage_daily_{key}_day", "usage_daily")
    op.create_index("ix_usage_daily_user_id_day", "usage_daily", ["user_id", "day"])
    for table, key, bucket in UNREAD_INDEXES:
        op.create_index(f"ix_{table}_{key}_{bucket}", table, [key, bucket])
    op.drop_table("usage_totals")
