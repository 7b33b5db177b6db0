"""The raw usage rows, in a schema of their own and partitioned by month; knows no ORM.

Directus ignores composite primary keys, and a partitioned table needs its partition key in the primary key: so the
rows stay in the schema `usage`, which it does not see. Principals and deployments are plain ids without foreign
keys: usage outlives a deleted token. NULL in a counter means that the provider did not report it.
"""

from sqlalchemy import Boolean, Column, Index, Integer, PrimaryKeyConstraint, SmallInteger, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from aqueduct.db.base import USAGE_SCHEMA, metadata

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
"""Columns that hold the counters of `schemas.usage.Usage`, under the same names."""

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
    PrimaryKeyConstraint("id", "started_at"),
    Index("ix_requests_token_id_started_at", "token_id", "started_at"),
    schema=USAGE_SCHEMA,
    postgresql_partition_by="RANGE (started_at)",
)
"""One request. `id` is the server's UUIDv7 (`x-request-id`); `started_at` decides the partition."""
