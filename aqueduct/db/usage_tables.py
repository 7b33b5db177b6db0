"""The raw usage rows, in a schema of their own and partitioned by month, and their rollups; knows no ORM.

Directus ignores composite primary keys, and a partitioned table needs its partition key in the primary key: so the
rows stay in the schema `usage`, which it does not see. Principals and deployments are plain ids without foreign
keys: usage outlives a deleted token. NULL in a counter means that the provider did not report it, NULL in a cost that
nothing was priced. The rollups have a single key and are what Directus and every report read.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from aqueduct.db.base import metadata
from aqueduct.db.names import (
    COUNTERS,
    MONTHLY_KEYS,
    RANKED_KEYS,
    ROLLUP_KEYS,
    ROLLUP_SUMS,
    TOTAL_KEYS,
    USAGE_SCHEMA,
)

requests = Table(
    "requests",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("started_at", TIMESTAMP(timezone=True), nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("ttft_ms", Integer),
    Column("endpoint", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("streamed", Boolean, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("error_kind", Text),
    Column("org_id", Uuid),
    Column("team_id", Uuid),
    Column("user_id", Uuid),
    Column("service_account_id", Uuid),
    Column("token_id", Uuid),
    Column("model", Text),
    Column("requested_model", Text),
    Column("deployment_id", Uuid),
    Column("provider", Text),
    Column("upstream_model", Text),
    Column("upstream_id", Text),
    Column("upstream_request_id", Text),
    Column("client_request_id", Text),
    Column("client_user", Text),
    Column("attempts", SmallInteger, nullable=False),
    Column("native_finish_reason", Text),
    Column("finish_reason", Text),
    Column("usage_source", Text),
    *(Column(name, Integer) for name in COUNTERS),
    Column("raw_usage", JSONB(none_as_null=True)),
    Column("violations", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("dropped_params", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("service_tier", Text),
    Column("cost", Numeric(24, 12)),
    Column("schema_outcome", Text),
    Column("reservations", JSONB(none_as_null=True)),
    PrimaryKeyConstraint("id", "started_at"),
    Index("ix_requests_token_id_started_at", "token_id", "started_at"),
    Index("ix_requests_started_at", "started_at"),
    schema=USAGE_SCHEMA,
    postgresql_partition_by="RANGE (started_at)",
)
"""One request. `id` is the server's UUIDv7 (`x-request-id`); `started_at` decides the partition."""

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", Uuid, nullable=False),
    Column("number", SmallInteger, nullable=False),
    Column("request_started_at", TIMESTAMP(timezone=True), nullable=False),
    Column("started_at", TIMESTAMP(timezone=True), nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("deployment_id", Uuid),
    Column("provider", Text),
    Column("upstream_model", Text),
    Column("error_kind", Text),
    Column("upstream_status", SmallInteger),
    Column("upstream_id", Text),
    Column("upstream_request_id", Text),
    Column("native_finish_reason", Text),
    Column("usage_source", Text),
    Column("service_tier", Text),
    *(Column(name, Integer) for name in COUNTERS),
    Column("cost", Numeric(24, 12)),
    Column("rates", JSONB(none_as_null=True)),
    PrimaryKeyConstraint("request_id", "number", "request_started_at"),
    Index(
        "ix_attempts_request_started_at",
        "request_started_at",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
    schema=USAGE_SCHEMA,
    postgresql_partition_by="RANGE (request_started_at)",
)
"""One upstream attempt of a request, priced by the deployment that it went to; in the partition of its request."""


def _rollup(name: str, *columns: Column[object], indexes: tuple[Index, ...] = ()) -> Table:
    """Rows are added to again and again: the free space of a page lets that go without touching an index."""
    return Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        *columns,
        *(Column(total, BigInteger, nullable=False) for total in ROLLUP_SUMS),
        Column("cost", Numeric(30, 12), nullable=False),
        *indexes,
        postgresql_with={"fillfactor": 80},
    )


def _keys(names: tuple[str, ...]) -> tuple[Column[object], ...]:
    return tuple(Column(name, Text if name in {"model", "provider", "cost_center"} else Uuid) for name in names)


usage_hourly = _rollup(
    "usage_hourly",
    Column("hour", TIMESTAMP(timezone=True), nullable=False),
    *_keys(ROLLUP_KEYS),
    indexes=(Index("ix_usage_hourly_hour", "hour"),),
)
usage_daily = _rollup(
    "usage_daily",
    Column("day", Date, nullable=False),
    *_keys(ROLLUP_KEYS),
    indexes=(
        Index("ix_usage_daily_day", "day"),
        Index("ix_usage_daily_org_id_day", "org_id", "day"),
        Index("ix_usage_daily_org_id_model_day", "org_id", "model", "day"),
        Index("ix_usage_daily_team_id_day", "team_id", "day"),
        *(
            Index(f"ix_usage_daily_{key}_day", key, "day", postgresql_where=text(f"{key} IS NOT NULL"))
            for key in ("user_id", "service_account_id", "token_id")
        ),
    ),
)
usage_totals = _rollup(
    "usage_totals",
    Column("kind", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    *_keys(TOTAL_KEYS),
    indexes=(
        Index("ix_usage_totals_kind_first_day", "kind", "first_day"),
        Index("ix_usage_totals_org_id_kind_first_day", "org_id", "kind", "first_day"),
    ),
)
"""What reports on a whole installation or org read: the same sums with fewer keys, by the day or by the month."""
usage_ranked = _rollup(
    "usage_ranked",
    Column("kind", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    *_keys(RANKED_KEYS),
)
"""The groups of reports in the order of their cost, by the day, the month or the year."""
Index(
    "ix_usage_ranked_kind_first_day_cost",
    usage_ranked.c.kind,
    usage_ranked.c.first_day,
    usage_ranked.c.cost.desc(),
    usage_ranked.c.requests.desc(),
)
usage_ranked_until = Table(
    "usage_ranked_until",
    metadata,
    Column("id", SmallInteger, primary_key=True, server_default=text("1")),
    Column("until", Date, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
"""The last day that is in `usage_ranked`; no row where none is."""
ranked_centers = Table(
    "ranked_centers",
    metadata,
    Column("team_id", Uuid, primary_key=True),
    Column("cost_center", Text, nullable=False),
)
"""The cost centres of teams that `usage_ranked` was added up by."""
usage_monthly = _rollup(
    "usage_monthly",
    Column("kind", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    *_keys(MONTHLY_KEYS),
)
Index(
    "ix_usage_monthly_kind_first_day_cost",
    usage_monthly.c.kind,
    usage_monthly.c.first_day,
    usage_monthly.c.cost.desc(),
)
"""What `usage_ranked` took the place of: gateways of the release before may still write it, nothing reads it."""
usage_folded = Table(
    "usage_folded",
    metadata,
    Column("id", SmallInteger, primary_key=True, server_default=text("1")),
    Column("until", Date, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
"""The last day that is in `usage_monthly`."""
