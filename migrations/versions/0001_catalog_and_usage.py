"""The catalog tables with their change notification, and the partitioned raw usage."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CATALOG = (
    "orgs",
    "teams",
    "users",
    "memberships",
    "service_accounts",
    "tokens",
    "providers",
    "models",
    "deployments",
    "grants",
)

# Bulk changes must not flood the channel: one bump and one notification per writing transaction.
NOTE_CHANGE = """
CREATE FUNCTION note_catalog_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    new_version bigint;
    this_transaction bigint := pg_current_xact_id()::text::bigint;
BEGIN
    UPDATE catalog_version
       SET version = version + 1, changed_in = this_transaction
     WHERE id = 1 AND changed_in <> this_transaction
    RETURNING version INTO new_version;
    IF FOUND THEN
        PERFORM pg_notify('aqueduct_catalog', new_version::text);
    END IF;
    RETURN NULL;
END
$$
"""

# A partition is built beside the table and then attached, which does not lock out writers of other months.
ENSURE_PARTITIONS = """
CREATE FUNCTION usage.ensure_partitions(
    first_at timestamptz DEFAULT now() - interval '1 month',
    last_at timestamptz DEFAULT now() + interval '2 months'
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    month timestamp := date_trunc('month', first_at AT TIME ZONE 'UTC');
    last_month timestamp := date_trunc('month', last_at AT TIME ZONE 'UTC');
    partition text;
    made integer := 0;
BEGIN
    IF last_month - month > interval '1200 days' THEN
        RAISE EXCEPTION 'usage.ensure_partitions: more than 1200 days at once';
    END IF;
    WHILE month <= last_month LOOP
        partition := to_char(month, '"requests_"YYYY"_"MM');
        IF to_regclass('usage.' || partition) IS NULL THEN
            PERFORM pg_advisory_xact_lock(hashtext('usage.ensure_partitions'));
            IF to_regclass('usage.' || partition) IS NULL THEN
                EXECUTE format('CREATE TABLE usage.%I (LIKE usage.requests INCLUDING ALL)', partition);
                EXECUTE format(
                    'ALTER TABLE usage.requests ATTACH PARTITION usage.%I FOR VALUES FROM (%L) TO (%L)',
                    partition, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC'
                );
                made := made + 1;
            END IF;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END
$$
"""


def upgrade() -> None:
    """Create everything."""
    _create_callers()
    _create_tokens()
    _create_callees()
    _create_grants()
    _create_notification()
    _create_usage()


def downgrade() -> None:
    """Remove everything, the data included."""
    op.execute("DROP FUNCTION usage.ensure_partitions")
    op.execute("DROP TABLE usage.requests")
    op.execute("DROP SCHEMA usage")
    op.drop_constraint("fk_orgs_default_team_id", "orgs", type_="foreignkey")
    for table in reversed(CATALOG):
        op.drop_table(table)
    op.execute("DROP FUNCTION note_catalog_change")
    op.drop_table("catalog_version")


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.text("gen_random_uuid()"))


def _created_at() -> sa.Column[object]:
    return sa.Column("created_at", pg.TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now())


def _enabled() -> sa.Column[object]:
    return sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.text("true"))


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, pg.TIMESTAMP(timezone=True))


def _text(name: str, default: str | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=default)


def _parent(name: str, table: str, *, nullable: bool = False, ondelete: str = "CASCADE") -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), sa.ForeignKey(f"{table}.id", ondelete=ondelete), nullable=nullable)


def _create_callers() -> None:
    op.create_table(
        "orgs",
        _id(),
        _text("slug"),
        _text("name"),
        sa.Column("default_team_id", sa.Uuid()),
        _enabled(),
        _created_at(),
        sa.UniqueConstraint("slug"),
        sa.CheckConstraint("slug ~ '^[a-z0-9][a-z0-9_-]{0,62}$'", name="slug"),
    )
    op.create_table(
        "teams",
        _id(),
        _parent("org_id", "orgs"),
        _text("name"),
        _enabled(),
        _created_at(),
        sa.UniqueConstraint("org_id", "name"),
    )
    op.create_foreign_key("fk_orgs_default_team_id", "orgs", "teams", ["default_team_id"], ["id"], ondelete="SET NULL")
    op.create_table(
        "users",
        _id(),
        _parent("org_id", "orgs"),
        _text("email"),
        sa.Column("display_name", sa.Text()),
        sa.Column("is_org_admin", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("directus_user_id", sa.Uuid()),
        _enabled(),
        _created_at(),
        sa.UniqueConstraint("email"),
        sa.UniqueConstraint("directus_user_id"),
        sa.CheckConstraint("email = lower(email)", name="email_lower"),
    )
    op.create_index("ix_users_org_id", "users", ["org_id"])
    op.create_table(
        "memberships",
        _id(),
        _parent("team_id", "teams"),
        _parent("user_id", "users"),
        sa.Column("is_team_admin", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        _created_at(),
        sa.UniqueConstraint("team_id", "user_id"),
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id"])
    op.create_table(
        "service_accounts",
        _id(),
        _parent("team_id", "teams"),
        _text("name"),
        _enabled(),
        _created_at(),
        sa.UniqueConstraint("team_id", "name"),
    )


def _create_tokens() -> None:
    op.create_table(
        "tokens",
        _id(),
        _parent("user_id", "users", nullable=True),
        _parent("team_id", "teams", nullable=True),
        _parent("service_account_id", "service_accounts", nullable=True),
        _text("name"),
        _text("prefix"),
        _text("sha256"),
        _time("expires_at"),
        _time("revoked_at"),
        _parent("replaced_by_id", "tokens", nullable=True, ondelete="SET NULL"),
        _time("grace_until"),
        _time("last_used_at"),
        _created_at(),
        sa.UniqueConstraint("sha256"),
        sa.CheckConstraint("num_nonnulls(user_id, team_id, service_account_id) = 1", name="one_owner"),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
    )
    for column in ("user_id", "team_id", "service_account_id", "replaced_by_id"):
        op.create_index(f"ix_tokens_{column}", "tokens", [column])


def _create_callees() -> None:
    op.create_table(
        "providers",
        _id(),
        _text("name"),
        _text("adapter"),
        _text("base_url", ""),
        sa.Column("secret", sa.Text()),
        _text("quirks", "default"),
        sa.Column("options", pg.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("headers", pg.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        _enabled(),
        _created_at(),
        sa.UniqueConstraint("name"),
        sa.CheckConstraint("jsonb_typeof(options) = 'object'", name="options"),
        sa.CheckConstraint("jsonb_typeof(headers) = 'object'", name="headers"),
    )
    op.create_table(
        "models",
        _id(),
        _text("name"),
        sa.Column("aliases", pg.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("operations", pg.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("context_window", sa.Integer()),
        sa.Column("max_output_tokens", sa.Integer()),
        sa.Column("request_weight", sa.Integer(), nullable=False, server_default=sa.text("1")),
        _text("extra_params", "drop"),
        sa.Column("owned_by", sa.Text()),
        _enabled(),
        _created_at(),
        sa.UniqueConstraint("name"),
        sa.CheckConstraint("name ~ '^[^*]{0,255}[*]?$' AND name <> ''", name="name"),
        sa.CheckConstraint("extra_params IN ('drop', 'reject', 'forward')", name="extra_params"),
        sa.CheckConstraint("request_weight > 0", name="request_weight"),
        sa.CheckConstraint("context_window > 0", name="context_window"),
        sa.CheckConstraint("max_output_tokens > 0", name="max_output_tokens"),
    )
    timeouts = ("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s")
    op.create_table(
        "deployments",
        _id(),
        _parent("model_id", "models"),
        _parent("provider_id", "providers"),
        _text("upstream_model"),
        sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("weight", sa.Integer(), nullable=False, server_default=sa.text("1")),
        *(sa.Column(name, sa.Float()) for name in timeouts),
        _enabled(),
        _created_at(),
        sa.UniqueConstraint("model_id", "provider_id", "upstream_model"),
        sa.CheckConstraint("weight > 0", name="weight"),
        *(sa.CheckConstraint(f"{name} > 0", name=name) for name in timeouts),
    )
    op.create_index("ix_deployments_provider_id", "deployments", ["provider_id"])


def _create_grants() -> None:
    subjects = ("org_id", "team_id", "user_id", "service_account_id", "token_id")
    op.create_table(
        "grants",
        _id(),
        *(_parent(name, f"{name.removesuffix('_id')}s", nullable=True) for name in subjects),
        _parent("model_id", "models", nullable=True),
        sa.Column("model_pattern", sa.Text()),
        _text("effect"),
        _created_at(),
        sa.CheckConstraint(f"num_nonnulls({', '.join(subjects)}) = 1", name="one_subject"),
        sa.CheckConstraint("num_nonnulls(model_id, model_pattern) = 1", name="one_target"),
        sa.CheckConstraint("model_pattern ~ '^[^*]{0,255}[*]?$' AND model_pattern <> ''", name="model_pattern"),
        sa.CheckConstraint("effect IN ('allow', 'deny')", name="effect"),
    )
    op.create_index(
        "uq_grants_subject_target",
        "grants",
        [*subjects, "model_id", "model_pattern"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    for column in (*subjects[1:], "model_id"):
        op.create_index(f"ix_grants_{column}", "grants", [column])


def _create_notification() -> None:
    op.create_table(
        "catalog_version",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("changed_in", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    op.execute("INSERT INTO catalog_version (id, version, changed_in) VALUES (1, 1, 0)")
    op.execute(NOTE_CHANGE)
    for table in CATALOG:
        update = "UPDATE"
        if table == "tokens":  # `last_used_at` is written all the time and changes nothing
            update = (
                "UPDATE OF user_id, team_id, service_account_id, name, prefix, sha256, expires_at, revoked_at,"
                " replaced_by_id, grace_until"
            )
        op.execute(
            f"CREATE TRIGGER note_catalog_change AFTER INSERT OR DELETE OR TRUNCATE OR {update} ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION note_catalog_change()"
        )


def _create_usage() -> None:
    op.execute("CREATE SCHEMA usage")
    counters = (
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
    op.create_table(
        "requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("started_at", pg.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("ttft_ms", sa.Integer()),
        _text("endpoint"),
        _text("operation"),
        sa.Column("streamed", sa.Boolean(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("error_kind", sa.Text()),
        *(sa.Column(name, sa.Uuid()) for name in ("org_id", "team_id", "user_id", "service_account_id", "token_id")),
        sa.Column("model", sa.Text()),
        sa.Column("requested_model", sa.Text()),
        sa.Column("deployment_id", sa.Uuid()),
        *(sa.Column(name, sa.Text()) for name in ("provider", "upstream_model", "upstream_id", "upstream_request_id")),
        *(sa.Column(name, sa.Text()) for name in ("client_request_id", "client_user")),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("native_finish_reason", "finish_reason", "usage_source")),
        *(sa.Column(name, sa.Integer()) for name in counters),
        sa.Column("raw_usage", pg.JSONB()),
        sa.Column("violations", pg.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("dropped_params", pg.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
        sa.PrimaryKeyConstraint("id", "started_at"),
        schema="usage",
        postgresql_partition_by="RANGE (started_at)",
    )
    op.create_index("ix_requests_token_id_started_at", "requests", ["token_id", "started_at"], schema="usage")
    op.execute(ENSURE_PARTITIONS)
    op.execute("SELECT usage.ensure_partitions()")
