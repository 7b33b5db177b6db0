"""MCP servers, grants for them, and grants that outlive neither a model nor a server unseen."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

SUBJECTS = ("org_id", "team_id", "user_id", "service_account_id", "token_id")
NO_SERVERS = "DELETE FROM grants WHERE mcp_server_id IS NOT NULL OR mcp_server_pattern IS NOT NULL"


def upgrade() -> None:
    """Add the table and the columns; every grant keeps its meaning."""
    op.create_table(
        "mcp_servers",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.text("gen_random_uuid()")),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("title", sa.Text()),
        sa.Column("description", sa.Text()),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("headers", pg.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("created_at", pg.TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'", name="name"),
        sa.CheckConstraint("url ~ '^https?://'", name="url"),
        sa.CheckConstraint("jsonb_typeof(headers) = 'object'", name="headers"),
    )
    op.execute(
        "CREATE TRIGGER note_catalog_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON mcp_servers"
        " FOR EACH STATEMENT EXECUTE FUNCTION note_catalog_change()"
    )
    op.add_column("grants", sa.Column("mcp_server_id", sa.Uuid()))
    op.add_column("grants", sa.Column("mcp_server_pattern", sa.Text()))
    op.create_foreign_key(None, "grants", "mcp_servers", ["mcp_server_id"], ["id"], ondelete="RESTRICT")
    op.create_index("ix_grants_mcp_server_id", "grants", ["mcp_server_id"])
    op.create_check_constraint(
        "mcp_server_pattern", "grants", "mcp_server_pattern ~ '^[^*]{0,63}[*]?$' AND mcp_server_pattern <> ''"
    )
    _one_target("model_id", "model_pattern", "mcp_server_id", "mcp_server_pattern")
    _model_reference("RESTRICT")


def downgrade() -> None:
    """Remove the servers and the grants for them."""
    op.execute(NO_SERVERS)
    _model_reference("CASCADE")
    op.drop_constraint("ck_grants_mcp_server_pattern", "grants")
    _one_target("model_id", "model_pattern")
    op.drop_column("grants", "mcp_server_pattern")
    op.drop_column("grants", "mcp_server_id")
    op.drop_table("mcp_servers")


def _one_target(*targets: str) -> None:
    """A grant is about exactly one thing, and a subject has one grant about it."""
    op.drop_constraint("ck_grants_one_target", "grants")
    op.create_check_constraint("one_target", "grants", f"num_nonnulls({', '.join(targets)}) = 1")
    op.drop_index("uq_grants_subject_target", "grants")
    op.create_index(
        "uq_grants_subject_target", "grants", [*SUBJECTS, *targets], unique=True, postgresql_nulls_not_distinct=True
    )


def _model_reference(ondelete: str) -> None:
    """Deleting a model must not delete an `allow` with it: that would open all others to its subject."""
    op.drop_constraint("fk_grants_model_id", "grants", type_="foreignkey")
    op.create_foreign_key("fk_grants_model_id", "grants", "models", ["model_id"], ["id"], ondelete=ondelete)
