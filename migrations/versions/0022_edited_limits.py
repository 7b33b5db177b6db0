"""A limit whose metric or window is edited in place begins at nothing: what was counted before is forgotten."""

import importlib
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# As in 0021, but: what a replica reports of the former metric, because it does not know of the new one yet, is not
# taken; the limit is gone for it until it does. Replicas of the release before name no metric.
BEFORE = "SELECT amount INTO most FROM limits WHERE id = limit_id;"
AFTER = """SELECT l.amount INTO most FROM limits l
          WHERE l.id = sync_at.limit_id AND l.metric = coalesce(item ->> 'metric', l.metric);"""
# Counters take their slots and leases with them.
FORGET = """
CREATE FUNCTION ledger.forget_counters() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ledger.counters c WHERE c.limit_id = NEW.id;
    INSERT INTO ledger.edits AS e (limit_id, at_ms)
    VALUES (NEW.id, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    ON CONFLICT (limit_id) DO UPDATE SET at_ms = excluded.at_ms;
    RETURN NULL;
END
$$
"""
TRIGGER = """
CREATE TRIGGER forget_counters AFTER UPDATE OF metric, period, calendar ON limits
FOR EACH ROW WHEN ((OLD.metric, OLD.period, OLD.calendar) IS DISTINCT FROM (NEW.metric, NEW.period, NEW.calendar))
EXECUTE FUNCTION ledger.forget_counters()
"""
# Usage rows keep what was counted, not in which unit: those that may be from before the edit settle nobody.
SETTLED_BEFORE = "           AND (l.period = 'total' OR l.calendar)\n         GROUP BY 1, 2, 3\n"
SETTLED_AFTER = """           AND (l.period = 'total' OR l.calendar)
           AND NOT EXISTS (SELECT FROM ledger.edits e
                            WHERE e.limit_id = l.id AND q.started_at < to_timestamp(e.at_ms / 1000.0) + interval '5 s')
         GROUP BY 1, 2, 3
"""


def upgrade() -> None:
    """Replace the functions, and add the trigger."""
    op.create_table(
        "edits",
        sa.Column("limit_id", sa.Uuid(), sa.ForeignKey("limits.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        schema="ledger",
    )
    op.execute(_replaced(_former(), BEFORE, AFTER))
    op.execute(_replaced(_former_settle_at(), SETTLED_BEFORE, SETTLED_AFTER))
    op.execute(FORGET)
    op.execute(TRIGGER)


def downgrade() -> None:
    """Bring the former functions back, and remove the trigger."""
    op.execute("DROP TRIGGER forget_counters ON limits")
    op.execute("DROP FUNCTION ledger.forget_counters")
    op.execute(_former())
    op.execute(_former_settle_at())
    op.drop_table("edits", schema="ledger")


def _replaced(text: str, before: str, after: str) -> str:
    if text.count(before) != 1:
        raise ValueError(before)
    return text.replace(before, after)


def _former_settle_at() -> str:
    text: str = importlib.import_module("migrations.versions.0020_settling_reads_once").SETTLE_AT
    return text


def _former() -> str:
    former = importlib.import_module("migrations.versions.0021_edited_windows")
    text: str = former._former()  # noqa: SLF001 - as it stands
    for before, after in former.CHANGES:
        text = text.replace(before, after)
    return text
