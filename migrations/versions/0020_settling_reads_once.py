"""Settling a killed replica reads the rows of its requests once, whatever it held, and locks no counter meanwhile."""

import importlib
from collections.abc import Sequence

from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# As in 0011, but: what requests used is added up for all counters at once, before any counter is locked. The sums are
# held in arrays, some 50 bytes for each counter and slot. A replica without leases and slots needs none of it.
SETTLE_AT = """
CREATE OR REPLACE FUNCTION ledger.settle_at(at_ms bigint, gone uuid)
RETURNS TABLE (limit_id uuid, member_id uuid, slot bigint, booked bigint, used bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    began bigint;
    ended bigint;
    of_limits uuid[];
    of_members uuid[];
    of_slots bigint[];
    sums bigint[];
BEGIN
    SELECT r.started_at, r.expires_at INTO began, ended FROM ledger.replicas r
     WHERE r.id = settle_at.gone AND NOT r.settled FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF began > 0 AND to_regclass('usage.' || to_char(to_timestamp(began / 1000.0) AT TIME ZONE 'UTC',
                                                     '"requests_"YYYY"_"MM')) IS NULL THEN
        RETURN;  -- rows of its beginning were dropped: what it has booked stays
    END IF;
    UPDATE ledger.replicas SET settled = true, expires_at = least(expires_at, at_ms - 1) WHERE id = settle_at.gone;
    IF NOT EXISTS (SELECT FROM ledger.leases x WHERE x.replica_id = settle_at.gone)
       AND NOT EXISTS (SELECT FROM ledger.slots s WHERE s.replica_id = settle_at.gone) THEN
        RETURN;
    END IF;
    SELECT array_agg(t.limit_id), array_agg(t.member_id), array_agg(t.slot), array_agg(t.used)
      INTO of_limits, of_members, of_slots, sums
      FROM (
        SELECT l.id AS limit_id, (one ->> 1)::uuid AS member_id, (one ->> 2)::bigint AS slot,
               sum(coalesce((one ->> 5)::bigint, (one ->> 4)::bigint))::bigint AS used
          FROM usage.requests q, jsonb_array_elements(q.reservations -> 'limits') one
          JOIN limits l ON l.id = (one ->> 0)::uuid
         WHERE q.started_at BETWEEN to_timestamp(began / 1000.0) - interval '1 hour'
                                AND to_timestamp(ended / 1000.0) + interval '1 hour'
           AND q.reservations ->> 'replica' = settle_at.gone::text
           AND (l.period = 'total' OR l.calendar)
         GROUP BY 1, 2, 3
      ) t;
    PERFORM FROM ledger.counters c JOIN limits l ON l.id = c.limit_id
      WHERE (l.period = 'total' OR l.calendar)
        AND (EXISTS (SELECT FROM ledger.leases x WHERE x.limit_id = c.limit_id AND x.member_id = c.member_id
                        AND x.replica_id = settle_at.gone)
             OR EXISTS (SELECT FROM ledger.slots s WHERE s.limit_id = c.limit_id AND s.member_id = c.member_id
                           AND s.replica_id = settle_at.gone))
      ORDER BY c.limit_id::text, c.member_id::text FOR UPDATE OF c;
    RETURN QUERY
    WITH held AS (
        DELETE FROM ledger.leases x USING limits l
         WHERE x.replica_id = settle_at.gone AND l.id = x.limit_id AND (l.period = 'total' OR l.calendar)
        RETURNING x.limit_id, x.member_id, x.held
    ), reported AS (
        DELETE FROM ledger.slots s USING limits l
         WHERE s.replica_id = settle_at.gone AND l.id = s.limit_id AND (l.period = 'total' OR l.calendar)
        RETURNING s.limit_id, s.member_id, s.slot, s.used
    ), counted AS (
        SELECT h.limit_id, h.member_id FROM held h UNION SELECT r.limit_id, r.member_id FROM reported r
    ), truth AS (
        SELECT t.limit_id, t.member_id, t.slot, t.used
          FROM unnest(of_limits, of_members, of_slots, sums) AS t (limit_id, member_id, slot, used)
          JOIN counted c ON c.limit_id = t.limit_id AND c.member_id = t.member_id
    ), booking AS (
        INSERT INTO ledger.slots AS s (replica_id, limit_id, member_id, slot, used)
        SELECT '00000000-0000-0000-0000-000000000000'::uuid, t.limit_id, t.member_id, t.slot, t.used
          FROM truth t WHERE t.used > 0
        ON CONFLICT ON CONSTRAINT pk_slots DO UPDATE SET used = s.used + excluded.used
    ), known AS (
        SELECT r.limit_id, r.member_id, r.slot FROM reported r UNION SELECT t.limit_id, t.member_id, t.slot FROM truth t
    ), every AS (
        SELECT c.limit_id, c.member_id, coalesce(k.slot, 0) AS slot
          FROM counted c LEFT JOIN known k ON k.limit_id = c.limit_id AND k.member_id = c.member_id
    )
    SELECT k.limit_id, k.member_id, k.slot,
           (coalesce(r.used, 0)
            + CASE WHEN k.slot < max(k.slot) OVER (PARTITION BY k.limit_id, k.member_id) THEN 0
                   ELSE coalesce(h.held, 0) END)::bigint,
           coalesce(t.used, 0)
      FROM every k
      LEFT JOIN held h ON h.limit_id = k.limit_id AND h.member_id = k.member_id
      LEFT JOIN reported r ON r.limit_id = k.limit_id AND r.member_id = k.member_id AND r.slot = k.slot
      LEFT JOIN truth t ON t.limit_id = k.limit_id AND t.member_id = k.member_id AND t.slot = k.slot
     ORDER BY k.limit_id::text, k.member_id::text, k.slot;
END
$$
"""


def upgrade() -> None:
    """Replace the function."""
    op.execute(SETTLE_AT)


def downgrade() -> None:
    """Put the former one back."""
    former: str = importlib.import_module("migrations.versions.0011_reservations").SETTLE_AT
    op.execute(former.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
