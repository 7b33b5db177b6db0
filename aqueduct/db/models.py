"""The catalog tables: who calls (orgs to tokens) and what may be called (providers to grants).

Alembic owns the schema (`migrations/`); a test holds these classes against it. Every change of a row here bumps
`catalog_version` and notifies the channel `aqueduct_catalog` by trigger, except `tokens.last_used_at`.
"""

from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy import Column as CoreColumn
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from aqueduct.db.base import Base, Timestamp, metadata

_TRUE = text("true")
_FALSE = text("false")


def _parent(table: str, *, ondelete: Literal["CASCADE", "RESTRICT", "SET NULL"] = "CASCADE") -> ForeignKey:
    return ForeignKey(f"{table}.id", ondelete=ondelete)


class Org(Base):
    """An organisation; `slug` is its stable name in files and headers."""

    __tablename__ = "orgs"
    __table_args__ = (CheckConstraint("slug ~ '^[a-z0-9][a-z0-9_-]{0,62}$'", name="slug"),)

    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    default_team_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("teams.id", ondelete="SET NULL", use_alter=True, name="fk_orgs_default_team_id")
    )
    enabled: Mapped[bool] = mapped_column(server_default=_TRUE)
    terms_version: Mapped[str | None] = mapped_column(Text)


class Team(Base):
    """A team of one org."""

    __tablename__ = "teams"
    __table_args__ = (UniqueConstraint("org_id", "name"),)

    org_id: Mapped[UUID] = mapped_column(_parent("orgs"))
    name: Mapped[str] = mapped_column(Text)
    cost_center: Mapped[str | None] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(server_default=_TRUE)


class User(Base):
    """A person, in exactly one org; `email` is lower case and unique."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    org_id: Mapped[UUID] = mapped_column(_parent("orgs"), index=True)
    email: Mapped[str] = mapped_column(Text, unique=True)
    display_name: Mapped[str | None] = mapped_column(Text)
    is_org_admin: Mapped[bool] = mapped_column(server_default=_FALSE)
    directus_user_id: Mapped[UUID | None] = mapped_column(unique=True)
    accepted_terms: Mapped[str | None] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(server_default=_TRUE)


class Membership(Base):
    """A user in a team of the same org."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("team_id", "user_id"),)

    team_id: Mapped[UUID] = mapped_column(_parent("teams"))
    user_id: Mapped[UUID] = mapped_column(_parent("users"), index=True)
    is_team_admin: Mapped[bool] = mapped_column(server_default=_FALSE)


class ServiceAccount(Base):
    """A program that calls on behalf of a team."""

    __tablename__ = "service_accounts"
    __table_args__ = (UniqueConstraint("team_id", "name"),)

    team_id: Mapped[UUID] = mapped_column(_parent("teams"))
    name: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(server_default=_TRUE)


class Token(Base):
    """A credential of exactly one user, team or service account; only its SHA-256 is kept.

    A rotated token names its successor in `replaced_by_id` and works until `grace_until`. Revoked rows stay, so that
    a token's history can be shown.
    """

    __tablename__ = "tokens"
    __table_args__ = (
        CheckConstraint("num_nonnulls(user_id, team_id, service_account_id) = 1", name="one_owner"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
    )

    user_id: Mapped[UUID | None] = mapped_column(_parent("users"), index=True)
    team_id: Mapped[UUID | None] = mapped_column(_parent("teams"), index=True)
    service_account_id: Mapped[UUID | None] = mapped_column(_parent("service_accounts"), index=True)
    name: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text, unique=True)
    expires_at: Mapped[Timestamp | None]
    revoked_at: Mapped[Timestamp | None]
    replaced_by_id: Mapped[UUID | None] = mapped_column(_parent("tokens", ondelete="SET NULL"), index=True)
    grace_until: Mapped[Timestamp | None]
    last_used_at: Mapped[Timestamp | None]


class Provider(Base):
    """An account at a model provider. `secret` is `env:NAME` or `enc:v1:...` (aqueduct.catalog.secrets)."""

    __tablename__ = "providers"
    __table_args__ = (
        CheckConstraint("jsonb_typeof(options) = 'object'", name="options"),
        CheckConstraint("jsonb_typeof(headers) = 'object'", name="headers"),
    )

    name: Mapped[str] = mapped_column(Text, unique=True)
    adapter: Mapped[str] = mapped_column(Text)
    base_url: Mapped[str] = mapped_column(Text, server_default="")
    secret: Mapped[str | None] = mapped_column(Text)
    quirks: Mapped[str] = mapped_column(Text, server_default="default")
    options: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    headers: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    enabled: Mapped[bool] = mapped_column(server_default=_TRUE)


class Model(Base):
    """A public model name, or a wildcard such as `openai/*`.

    `operations` empty means: whatever the adapters of its deployments can do. `request_weight` is what one request
    counts against request limits.
    """

    __tablename__ = "models"
    __table_args__ = (
        CheckConstraint("name ~ '^[^*]{0,255}[*]?$' AND name <> ''", name="name"),
        CheckConstraint("extra_params IN ('drop', 'reject', 'forward')", name="extra_params"),
        CheckConstraint("multiple_answers IN ('auto', 'fan_out', 'reject')", name="multiple_answers"),
        CheckConstraint("schema_check IN ('off', 'report', 'repair')", name="schema_check"),
        CheckConstraint("auto_cache IN ('5m', '1h')", name="auto_cache"),
        CheckConstraint("request_weight > 0", name="request_weight"),
        CheckConstraint("context_window > 0", name="context_window"),
        CheckConstraint("max_output_tokens > 0", name="max_output_tokens"),
        CheckConstraint("max_queries >= 0", name="max_queries"),
        CheckConstraint("max_seconds >= 0", name="max_seconds"),
    )

    name: Mapped[str] = mapped_column(Text, unique=True)
    aliases: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    operations: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    context_window: Mapped[int | None]
    max_output_tokens: Mapped[int | None]
    request_weight: Mapped[int] = mapped_column(server_default=text("1"))
    extra_params: Mapped[str] = mapped_column(Text, server_default="drop")
    signature_vault: Mapped[bool | None]
    multiple_answers: Mapped[str] = mapped_column(Text, server_default="auto")
    schema_check: Mapped[str | None] = mapped_column(Text, server_default="report")
    auto_cache: Mapped[str | None] = mapped_column(Text)
    fetch_media: Mapped[bool | None]
    max_queries: Mapped[int | None]
    max_seconds: Mapped[int | None]
    owned_by: Mapped[str | None] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(server_default=_TRUE)


class Deployment(Base):
    """A model at a provider. Lower `priority` is tried first; among equals `weight` shares the load.

    `upstream_model` of a wildcard model may hold one `*`, which the matched part of the name replaces. Timeouts are
    in seconds; NULL means the adapter's default.
    """

    __tablename__ = "deployments"
    __table_args__ = (
        UniqueConstraint("model_id", "provider_id", "upstream_model"),
        CheckConstraint("weight > 0", name="weight"),
        CheckConstraint("connect_timeout_s > 0", name="connect_timeout_s"),
        CheckConstraint("first_byte_timeout_s > 0", name="first_byte_timeout_s"),
        CheckConstraint("idle_timeout_s > 0", name="idle_timeout_s"),
    )

    model_id: Mapped[UUID] = mapped_column(_parent("models"))
    provider_id: Mapped[UUID] = mapped_column(_parent("providers"), index=True)
    upstream_model: Mapped[str] = mapped_column(Text)
    priority: Mapped[int] = mapped_column(server_default=text("0"))
    weight: Mapped[int] = mapped_column(server_default=text("1"))
    connect_timeout_s: Mapped[float | None]
    first_byte_timeout_s: Mapped[float | None]
    idle_timeout_s: Mapped[float | None]
    enabled: Mapped[bool] = mapped_column(server_default=_TRUE)


class McpServer(Base):
    """A server of tools, reached over HTTP alone. `headers` are `env:NAME` or `enc:v1:...` by header name."""

    __tablename__ = "mcp_servers"
    __table_args__ = (
        CheckConstraint("name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'", name="name"),
        CheckConstraint("url ~ '^https?://'", name="url"),
        CheckConstraint("jsonb_typeof(headers) = 'object'", name="headers"),
    )

    name: Mapped[str] = mapped_column(Text, unique=True)
    title: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    headers: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    enabled: Mapped[bool] = mapped_column(server_default=_TRUE)


class Grant(Base):
    """A rule of one subject about one model or MCP server: by its row (`..._id`), or by name or pattern.

    A model or server cannot be deleted while a grant refers to its row: an `allow` that went with it would open all
    others to the subject.
    """

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint("num_nonnulls(org_id, team_id, user_id, service_account_id, token_id) = 1", name="one_subject"),
        CheckConstraint(
            "num_nonnulls(model_id, model_pattern, mcp_server_id, mcp_server_pattern) = 1", name="one_target"
        ),
        CheckConstraint("model_pattern ~ '^[^*]{0,255}[*]?$' AND model_pattern <> ''", name="model_pattern"),
        CheckConstraint(
            "mcp_server_pattern ~ '^[^*]{0,63}[*]?$' AND mcp_server_pattern <> ''", name="mcp_server_pattern"
        ),
        CheckConstraint("effect IN ('allow', 'deny')", name="effect"),
        Index(
            "uq_grants_subject_target",
            "org_id",
            "team_id",
            "user_id",
            "service_account_id",
            "token_id",
            "model_id",
            "model_pattern",
            "mcp_server_id",
            "mcp_server_pattern",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )

    org_id: Mapped[UUID | None] = mapped_column(_parent("orgs"))
    team_id: Mapped[UUID | None] = mapped_column(_parent("teams"), index=True)
    user_id: Mapped[UUID | None] = mapped_column(_parent("users"), index=True)
    service_account_id: Mapped[UUID | None] = mapped_column(_parent("service_accounts"), index=True)
    token_id: Mapped[UUID | None] = mapped_column(_parent("tokens"), index=True)
    model_id: Mapped[UUID | None] = mapped_column(_parent("models", ondelete="RESTRICT"), index=True)
    model_pattern: Mapped[str | None] = mapped_column(Text)
    mcp_server_id: Mapped[UUID | None] = mapped_column(_parent("mcp_servers", ondelete="RESTRICT"), index=True)
    mcp_server_pattern: Mapped[str | None] = mapped_column(Text)
    effect: Mapped[str] = mapped_column(Text)


class Limit(Base):
    """How much one subject may use in a period, for one model or for all; `cost` is in micro-units of the currency."""

    __tablename__ = "limits"
    __table_args__ = (
        CheckConstraint("num_nonnulls(org_id, team_id, user_id, service_account_id, token_id) = 1", name="one_subject"),
        CheckConstraint("num_nonnulls(model_id, model_pattern) <= 1", name="one_model"),
        CheckConstraint("model_pattern ~ '^[^*]{0,255}[*]?$' AND model_pattern <> ''", name="model_pattern"),
        CheckConstraint(
            "metric IN ('requests', 'input_tokens', 'output_tokens', 'total_tokens', 'cost', 'concurrency')",
            name="metric",
        ),
        CheckConstraint(
            "(metric = 'concurrency') = (period IS NULL) AND"
            " period IN ('second', 'minute', 'hour', 'day', 'week', 'month', 'total')",
            name="period",
        ),
        CheckConstraint("NOT calendar OR period IN ('day', 'week', 'month')", name="calendar"),
        CheckConstraint("amount BETWEEN 0 AND 1000000000000000", name="amount"),
        CheckConstraint("mode IN ('enforce', 'shadow')", name="mode"),
        Index(
            "uq_limits_rule",
            "org_id",
            "team_id",
            "user_id",
            "service_account_id",
            "token_id",
            "model_id",
            "model_pattern",
            "metric",
            "period",
            "calendar",
            "per_member",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )

    org_id: Mapped[UUID | None] = mapped_column(_parent("orgs"))
    team_id: Mapped[UUID | None] = mapped_column(_parent("teams"), index=True)
    user_id: Mapped[UUID | None] = mapped_column(_parent("users"), index=True)
    service_account_id: Mapped[UUID | None] = mapped_column(_parent("service_accounts"), index=True)
    token_id: Mapped[UUID | None] = mapped_column(_parent("tokens"), index=True)
    model_id: Mapped[UUID | None] = mapped_column(_parent("models"), index=True)
    model_pattern: Mapped[str | None] = mapped_column(Text)
    metric: Mapped[str] = mapped_column(Text)
    period: Mapped[str | None] = mapped_column(Text)
    calendar: Mapped[bool] = mapped_column(server_default=_FALSE)
    amount: Mapped[int] = mapped_column(BigInteger)
    mode: Mapped[str] = mapped_column(Text, server_default="enforce")
    per_member: Mapped[bool] = mapped_column(server_default=_FALSE)


class Price(Base):
    """What `per` units of a meter cost a model or one deployment, from a time on, above so many prompt tokens."""

    __tablename__ = "prices"
    __table_args__ = (
        CheckConstraint("num_nonnulls(model_id, deployment_id) = 1", name="one_subject"),
        CheckConstraint(
            "meter IN ('input', 'cache_read', 'cache_write_5m', 'cache_write_1h', 'audio_input', 'image_input',"
            " 'output', 'reasoning', 'audio_output', 'image_output', 'image', 'second', 'character', 'query',"
            " 'request')",
            name="meter",
        ),
        CheckConstraint("tier IN ('standard', 'batch', 'flex', 'priority')", name="tier"),
        CheckConstraint("above_tokens >= 0", name="above_tokens"),
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint("per IN (1, 1000, 1000000)", name="per"),
        CheckConstraint("amount * 1000000000000 % per = 0", name="exact"),
        Index(
            "uq_prices_place",
            "model_id",
            "deployment_id",
            "meter",
            "tier",
            "above_tokens",
            "valid_from",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )

    model_id: Mapped[UUID | None] = mapped_column(_parent("models"))
    deployment_id: Mapped[UUID | None] = mapped_column(_parent("deployments"), index=True)
    meter: Mapped[str] = mapped_column(Text)
    tier: Mapped[str] = mapped_column(Text, server_default="standard")
    above_tokens: Mapped[int] = mapped_column(server_default=text("0"))
    valid_from: Mapped[Timestamp] = mapped_column(server_default="1970-01-01T00:00:00Z")
    amount: Mapped[Decimal] = mapped_column(Numeric(24, 12))
    per: Mapped[int] = mapped_column(server_default=text("1000000"))


catalog_version = Table(
    "catalog_version",
    metadata,
    CoreColumn("id", SmallInteger, primary_key=True, autoincrement=False),
    CoreColumn("version", BigInteger, nullable=False),
    CoreColumn("changed_in", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
"""One row: the catalog's version, bumped once per writing transaction, and that transaction's id."""
