"""Names of the database's schemas, columns and channels; knows no table and imports nothing.

Whoever serves needs only these: the tables themselves (`models`, `usage_tables`, `vault_tables`) bring SQLAlchemy with
them, which is half of the memory of a process that has nothing to do.
"""

USAGE_SCHEMA = "usage"
VAULT_SCHEMA = "vault"
CATALOG_CHANNEL = "aqueduct_catalog"
REVOKED_CHANNEL = "aqueduct_revoked"
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
    "completion_image_tokens",
    "completion_text_tokens",
    "accepted_prediction_tokens",
    "rejected_prediction_tokens",
    "images",
    "seconds",
    "queries",
)
"""Columns that hold the counters of `schemas.usage.Usage`, under the same names."""
REQUEST_COLUMNS = (
    "id",
    "started_at",
    "duration_ms",
    "ttft_ms",
    "endpoint",
    "operation",
    "streamed",
    "status",
    "error_kind",
    "org_id",
    "team_id",
    "user_id",
    "service_account_id",
    "token_id",
    "model",
    "requested_model",
    "deployment_id",
    "provider",
    "upstream_model",
    "upstream_id",
    "upstream_request_id",
    "client_request_id",
    "client_user",
    "attempts",
    "native_finish_reason",
    "finish_reason",
    "usage_source",
    *COUNTERS,
    "raw_usage",
    "violations",
    "dropped_params",
    "service_tier",
    "cost",
    "schema_outcome",
    "reservations",
)
"""The columns of `usage.requests`, in order."""
ATTEMPT_COLUMNS = (
    "request_id",
    "number",
    "request_started_at",
    "started_at",
    "duration_ms",
    "deployment_id",
    "provider",
    "upstream_model",
    "error_kind",
    "upstream_status",
    "upstream_id",
    "upstream_request_id",
    "native_finish_reason",
    "usage_source",
    "service_tier",
    *COUNTERS,
    "cost",
    "rates",
)
"""The columns of `usage.attempts`, in order."""
ROLLUP_KEYS = (
    "org_id",
    "team_id",
    "user_id",
    "service_account_id",
    "token_id",
    "model",
    "provider",
    "deployment_id",
)
ROLLUP_SUMS = (
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
"""What rollups add up beside the cost."""
TOTALS = {
    "org_day": ("day", "org_id"),
    "model_day": ("day", "model", "provider"),
    "team_month": ("month", "org_id", "team_id"),
    "user_month": ("month", "org_id", "user_id"),
    "model_month": ("month", "model", "provider"),
    "org_model_month": ("month", "org_id", "model", "provider"),
}
"""The kinds of rows in `usage_totals`, and what each adds up by."""
TOTAL_KEYS = ("org_id", "team_id", "user_id", "model", "provider")
RANKED = {
    "org_day": ("day", "org_id"),
    "provider_day": ("day", "provider"),
    "model_day": ("day", "model"),
    "org_provider_day": ("day", "org_id", "provider"),
    "org_provider_month": ("month", "org_id", "provider"),
    "model_provider_day": ("day", "model", "provider"),
    "cost_center_day": ("day", "cost_center"),
    "cost_center_month": ("month", "cost_center"),
    "cost_center_year": ("year", "cost_center"),
    "org_cost_center_day": ("day", "org_id", "cost_center"),
    "org_cost_center_month": ("month", "org_id", "cost_center"),
    "provider_cost_center_day": ("day", "provider", "cost_center"),
    "provider_cost_center_month": ("month", "provider", "cost_center"),
    "team_five_days": ("five_days", "team_id"),
    "team_month": ("month", "team_id"),
    "team_year": ("year", "team_id"),
    "user_month": ("month", "user_id"),
    "service_account_day": ("day", "service_account_id"),
    "service_account_month": ("month", "service_account_id"),
    "service_account_model_day": ("day", "service_account_id", "model"),
    "service_account_model_month": ("month", "service_account_id", "model"),
    "token_month": ("month", "token_id"),
    "org_team_month": ("month", "org_id", "team_id"),
    "org_user_month": ("month", "org_id", "user_id"),
    "org_model_month": ("month", "org_id", "model"),
    "team_model_month": ("month", "team_id", "model"),
    "user_model_month": ("month", "user_id", "model"),
    "cost_center_model_month": ("month", "cost_center", "model"),
}
"""The kinds of rows in `usage_ranked`, and what each adds up by: a group of a report by just that is a row a span.

What has few groups is there by the day, what has many by the month: by the day, each kind of that would be most of
`usage_daily` again. Teams are so few that they have rows by five days.
"""
RANKED_KEYS = ("org_id", "team_id", "user_id", "service_account_id", "token_id", "model", "provider", "cost_center")
MONTHLY_KEYS = ("org_id", "team_id", "user_id", "service_account_id", "token_id", "model")
"""The keys of `usage_monthly`, which gateways of the release before write."""
