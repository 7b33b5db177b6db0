"""A replica that reports, or is settled, does not hold up the others that find its lease lapsed meanwhile."""

import importlib
from collections.abc import Sequence

from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Who books a lapsed lease holds its counter, and refers to the replica's row from `ledger.lapses`. Whoever settles the
# replica holds that row while it reads, for seconds, and then wants the counters; so does the replica itself when it
# reports again. With a lock that excludes references each waited for the other. Two who want to change the row still
# take turns.
SETTLE_BEFORE = "AND NOT r.settled FOR UPDATE;"
SYNC_BEFORE = "FROM ledger.replicas r WHERE r.id = me FOR UPDATE;"


def upgrade() -> None:
    """Replace the functions."""
    op.execute(_sharing(_former_settle_at(), SETTLE_BEFORE))
    op.execute(_sharing(_former_sync_at(), SYNC_BEFORE))


def downgrade() -> None:
    """Put the former ones back."""
    op.execute(_former_settle_at())
    op.execute(_former_sync_at())


def _sharing(text: str, lock: str) -> str:
    if text.count(lock) != 1:
        raise ValueError(lock)
    return text.replace(lock, lock.replace("FOR UPDATE", "FOR NO KEY UPDATE"))


def _former_settle_at() -> str:
    return str(importlib.import_module("migrations.versions.0025_lapses").SETTLE_AT)


def _former_sync_at() -> str:
    former = importlib.import_module("migrations.versions.0025_lapses")
    return str(former._changed(former._former_sync_at(), former.SYNC_CHANGES))  # noqa: SLF001 - as it stands
