"""A replica whose lease lapsed while it lived has it again; one that is killed is settled by whatever clock it had."""

import importlib
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# What a lapsed replica held is booked as consumed in the slot in which it lapsed, as before, and noted in
# `ledger.lapses`. When it reports again, the booking makes way for the lease: the sum stays what it was, and its report
# is taken as if nothing had happened. Where the slot has passed, there is nothing to take back: then it holds nothing,
# and what it reports of slots that count was consumed without a lease. Slots of concurrency are not booked: of them a
# replica that is heard of again holds what it says.
BOOKED_IN = """CASE WHEN slot_ms > 0 THEN lapsed.expires_at / slot_ms
                         ELSE coalesce((SELECT max(s::bigint) FROM jsonb_array_elements_text(item -> 'starts') s
                                         WHERE s::bigint <= lapsed.expires_at), 0) END"""
SYNC_CHANGES = (
    ("    lapsed record;\n", "    lapsed record;\n    booked bigint;\n"),
    (
        "           AND NOT EXISTS (SELECT FROM ledger.slots s WHERE s.replica_id = r.id);\n",
        """           AND NOT EXISTS (SELECT FROM ledger.slots s WHERE s.replica_id = r.id)
           AND (r.expires_at < at_ms - 86400000
                OR NOT EXISTS (SELECT FROM ledger.lapses p WHERE p.replica_id = r.id));
""",
    ),
    (f"{BOOKED_IN},\n                    lapsed.held\n", "booked, lapsed.held\n"),
    (
        "            IF slots_used AND lapsed.held > 0 THEN\n",
        f"""            booked := {BOOKED_IN};
            IF slots_used THEN
                INSERT INTO ledger.lapses AS p (limit_id, member_id, replica_id, slot, held)
                VALUES (limit_id, member_id, lapsed.replica_id, booked, lapsed.held)
                ON CONFLICT ON CONSTRAINT pk_lapses DO UPDATE SET (slot, held) = (excluded.slot, excluded.held);
            END IF;
            IF slots_used AND lapsed.held > 0 THEN
""",  # noqa: S608 - constants
    ),
    (
        "        lost := gone OR (NOT FOUND AND (item ->> 'known')::boolean);\n",
        """        IF mine IS NULL AND NOT gone AND NOT slots_used THEN
            mine := 0;
        ELSIF mine IS NULL AND NOT gone THEN
            DELETE FROM ledger.lapses p
             WHERE p.limit_id = sync_at.limit_id AND p.member_id = sync_at.member_id AND p.replica_id = me
            RETURNING p.slot, p.held INTO booked, mine;
            IF FOUND THEN
                UPDATE ledger.slots s SET used = greatest(0, s.used - mine)
                 WHERE s.limit_id = sync_at.limit_id AND s.member_id = sync_at.member_id
                   AND s.slot = booked AND booked >= oldest
                   AND s.replica_id = CASE WHEN slot_ms = 0 THEN me ELSE '00000000-0000-0000-0000-000000000000' END;
                mine := CASE WHEN booked >= oldest THEN mine ELSE 0 END;
                INSERT INTO ledger.leases (limit_id, member_id, replica_id, held)
                VALUES (limit_id, member_id, me, mine);
            END IF;
        END IF;
        lost := gone OR (mine IS NULL AND (item ->> 'known')::boolean);
""",
    ),
)
# As in 0022, but:
# - what requests used counts also where nothing was held or reported of it: limits in shadow, and those that a policy
#   opened while the database was away, up to a day after the replica was last heard of;
# - rows are looked for by the clock of the replica's machine, which may be wrong: `clock_early` and `clock_late` say by
#   how much it was ahead at least and at most;
# - periods that are over are left out: nobody counts them any more.
# A replica that holds nothing can have used nothing but what it had no time to report: only its last rows are read.
SETTLE_AT = """
CREATE OR REPLACE FUNCTION ledger.settle_at(at_ms bigint, gone uuid)
RETURNS TABLE (limit_id uuid, member_id uuid, slot bigint, booked bigint, used bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    began bigint;
    ended bigint;
    heard bigint;
    early bigint;
    late bigint;
    of_limits uuid[];
    of_members uuid[];
    of_slots bigint[];
    sums bigint[];
BEGIN
    SELECT r.started_at, r.expires_at, coalesce(r.clock_early, 0), coalesce(r.clock_late, 0)
      INTO began, heard, early, late FROM ledger.replicas r
     WHERE r.id = settle_at.gone AND NOT r.settled FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF began > 0 AND to_regclass('usage.' || to_char(to_timestamp((began + early) / 1000.0) AT TIME ZONE 'UTC',
                                                     '"requests_"YYYY"_"MM')) IS NULL THEN
        RETURN;  -- rows of its beginning were dropped: what it has booked stays
    END IF;
    UPDATE ledger.replicas SET settled = true, expires_at = least(expires_at, at_ms - 1) WHERE id = settle_at.gone;
    DELETE FROM ledger.lapses p WHERE p.replica_id = settle_at.gone;
    IF NOT EXISTS (SELECT FROM limits l WHERE l.period = 'total' OR l.calendar) THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM ledger.leases x WHERE x.replica_id = settle_at.gone)
       AND NOT EXISTS (SELECT FROM ledger.slots s WHERE s.replica_id = settle_at.gone) THEN
        began := greatest(began, heard - 3600000);
    END IF;
    began := began + early - 3600000;
    ended := greatest(heard, least(at_ms, heard + 86400000)) + late + 3600000;
    SELECT array_agg(t.limit_id), array_agg(t.member_id), array_agg(t.slot), array_agg(t.used)
      INTO of_limits, of_members, of_slots, sums
      FROM (
        SELECT l.id AS limit_id, (one ->> 1)::uuid AS member_id, (one ->> 2)::bigint AS slot,
               sum(coalesce((one ->> 5)::bigint, (one ->> 4)::bigint))::bigint AS used
          FROM usage.requests q, jsonb_array_elements(q.reservations -> 'limits') one
          JOIN limits l ON l.id = (one ->> 0)::uuid
         WHERE q.started_at BETWEEN to_timestamp(began / 1000.0) AND to_timestamp(ended / 1000.0)
           AND q.reservations ->> 'replica' = settle_at.gone::text
           AND (l.period = 'total' OR l.calendar AND (one ->> 2)::bigint > at_ms - CASE l.period
                WHEN 'day' THEN 90000000 WHEN 'week' THEN 608400000 ELSE 2682000000 END)
           AND NOT EXISTS (SELECT FROM ledger.edits e WHERE e.limit_id = l.id
                              AND q.started_at < to_timestamp((e.at_ms + late) / 1000.0) + interval '5 s')
         GROUP BY 1, 2, 3
      ) t;
    INSERT INTO ledger.counters AS c (limit_id, member_id)
    SELECT k.limit_id, k.member_id FROM (
        SELECT x.limit_id, x.member_id FROM ledger.leases x WHERE x.replica_id = settle_at.gone
         UNION SELECT s.limit_id, s.member_id FROM ledger.slots s WHERE s.replica_id = settle_at.gone
         UNION SELECT t.limit_id, t.member_id FROM unnest(of_limits, of_members) AS t (limit_id, member_id)
    ) k JOIN limits l ON l.id = k.limit_id AND (l.period = 'total' OR l.calendar)
     ORDER BY k.limit_id::text, k.member_id::text
    ON CONFLICT ON CONSTRAINT pk_counters DO UPDATE SET member_id = excluded.member_id WHERE false;  -- locks it
    RETURN QUERY
    WITH held AS (
        DELETE FROM ledger.leases x USING limits l
         WHERE x.replica_id = settle_at.gone AND l.id = x.limit_id AND (l.period = 'total' OR l.calendar)
        RETURNING x.limit_id, x.member_id, x.held
    ), reported AS (
        DELETE FROM ledger.slots s USING limits l
         WHERE s.replica_id = settle_at.gone AND l.id = s.limit_id AND (l.period = 'total' OR l.calendar)
        RETURNING s.limit_id, s.member_id, s.slot, s.used
    ), truth AS (
        SELECT t.limit_id, t.member_id, t.slot, t.used
          FROM unnest(of_limits, of_members, of_slots, sums) AS t (limit_id, member_id, slot, used)
    ), counted AS (
        SELECT h.limit_id, h.member_id FROM held h UNION SELECT r.limit_id, r.member_id FROM reported r
         UNION SELECT t.limit_id, t.member_id FROM truth t
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
TELL_CLOCK = """
CREATE FUNCTION ledger.tell_clock(me uuid, wall_ms bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE ledger.replicas r
       SET clock_early = least(r.clock_early, ahead.by_ms), clock_late = greatest(r.clock_late, ahead.by_ms)
      FROM (SELECT wall_ms - floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS by_ms) AS ahead
     WHERE r.id = me
$$
"""
# Whoever has left is not heard of again.
LEAVE_CHANGES = (
    (
        "    IF NOT FOUND OR EXISTS (SELECT FROM ledger.leases l WHERE l.replica_id = me AND l.held > 0) THEN\n",
        (
            "    IF NOT FOUND OR EXISTS (SELECT FROM ledger.leases l WHERE l.replica_id = me AND l.held > 0)\n"
            "       OR EXISTS (SELECT FROM ledger.lapses p WHERE p.replica_id = me AND p.held > 0) THEN\n"
        ),
    ),
    (
        "    UPDATE ledger.replicas SET settled = true WHERE id = me;\n",
        (
            "    UPDATE ledger.replicas SET settled = true WHERE id = me;\n"
            "    DELETE FROM ledger.lapses p WHERE p.replica_id = me;\n"
        ),
    ),
)


def upgrade() -> None:
    """Add the table, and replace the functions."""
    op.create_table(
        "lapses",
        sa.Column("limit_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("replica_id", sa.Uuid(), sa.ForeignKey("ledger.replicas.id", ondelete="CASCADE"), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("limit_id", "member_id", "replica_id"),
        sa.ForeignKeyConstraint(
            ["limit_id", "member_id"],
            ["ledger.counters.limit_id", "ledger.counters.member_id"],
            name="fk_lapses_counters",
            ondelete="CASCADE",
        ),
        schema="ledger",
    )
    op.create_index("ix_lapses_replica_id", "lapses", ["replica_id"], schema="ledger")
    op.execute(_changed(_former_sync_at(), SYNC_CHANGES))
    for column in ("clock_early", "clock_late"):
        op.add_column("replicas", sa.Column(column, sa.BigInteger()), schema="ledger")
    op.execute(SETTLE_AT)
    op.execute(TELL_CLOCK)
    op.execute(_changed(_former_leave(), LEAVE_CHANGES))


def downgrade() -> None:
    """Bring the former functions back; what has lapsed stays booked."""
    op.execute(_former_sync_at())
    op.execute(_former_settle_at())
    op.execute(_former_leave())
    op.execute("DROP FUNCTION ledger.tell_clock")
    for column in ("clock_early", "clock_late"):
        op.drop_column("replicas", column, schema="ledger")
    op.drop_table("lapses", schema="ledger")


def _changed(text: str, changes: Sequence[tuple[str, str]]) -> str:
    for before, after in changes:
        if text.count(before) != 1:
            raise ValueError(before)
        text = text.replace(before, after)
    return text


def _former_sync_at() -> str:
    former = importlib.import_module("migrations.versions.0022_edited_limits")
    return str(former._replaced(former._former(), former.BEFORE, former.AFTER))  # noqa: SLF001 - as it stands


def _former_settle_at() -> str:
    former = importlib.import_module("migrations.versions.0022_edited_limits")
    return str(former._replaced(former._former_settle_at(), former.SETTLED_BEFORE, former.SETTLED_AFTER))  # noqa: SLF001 - as it stands


def _former_leave() -> str:
    former: str = importlib.import_module("migrations.versions.0011_reservations").LEAVE
    return former.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
