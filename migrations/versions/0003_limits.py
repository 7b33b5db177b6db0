"""Limits, the ledger of what was consumed and what replicas hold, and terms of service."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

SUBJECTS = ("org_id", "team_id", "user_id", "service_account_id", "token_id")

# Carries out one replica's batch, once, and tells it where its counters stand. Held credits are a right to consume
# at any time, so they count as consumed until they are reported or given back; those of a replica that has not been
# heard of for its time to live are booked as consumed at its end (slots of concurrency come back).
# All changes of one counter are made under the lock of its row, and counters are locked in one order.
SYNC_AT = """
CREATE FUNCTION ledger.sync_at(at_ms bigint, me uuid, number bigint, ttl_ms bigint, items jsonb)
RETURNS TABLE (
    limit_id uuid, member_id uuid, lost boolean, held bigint, used bigint, others bigint,
    free_at bigint, resets_at bigint, short boolean, tight boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    slices constant bigint := 50;
    item jsonb;
    fresh boolean;
    live bigint;
    most bigint;
    slot_ms bigint;
    slot_now bigint;
    oldest bigint;
    slots_used boolean;
    mine bigint;
    reported bigint;
    need bigint;
    granted bigint;
    free bigint;
    now_used bigint;
    now_others bigint;
    lapsed record;
BEGIN
    INSERT INTO ledger.replicas AS r (id, number, expires_at) VALUES (me, 0, at_ms + ttl_ms)
    ON CONFLICT (id) DO UPDATE SET expires_at = greatest(r.expires_at, excluded.expires_at);
    UPDATE ledger.replicas SET number = sync_at.number WHERE id = me AND ledger.replicas.number < sync_at.number;
    fresh := FOUND;
    IF sync_at.number = 1 THEN
        DELETE FROM ledger.replicas r
         WHERE r.expires_at < at_ms - 3600000
           AND NOT EXISTS (SELECT FROM ledger.leases l WHERE l.replica_id = r.id);
    END IF;
    live := (SELECT count(*) FROM ledger.replicas r WHERE r.expires_at >= at_ms);
    FOR item IN SELECT value FROM jsonb_array_elements(items) ORDER BY value ->> 'limit', value ->> 'member' LOOP
        limit_id := item ->> 'limit';
        member_id := item ->> 'member';
        SELECT amount INTO most FROM limits WHERE id = limit_id;
        CONTINUE WHEN NOT FOUND;
        INSERT INTO ledger.counters AS c (limit_id, member_id) VALUES (limit_id, member_id) ON CONFLICT DO NOTHING;
        PERFORM FROM ledger.counters c
          WHERE c.limit_id = sync_at.limit_id AND c.member_id = sync_at.member_id FOR UPDATE;
        slots_used := (item ->> 'in_use')::bigint < 0;
        slot_ms := (item ->> 'slot_ms')::bigint;
        IF slot_ms > 0 THEN
            slot_now := at_ms / slot_ms;
            oldest := slot_now - slices;
        ELSE
            slot_now := coalesce((SELECT max(s::bigint) FROM jsonb_array_elements_text(item -> 'starts') s
                                   WHERE s::bigint <= at_ms), 0);
            oldest := slot_now;
        END IF;
        FOR lapsed IN
            SELECT l.replica_id, l.held, r.expires_at FROM ledger.leases l JOIN ledger.replicas r ON r.id = l.replica_id
             WHERE l.limit_id = sync_at.limit_id AND l.member_id = sync_at.member_id
               AND r.expires_at < at_ms
        LOOP
            IF slots_used AND lapsed.held > 0 THEN
                INSERT INTO ledger.slots AS s (limit_id, member_id, slot, used) VALUES (
                    limit_id, member_id,
                    CASE WHEN slot_ms > 0 THEN lapsed.expires_at / slot_ms
                         ELSE coalesce((SELECT max(s::bigint) FROM jsonb_array_elements_text(item -> 'starts') s
                                         WHERE s::bigint <= lapsed.expires_at), 0) END,
                    lapsed.held
                ) ON CONFLICT ON CONSTRAINT pk_slots DO UPDATE SET used = s.used + excluded.used;
            END IF;
            DELETE FROM ledger.leases l WHERE l.limit_id = sync_at.limit_id AND l.member_id = sync_at.member_id
               AND l.replica_id = lapsed.replica_id;
        END LOOP;
        DELETE FROM ledger.slots s WHERE s.limit_id = sync_at.limit_id AND s.member_id = sync_at.member_id
           AND s.slot < oldest;
        SELECT l.held INTO mine FROM ledger.leases l
         WHERE l.limit_id = sync_at.limit_id AND l.member_id = sync_at.member_id AND l.replica_id = me;
        lost := NOT FOUND AND (item ->> 'known')::boolean;
        IF lost THEN
            held := 0; used := 0; others := 0; free_at := 0; resets_at := 0; short := false; tight := false;
            RETURN NEXT;
            CONTINUE;
        END IF;
        mine := coalesce(mine, 0);
        granted := 0;
        need := 0;
        IF fresh THEN
            reported := coalesce((SELECT sum((d ->> 1)::bigint) FROM jsonb_array_elements(item -> 'deltas') d
                                   WHERE (d ->> 1)::bigint > 0), 0);
            mine := greatest(0, mine - reported - (item ->> 'give')::bigint, (item ->> 'in_use')::bigint);
            INSERT INTO ledger.slots AS s (limit_id, member_id, slot, used)
            SELECT limit_id, member_id, (d ->> 0)::bigint, 0
              FROM jsonb_array_elements(item -> 'deltas') d WHERE (d ->> 0)::bigint >= oldest
            ON CONFLICT ON CONSTRAINT pk_slots DO NOTHING;
            UPDATE ledger.slots s SET used = greatest(0, s.used + (d ->> 1)::bigint)
              FROM jsonb_array_elements(item -> 'deltas') d
             WHERE s.limit_id = sync_at.limit_id AND s.member_id = sync_at.member_id AND s.slot = (d ->> 0)::bigint;
        END IF;
        now_used := coalesce((SELECT sum(s.used) FROM ledger.slots s
                               WHERE s.limit_id = sync_at.limit_id AND s.member_id = sync_at.member_id), 0);
        now_others := coalesce((SELECT sum(l.held) FROM ledger.leases l
                                 WHERE l.limit_id = sync_at.limit_id AND l.member_id = sync_at.member_id
                                   AND l.replica_id <> me), 0);
        free := most - now_used - now_others - mine;
        IF fresh THEN
            need := (item ->> 'need')::bigint;
            IF need > 0 AND free >= (item ->> 'least')::bigint THEN
                granted := least(need, free);
            END IF;
            granted := granted + greatest(0, least((item ->> 'spare')::bigint, (free - granted) / (2 * live)));
            IF (item ->> 'drop')::boolean AND mine = 0 THEN
                DELETE FROM ledger.leases l WHERE l.limit_id = sync_at.limit_id AND l.member_id = sync_at.member_id
                   AND l.replica_id = me;
            ELSE
                INSERT INTO ledger.leases AS l (limit_id, member_id, replica_id, held)
                VALUES (limit_id, member_id, me, mine + granted)
                ON CONFLICT ON CONSTRAINT pk_leases DO UPDATE SET held = excluded.held;
            END IF;
        END IF;
        held := mine + granted;
        used := now_used;
        others := now_others;
        short := granted < need;
        tight := short OR free - granted <= 0;
        free_at := 0;
        IF short AND slot_ms > 0 THEN
            free_at := coalesce((
                SELECT min((f.slot + slices + 1) * slot_ms) FROM (
                    SELECT s.slot, sum(s.used) OVER (ORDER BY s.slot) AS freed FROM ledger.slots s
                     WHERE s.limit_id = sync_at.limit_id AND s.member_id = sync_at.member_id
                ) f WHERE f.freed >= (item ->> 'least')::bigint - (free - granted)
            ), 0);
        END IF;
        resets_at := 0;
        IF slot_ms > 0 THEN
            resets_at := coalesce((SELECT (max(s.slot) + slices + 1) * slot_ms FROM ledger.slots s
                                    WHERE s.limit_id = sync_at.limit_id AND s.member_id = sync_at.member_id
                                      AND s.used > 0), 0);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$
"""

SYNC = """
CREATE FUNCTION ledger.sync(me uuid, number bigint, ttl_ms bigint, items jsonb)
RETURNS TABLE (
    at_ms bigint, limit_id uuid, member_id uuid, lost boolean, held bigint, used bigint, others bigint,
    free_at bigint, resets_at bigint, short boolean, tight boolean
) LANGUAGE sql AS $$
    WITH clock AS MATERIALIZED (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms)
    SELECT clock.now_ms, lines.* FROM clock
      LEFT JOIN LATERAL ledger.sync_at(clock.now_ms, me, number, ttl_ms, items) lines ON true
$$
"""


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "limits",
        sa.Column("id", sa.Uuid(), primary_key=True, server_default=sa.text("gen_random_uuid()")),
        *(_parent(name, f"{name.removesuffix('_id')}s") for name in SUBJECTS),
        _parent("model_id", "models"),
        sa.Column("model_pattern", sa.Text()),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("period", sa.Text()),
        sa.Column("calendar", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False, server_default="enforce"),
        sa.Column("per_member", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("created_at", pg.TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint(f"num_nonnulls({', '.join(SUBJECTS)}) = 1", name="one_subject"),
        sa.CheckConstraint("num_nonnulls(model_id, model_pattern) <= 1", name="one_model"),
        sa.CheckConstraint("model_pattern ~ '^[^*]{0,255}[*]?$' AND model_pattern <> ''", name="model_pattern"),
        sa.CheckConstraint(
            "metric IN ('requests', 'input_tokens', 'output_tokens', 'total_tokens', 'cost', 'concurrency')",
            name="metric",
        ),
        sa.CheckConstraint(
            "(metric = 'concurrency') = (period IS NULL) AND"
            " period IN ('second', 'minute', 'hour', 'day', 'week', 'month', 'total')",
            name="period",
        ),
        sa.CheckConstraint("NOT calendar OR period IN ('day', 'week', 'month')", name="calendar"),
        sa.CheckConstraint("amount BETWEEN 0 AND 1000000000000000", name="amount"),
        sa.CheckConstraint("mode IN ('enforce', 'shadow')", name="mode"),
    )
    op.create_index(
        "uq_limits_rule",
        "limits",
        [*SUBJECTS, "model_id", "model_pattern", "metric", "period", "calendar", "per_member"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    for column in (*SUBJECTS[1:], "model_id"):
        op.create_index(f"ix_limits_{column}", "limits", [column])
    op.execute(
        "CREATE TRIGGER note_catalog_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON limits"
        " FOR EACH STATEMENT EXECUTE FUNCTION note_catalog_change()"
    )
    op.add_column("orgs", sa.Column("terms_version", sa.Text()))
    op.add_column("users", sa.Column("accepted_terms", sa.Text()))
    _create_ledger()


def _create_ledger() -> None:
    op.execute("CREATE SCHEMA ledger")
    op.create_table(
        "replicas",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        schema="ledger",
    )
    op.create_table(
        "counters",
        sa.Column("limit_id", sa.Uuid(), sa.ForeignKey("limits.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("member_id", sa.Uuid(), primary_key=True),
        schema="ledger",
    )
    op.create_table(
        "slots",
        sa.Column("limit_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("limit_id", "member_id", "slot"),
        _counter("slots"),
        sa.CheckConstraint("used >= 0", name="used"),
        schema="ledger",
    )
    op.create_table(
        "leases",
        sa.Column("limit_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("replica_id", sa.Uuid(), sa.ForeignKey("ledger.replicas.id"), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("limit_id", "member_id", "replica_id"),
        _counter("leases"),
        sa.CheckConstraint("held >= 0", name="held"),
        schema="ledger",
    )
    op.create_index("ix_leases_replica_id", "leases", ["replica_id"], schema="ledger")
    op.execute(SYNC_AT)
    op.execute(SYNC)


def downgrade() -> None:
    """Remove everything, the counts included."""
    op.execute("DROP FUNCTION ledger.sync")
    op.execute("DROP FUNCTION ledger.sync_at")
    for table in ("leases", "slots", "counters", "replicas"):
        op.drop_table(table, schema="ledger")
    op.execute("DROP SCHEMA ledger")
    op.drop_column("users", "accepted_terms")
    op.drop_column("orgs", "terms_version")
    op.drop_table("limits")


def _parent(name: str, table: str) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), sa.ForeignKey(f"{table}.id", ondelete="CASCADE"))


def _counter(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["limit_id", "member_id"],
        ["ledger.counters.limit_id", "ledger.counters.member_id"],
        name=f"fk_{table}_counters",
        ondelete="CASCADE",
    )
