"""Replicas that make the same months at once: each looks again, past its session's cache, before it makes one."""

import importlib
from collections.abc import Sequence

from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

BEFORE: str = importlib.import_module("migrations.versions.0005_prices_attempts_rollups").ENSURE_PARTITIONS
# `to_regclass` may answer from the session's cache, which waiting for an advisory lock does not bring up to date; a
# query sees what was committed meanwhile.
LOOK = "                IF to_regclass('usage.' || partition) IS NULL THEN\n                    EXECUTE"
LOOK_AGAIN = (
    "                IF NOT EXISTS (SELECT FROM pg_class c WHERE c.relname = partition"
    " AND c.relnamespace = 'usage'::regnamespace) THEN\n                    EXECUTE"
)


def upgrade() -> None:
    """Replace the function."""
    if BEFORE.count(LOOK) != 1:
        raise RuntimeError("usage.ensure_partitions is not the one that was known")
    op.execute(BEFORE.replace(LOOK, LOOK_AGAIN))


def downgrade() -> None:
    """Bring the function back as it was."""
    op.execute(BEFORE)
