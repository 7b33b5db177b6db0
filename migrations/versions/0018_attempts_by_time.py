"""The attempts of a day without reading their month: an index of what is in which blocks, next to free to write."""

from collections.abc import Sequence

from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create it on every month."""
    op.create_index(
        "ix_attempts_request_started_at",
        "attempts",
        ["request_started_at"],
        schema="usage",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_index("ix_attempts_request_started_at", "attempts", schema="usage")
