"""What requests reserved and were priced by, and the return of what killed replicas held.

Consumption in windows that do not slide is kept by replica, until it has left or is settled by its usage rows.
"""

import importlib

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

NOBODY = "'00000000-0000-0000-0000-000000000000'"
# As in 0003, but: what is consumed in windows that do not slide counts under the replica that reports it; a replica
# that was settled changes nothing any more, and loses what it believes to hold.
CHANGES = (
    ("    lapsed record;\n", "    lapsed record;\n    gone boolean;\n    reporter uuid;\n"),
    (
        "    fresh := FOUND;\n",
        (
            "    fresh := FOUND;\n"
            "    SELECT r.settled INTO gone FROM ledger.replicas r WHERE r.id = me FOR UPDATE;\n"
            "    fresh := fresh AND NOT gone;\n"
        ),
    ),
    (
        "           AND NOT EXISTS (SELECT FROM ledger.leases l WHERE l.replica_id = r.id);\n",
        (
            "           AND NOT EXISTS (SELECT FROM ledger.leases l WHERE l.replica_id = r.id)\n"
            "           AND NOT EXISTS (SELECT FROM ledger.slots s WHERE s.replica_id = r.id);\n"
        ),
    ),
    (
        "                INSERT INTO ledger.slots AS s (limit_id, member_id, slot, used) VALUES (\n",
        (
            "                INSERT INTO ledger.slots AS s (replica_id, limit_id, member_id, slot, used) VALUES (\n"
            "                    CASE WHEN slot_ms = 0 THEN lapsed.replica_id\n"
            "                         ELSE '00000000-0000-0000-0000-000000000000' END,\n"
        ),
    ),
    (
        "        lost := NOT FOUND AND (item ->> 'known')::boolean;\n",
        "        lost := gone OR (NOT FOUND AND (item ->> 'known')::boolean);\n",
    ),
    (
        (
            "            INSERT INTO ledger.slots AS s (limit_id, member_id, slot, used)\n"
            "            SELECT limit_id, member_id, (d ->> 0)::bigint, 0\n"
        ),
        (
            "            reporter := CASE WHEN slot_ms > 0 THEN '00000000-0000-0000-0000-000000000000' ELSE me END;\n"
            "            INSERT INTO ledger.slots AS s (replica_id, limit_id, member_id, slot, used)\n"
            "            SELECT reporter, limit_id, member_id, (d ->> 0)::bigint, 0\n"
        ),
    ),
    (
        " AND s.slot = (d ->> 0)::bigint;\n",
        (" AND s.slot = (d ->> 0)::bigint\n               AND s.replica_id = reporter;\n"),
    ),
)
# Books a replica that has ended by the rows of its requests, once: in windows that do not slide, what it held and what
# it reported make way for what its requests used, or reserved where that is not known. It must have ended, and its
# rows must be there. Sliding windows heal by themselves; their leases lapse, and so do slots of concurrency.
SETTLE_AT = """
CREATE FUNCTION ledger.settle_at(at_ms bigint, gone uuid)
RETURNS TABLE (limit_id uuid, member_id uuid, slot bigint, booked bigint, used bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    began bigint;
    ended bigint;
    counter record;
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
    FOR counter IN
        SELECT c.limit_id, c.member_id FROM ledger.counters c JOIN limits l ON l.id = c.limit_id
         WHERE (l.period = 'total' OR l.calendar)
           AND (EXISTS (SELECT FROM ledger.leases x WHERE x.limit_id = c.limit_id AND x.member_id = c.member_id
                           AND x.replica_id = settle_at.gone)
                OR EXISTS (SELECT FROM ledger.slots s WHERE s.limit_id = c.limit_id AND s.member_id = c.member_id
                              AND s.replica_id = settle_at.gone))
         ORDER BY c.limit_id::text, c.member_id::text FOR UPDATE OF c
    LOOP
        RETURN QUERY
        WITH held AS (
            DELETE FROM ledger.leases x WHERE x.limit_id = counter.limit_id AND x.member_id = counter.member_id
               AND x.replica_id = settle_at.gone RETURNING x.held
        ), reported AS (
            DELETE FROM ledger.slots s WHERE s.limit_id = counter.limit_id AND s.member_id = counter.member_id
               AND s.replica_id = settle_at.gone RETURNING s.slot, s.used
        ), truth AS (
            SELECT (one ->> 2)::bigint AS slot, sum(coalesce((one ->> 5)::bigint, (one ->> 4)::bigint))::bigint AS used
              FROM usage.requests q, jsonb_array_elements(q.reservations -> 'limits') one
             WHERE q.started_at BETWEEN to_timestamp(began / 1000.0) - interval '1 hour'
                                    AND to_timestamp(ended / 1000.0) + interval '1 hour'
               AND q.reservations ->> 'replica' = settle_at.gone::text
               AND one ->> 0 = counter.limit_id::text AND one ->> 1 = counter.member_id::text
             GROUP BY 1
        ), booking AS (
            INSERT INTO ledger.slots AS s (replica_id, limit_id, member_id, slot, used)
            SELECT '00000000-0000-0000-0000-000000000000'::uuid, counter.limit_id, counter.member_id, t.slot, t.used
              FROM truth t WHERE t.used > 0
            ON CONFLICT ON CONSTRAINT pk_slots DO UPDATE SET used = s.used + excluded.used
        )
        SELECT counter.limit_id, counter.member_id, k.slot,
               (coalesce(r.used, 0)
                + CASE WHEN k.slot < max(k.slot) OVER () THEN 0
                       ELSE coalesce((SELECT h.held FROM held h), 0) END)::bigint,
               coalesce(t.used, 0)
          FROM (SELECT r.slot FROM reported r UNION SELECT t.slot FROM truth t
                 UNION SELECT 0 WHERE NOT EXISTS (SELECT FROM reported) AND NOT EXISTS (SELECT FROM truth)) k
          LEFT JOIN reported r ON r.slot = k.slot LEFT JOIN truth t ON t.slot = k.slot;
    END LOOP;
END
$$
"""
SETTLE_JOURNAL = """
CREATE FUNCTION ledger.settle_journal(folder text) RETURNS SETOF uuid LANGUAGE sql AS $$
    SELECT DISTINCT s.limit_id FROM ledger.replicas r,
           LATERAL ledger.settle_at(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, r.id) s
     WHERE r.journal = folder AND NOT r.settled
$$
"""
LEAVE = """
CREATE FUNCTION ledger.leave(me uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM ledger.replicas r WHERE r.id = me AND NOT r.settled FOR UPDATE;
    IF NOT FOUND OR EXISTS (SELECT FROM ledger.leases l WHERE l.replica_id = me AND l.held > 0) THEN
        RETURN;
    END IF;
    PERFORM FROM ledger.counters c WHERE EXISTS (
        SELECT FROM ledger.slots s WHERE s.limit_id = c.limit_id AND s.member_id = c.member_id AND s.replica_id = me
    ) ORDER BY c.limit_id::text, c.member_id::text FOR UPDATE OF c;
    WITH mine AS (DELETE FROM ledger.slots s WHERE s.replica_id = me RETURNING s.*)
    INSERT INTO ledger.slots AS s (replica_id, limit_id, member_id, slot, used)
    SELECT '00000000-0000-0000-0000-000000000000'::uuid, m.limit_id, m.member_id, m.slot, m.used FROM mine m
    ON CONFLICT ON CONSTRAINT pk_slots DO UPDATE SET used = s.used + excluded.used;
    UPDATE ledger.replicas SET settled = true WHERE id = me;
END
$$
"""
ENTER = """
CREATE FUNCTION ledger.enter(me uuid, ttl_ms bigint, folder text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ledger.replicas (id, number, started_at, expires_at, journal)
    SELECT me, 0, now_ms, now_ms + ttl_ms, folder
      FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms) AS clock
    ON CONFLICT (id) DO UPDATE SET journal = excluded.journal
$$
"""


def upgrade() -> None:
    """Expand."""
    op.add_column("requests", sa.Column("reservations", pg.JSONB()), schema="usage")
    op.add_column("attempts", sa.Column("rates", pg.JSONB()), schema="usage")
    op.add_column("replicas", sa.Column("journal", sa.Text()), schema="ledger")
    op.add_column(
        "replicas", sa.Column("started_at", sa.BigInteger(), nullable=False, server_default="0"), schema="ledger"
    )
    op.add_column(
        "replicas", sa.Column("settled", sa.Boolean(), nullable=False, server_default=sa.false()), schema="ledger"
    )
    op.create_index("ix_replicas_journal", "replicas", ["journal"], schema="ledger")
    op.add_column(
        "slots", sa.Column("replica_id", sa.Uuid(), nullable=False, server_default=sa.text(NOBODY)), schema="ledger"
    )
    op.drop_constraint("pk_slots", "slots", schema="ledger")
    op.create_primary_key("pk_slots", "slots", ["limit_id", "member_id", "slot", "replica_id"], schema="ledger")
    op.create_index("ix_slots_replica_id", "slots", ["replica_id"], schema="ledger")
    op.execute(_sync_at())
    for function in (SETTLE_AT, SETTLE_JOURNAL, LEAVE, ENTER):
        op.execute(function)


def downgrade() -> None:
    """Add up what replicas consumed, and forget the rest."""
    for function in ("settle_journal", "settle_at", "leave", "enter"):
        op.execute(f"DROP FUNCTION ledger.{function}")
    op.execute(
        "CREATE TEMP TABLE sums ON COMMIT DROP AS SELECT limit_id, member_id, slot, sum(used)::bigint AS used"
        " FROM ledger.slots GROUP BY 1, 2, 3"
    )
    op.execute("DELETE FROM ledger.slots")
    op.drop_index("ix_slots_replica_id", "slots", schema="ledger")
    op.drop_constraint("pk_slots", "slots", schema="ledger")
    op.drop_column("slots", "replica_id", schema="ledger")
    op.create_primary_key("pk_slots", "slots", ["limit_id", "member_id", "slot"], schema="ledger")
    op.execute("INSERT INTO ledger.slots (limit_id, member_id, slot, used) SELECT * FROM sums")
    op.drop_index("ix_replicas_journal", "replicas", schema="ledger")
    for column in ("settled", "started_at", "journal"):
        op.drop_column("replicas", column, schema="ledger")
    op.drop_column("attempts", "rates", schema="usage")
    op.drop_column("requests", "reservations", schema="usage")
    op.execute(_former())


def _sync_at() -> str:
    """Return the function of 0003 with the changes; each place must be there once."""
    text = _former()
    for before, after in CHANGES:
        if text.count(before) != 1:
            raise ValueError(before)
        text = text.replace(before, after)
    return text


def _former() -> str:
    former: str = importlib.import_module("migrations.versions.0003_limits").SYNC_AT
    return former.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
