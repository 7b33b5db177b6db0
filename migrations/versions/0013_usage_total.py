"""An aggregate that adds up counters without the wide numbers of `sum(bigint)`, which take most of a report's time."""

from collections.abc import Sequence

from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create it. Like `+`, it fails rather than to overflow."""
    op.execute(
        "CREATE AGGREGATE usage.total(bigint)"
        " (sfunc = int8pl, stype = bigint, initcond = '0', combinefunc = int8pl, parallel = safe)"
    )


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP AGGREGATE usage.total(bigint)")
