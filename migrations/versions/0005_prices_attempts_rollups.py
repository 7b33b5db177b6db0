"""Prices, a row per upstream attempt, costs, and the hourly and daily rollups that reports read."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

METERS = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "image_input",
    "output",
    "reasoning",
    "audio_output",
    "image",
    "second",
    "character",
    "query",
    "request",
)
TIERS = ("standard", "batch", "flex", "priority")
COUNTERS = (
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "prompt_audio_tokens",
    "prompt_image_tokens",
    "prompt_text_tokens",
    "reasoning_tokens",
    "completion_audio_tokens",
    "completion_text_tokens",
    "accepted_prediction_tokens",
    "rejected_prediction_tokens",
)

# Every partitioned table of the schema gets the same months. A partition is built beside the table and then attached,
# which does not lock out writers of other months.
ENSURE_PARTITIONS = """
CREATE OR REPLACE FUNCTION usage.ensure_partitions(
    first_at timestamptz DEFAULT now() - interval '1 month',
    last_at timestamptz DEFAULT now() + interval '2 months'
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    month timestamp;
    last_month timestamp := date_trunc('month', last_at AT TIME ZONE 'UTC');
    parent text;
    partition text;
    made integer := 0;
BEGIN
    IF last_month - date_trunc('month', first_at AT TIME ZONE 'UTC') > interval '1200 days' THEN
        RAISE EXCEPTION 'usage.ensure_partitions: more than 1200 days at once';
    END IF;
    FOR parent IN
        SELECT c.relname FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
         WHERE c.relnamespace = 'usage'::regnamespace ORDER BY c.relname
    LOOP
        month := date_trunc('month', first_at AT TIME ZONE 'UTC');
        WHILE month <= last_month LOOP
            partition := parent || to_char(month, '"_"YYYY"_"MM');
            IF to_regclass('usage.' || partition) IS NULL THEN
                PERFORM pg_advisory_xact_lock(hashtext('usage.ensure_partitions'));
                IF to_regclass('usage.' || partition) IS NULL THEN
                    EXECUTE format('CREATE TABLE usage.%I (LIKE usage.%I INCLUDING ALL)', partition, parent);
                    EXECUTE format(
                        'ALTER TABLE usage.%I ATTACH PARTITION usage.%I FOR VALUES FROM (%L) TO (%L)',
                        parent, partition, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC'
                    );
                    made := made + 1;
                END IF;
            END IF;
            month := month + interval '1 month';
        END LOOP;
    END LOOP;
    RETURN made;
END
$$
"""

# Months that ended before the time go as a whole; a month that began earlier than it and ended later stays.
DROP_PARTITIONS = """
CREATE FUNCTION usage.drop_partitions(before timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    partition text;
    dropped integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('usage.ensure_partitions'));
    FOR partition IN
        SELECT c.relname FROM pg_inherits i
          JOIN pg_class c ON c.oid = i.inhrelid
          JOIN pg_partitioned_table p ON p.partrelid = i.inhparent
         WHERE c.relnamespace = 'usage'::regnamespace AND c.relname ~ '_[0-9]{4}_[0-9]{2}$'
           AND (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' <= before
         ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE usage.%I', partition);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$
"""


def upgrade() -> None:
    """Create the tables; requests that were recorded before have no cost and are in no rollup."""
    _create_prices()
    op.add_column("requests", sa.Column("service_tier", sa.Text()), schema="usage")
    op.add_column("requests", sa.Column("cost", sa.Numeric(24, 12)), schema="usage")
    op.create_index("ix_requests_started_at", "requests", ["started_at"], schema="usage")
    _create_attempts()
    _create_rollup("usage_hourly", "hour", pg.TIMESTAMP(timezone=True))
    _create_rollup("usage_daily", "day", sa.Date())
    op.execute(ENSURE_PARTITIONS)
    op.execute(DROP_PARTITIONS)
    op.execute("SELECT usage.ensure_partitions()")


def downgrade() -> None:
    """Remove the tables and columns. `usage.ensure_partitions` serves the table that is left as before."""
    op.execute("DROP FUNCTION usage.drop_partitions")
    op.drop_table("usage_daily")
    op.drop_table("usage_hourly")
    op.drop_table("attempts", schema="usage")
    op.drop_index("ix_requests_started_at", "requests", schema="usage")
    op.drop_column("requests", "cost", schema="usage")
    op.drop_column("requests", "service_tier", schema="usage")
    op.drop_table("prices")


def _listed(column: str, names: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(name) for name in names)})"


def _create_prices() -> None:
    op.create_table(
        "prices",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.text("gen_random_uuid()")),
        sa.Column("model_id", sa.Uuid(), sa.ForeignKey("models.id", ondelete="CASCADE")),
        sa.Column("deployment_id", sa.Uuid(), sa.ForeignKey("deployments.id", ondelete="CASCADE")),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False, server_default="standard"),
        sa.Column("above_tokens", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("valid_from", pg.TIMESTAMP(timezone=True), nullable=False, server_default="1970-01-01T00:00:00Z"),
        sa.Column("amount", sa.Numeric(24, 12), nullable=False),
        sa.Column("per", sa.Integer(), nullable=False, server_default=sa.text("1000000")),
        sa.Column("created_at", pg.TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("num_nonnulls(model_id, deployment_id) = 1", name="one_subject"),
        sa.CheckConstraint(_listed("meter", METERS), name="meter"),
        sa.CheckConstraint(_listed("tier", TIERS), name="tier"),
        sa.CheckConstraint("above_tokens >= 0", name="above_tokens"),
        sa.CheckConstraint("amount >= 0", name="amount"),
        sa.CheckConstraint("per IN (1, 1000, 1000000)", name="per"),
        sa.CheckConstraint("amount * 1000000000000 % per = 0", name="exact"),
    )
    op.create_index(
        "uq_prices_place",
        "prices",
        ["model_id", "deployment_id", "meter", "tier", "above_tokens", "valid_from"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("ix_prices_deployment_id", "prices", ["deployment_id"])
    op.execute(
        "CREATE TRIGGER note_catalog_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON prices"
        " FOR EACH STATEMENT EXECUTE FUNCTION note_catalog_change()"
    )


def _create_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("request_started_at", pg.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("started_at", pg.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("deployment_id", sa.Uuid()),
        *(sa.Column(name, sa.Text()) for name in ("provider", "upstream_model", "error_kind")),
        sa.Column("upstream_status", sa.SmallInteger()),
        *(sa.Column(name, sa.Text()) for name in ("upstream_id", "upstream_request_id", "native_finish_reason")),
        *(sa.Column(name, sa.Text()) for name in ("usage_source", "service_tier")),
        *(sa.Column(name, sa.Integer()) for name in COUNTERS),
        sa.Column("cost", sa.Numeric(24, 12)),
        sa.PrimaryKeyConstraint("request_id", "number", "request_started_at"),
        schema="usage",
        postgresql_partition_by="RANGE (request_started_at)",
    )


def _create_rollup(name: str, bucket: str, kind: sa.types.TypeEngine[object]) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column(bucket, kind, nullable=False),
        *(sa.Column(key, sa.Uuid()) for key in ("org_id", "team_id", "user_id", "service_account_id", "token_id")),
        sa.Column("model", sa.Text()),
        sa.Column("provider", sa.Text()),
        sa.Column("deployment_id", sa.Uuid()),
        *(
            sa.Column(counter, sa.BigInteger(), nullable=False)
            for counter in (
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
        ),
        sa.Column("cost", sa.Numeric(30, 12), nullable=False),
    )
    op.create_index(f"ix_{name}_{bucket}", name, [bucket])
    for key in ("org_id", "team_id", "user_id", "token_id"):
        op.create_index(f"ix_{name}_{key}_{bucket}", name, [key, bucket])
