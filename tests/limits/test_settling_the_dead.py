"""A killed replica is settled by the rows of its requests: to the unit, and reading them once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from aqueduct.limits.ledger import Item
from aqueduct.limits.reserved import Reserved, ReservedOf, encode
from aqueduct.limits.store import encode_items
from tests.usage.recording import until

BEGIN_MS = 1_800_000_000_000
DAY_MS = BEGIN_MS // 86_400_000 * 86_400_000
MEMBERS = 30
NOBODY = UUID(int=0)
ROW = """
INSERT INTO usage.requests
    (id, started_at, duration_ms, endpoint, operation, streamed, status, attempts, violations, dropped_params,
     reservations)
VALUES ($1, to_timestamp($2::bigint / 1000.0), 1, '/', 'chat', false, 200, 1, '{}', '{}', $3::text::jsonb)
"""
SETTLE = "SELECT * FROM ledger.settle_at($1, $2)"
SCANS = """
SELECT sum(seq_scan + coalesce(idx_scan, 0))::int FROM pg_stat_xact_user_tables
 WHERE schemaname = 'usage' AND relname ~ '^requests_'
"""
SYNC = "SELECT * FROM ledger.sync_at($1, $2, $3, 60000, $4::text::jsonb)"
WAITS = "SELECT cardinality(pg_blocking_pids($1)) > 0"
TWO = UUID(int=1), UUID(int=2)
SLOTS = "SELECT member_id, slot, used FROM ledger.slots WHERE limit_id = $1 AND replica_id = $2 ORDER BY 1, 2"


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    begin, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (BEGIN_MS, BEGIN_MS + 40 * 86_400_000))
    await connection.execute("SELECT usage.ensure_partitions($1, $2)", begin, end)
    await connection.execute("DELETE FROM limits")
    await connection.execute("TRUNCATE ledger.replicas CASCADE")
    await connection.execute("TRUNCATE usage.requests")
    yield connection
    await connection.close(timeout=5)


async def limit_of(connection: asyncpg.Connection, metric: str, period: str, *, calendar: bool) -> UUID:
    org = await connection.fetchval(
        "INSERT INTO orgs (slug, name) VALUES ('settled', 'S') ON CONFLICT (slug) DO UPDATE SET name = 'S' RETURNING id"
    )
    found: UUID = await connection.fetchval(
        "INSERT INTO limits (org_id, metric, period, calendar, amount) VALUES ($1, $2, $3, $4, 1000000) RETURNING id",
        org, metric, period, calendar,
    )  # fmt: skip
    return found


async def replica_of(connection: asyncpg.Connection) -> UUID:
    gone = uuid4()
    await connection.execute(
        "INSERT INTO ledger.replicas (id, number, started_at, expires_at) VALUES ($1, 7, $2, $3)",
        gone, BEGIN_MS, BEGIN_MS + 60_000,
    )  # fmt: skip
    return gone


async def hold(
    connection: asyncpg.Connection, gone: UUID, limit: UUID, member: UUID, slot: int, *, used: int, held: int
) -> None:
    await connection.execute("INSERT INTO ledger.counters VALUES ($1, $2) ON CONFLICT DO NOTHING", limit, member)
    await connection.execute(
        "INSERT INTO ledger.slots (replica_id, limit_id, member_id, slot, used) VALUES ($1, $2, $3, $4, $5)",
        gone, limit, member, slot, used,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO ledger.leases (limit_id, member_id, replica_id, held) VALUES ($1, $2, $3, $4)",
        limit, member, gone, held,
    )  # fmt: skip


def row(gone: UUID, *limits: ReservedOf) -> tuple[UUID, int, str]:
    return uuid4(), BEGIN_MS + 1_000, encode(Reserved(gone, limits)).decode()


async def test_settling_many_counters_reads_the_rows_once(connection: asyncpg.Connection) -> None:
    gone = await replica_of(connection)
    limit = await limit_of(connection, "cost", "total", calendar=False)
    members = sorted(uuid4() for _ in range(MEMBERS))
    for member in members:
        await hold(connection, gone, limit, member, 0, used=50, held=20)
        settled, unknown = (ReservedOf(limit, member, 0, 1000, 40, used) for used in (7, None))
        await connection.execute(ROW, *row(gone, settled))
        await connection.execute(ROW, *row(gone, unknown))
    async with connection.transaction():
        before = await connection.fetchval(SCANS)
        lines = await connection.fetch(SETTLE, BEGIN_MS + 120_000, gone)
        assert await connection.fetchval(SCANS) - before == 1, "the one month that it lived in"
    assert [tuple(line) for line in lines] == [(limit, member, 0, 70, 47) for member in members]
    assert [tuple(one) for one in await connection.fetch(SLOTS, limit, NOBODY)] == [(one, 0, 47) for one in members]
    assert await connection.fetch(SLOTS, limit, gone) == []
    assert await connection.fetchval("SELECT count(*) FROM ledger.leases WHERE replica_id = $1", gone) == 0


async def test_settling_tells_apart_slots_limits_and_other_replicas(connection: asyncpg.Connection) -> None:
    gone, other = await replica_of(connection), uuid4()
    day = await limit_of(connection, "cost", "day", calendar=True)
    total = await limit_of(connection, "requests", "total", calendar=False)
    minute = await limit_of(connection, "total_tokens", "minute", calendar=False)
    member = uuid4()
    await hold(connection, gone, day, member, DAY_MS, used=10, held=5)
    await hold(connection, gone, total, member, 0, used=3, held=0)
    later = DAY_MS + 86_400_000
    await connection.execute(
        ROW,
        *row(
            gone,
            ReservedOf(day, member, DAY_MS, 9, 9, 4),
            ReservedOf(day, member, later, 9, 9, None),
            ReservedOf(total, member, 0, 9, 1, 1),
            ReservedOf(minute, member, 77, 9, 9, 9),
            ReservedOf(uuid4(), member, 0, 9, 9, 9),
        ),
    )
    await connection.execute(ROW, *row(other, ReservedOf(total, member, 0, 9, 1, 1)))
    lines = {tuple(line) for line in await connection.fetch(SETTLE, BEGIN_MS + 120_000, gone)}
    assert lines == {(day, member, DAY_MS, 10, 4), (day, member, later, 5, 9), (total, member, 0, 3, 1)}
    assert [tuple(one) for one in await connection.fetch(SLOTS, day, NOBODY)] == [
        (member, DAY_MS, 4),
        (member, later, 9),
    ]
    assert [tuple(one) for one in await connection.fetch(SLOTS, total, NOBODY)] == [(member, 0, 1)]
    assert await connection.fetch(SLOTS, minute, NOBODY) == []
    assert await connection.fetch(SETTLE, BEGIN_MS + 120_000, gone) == [], "it is settled once"


async def test_settling_one_that_holds_nothing_reads_no_rows(connection: asyncpg.Connection) -> None:
    gone = await replica_of(connection)
    async with connection.transaction():
        before = await connection.fetchval(SCANS)
        assert await connection.fetch(SETTLE, BEGIN_MS + 120_000, gone) == []
        assert await connection.fetchval(SCANS) == before
    assert await connection.fetchval("SELECT settled FROM ledger.replicas WHERE id = $1", gone)


@pytest.mark.parametrize("edit", ["metric = 'requests'", "period = 'total', calendar = false"])
async def test_settling_leaves_out_what_was_counted_before_the_limit_was_edited(
    connection: asyncpg.Connection, edit: str
) -> None:
    gone, member = await replica_of(connection), uuid4()
    limit = await limit_of(connection, "cost", "day", calendar=True)
    await hold(connection, gone, limit, member, DAY_MS, used=900_000, held=5)
    await connection.execute(ROW, *row(gone, ReservedOf(limit, member, DAY_MS, 9, 900_000, None)))
    await connection.execute(f"UPDATE limits SET {edit} WHERE id = $1", limit)  # noqa: S608 - the edits above
    assert await connection.fetch("SELECT FROM ledger.slots WHERE limit_id = $1", limit) == []
    await connection.execute("UPDATE ledger.edits SET at_ms = $1", BEGIN_MS + 2_000)
    slot = 0 if "total" in edit else DAY_MS
    await hold(connection, gone, limit, member, slot, used=1, held=3)
    at, entry = BEGIN_MS + 9_000, ReservedOf(limit, member, slot, 9, 2, None)
    await connection.execute(ROW, uuid4(), at, encode(Reserved(gone, (entry,))).decode())
    lines = [tuple(line) for line in await connection.fetch(SETTLE, BEGIN_MS + 120_000, gone)]
    assert lines == [(limit, member, slot, 4, 2)]
    await connection.execute("UPDATE limits SET amount = 5, mode = 'shadow' WHERE id = $1", limit)
    assert [one["used"] for one in await connection.fetch(SLOTS, limit, NOBODY)] == [2], (
        "another amount forgets nothing"
    )


async def test_settling_counts_what_was_used_without_a_lease_and_never_reported(connection: asyncpg.Connection) -> None:
    """A limit in shadow, or one that a policy opened while the database was away: up to a day."""
    gone, member = await replica_of(connection), uuid4()
    total = await limit_of(connection, "requests", "total", calendar=False)
    day = await limit_of(connection, "cost", "day", calendar=True)
    hours = 3_600_000
    for after, slot in ((1_000, DAY_MS), (5 * hours, DAY_MS), (5 * hours, DAY_MS - 86_400_000)):
        kept = encode(
            Reserved(gone, (ReservedOf(total, member, 0, 9, 3, 2), ReservedOf(day, member, slot, 9, 8, None)))
        )
        await connection.execute(ROW, uuid4(), BEGIN_MS + after, kept.decode())
    lines = {tuple(line) for line in await connection.fetch(SETTLE, BEGIN_MS + 6 * hours, gone)}
    assert lines == {(total, member, 0, 0, 6), (day, member, DAY_MS, 0, 16)}, "not what is of yesterday"
    assert [tuple(one) for one in await connection.fetch(SLOTS, total, NOBODY)] == [(member, 0, 6)]


@pytest.mark.parametrize("ahead_ms", [-5 * 86_400_000, -2 * 3_600_000, 2 * 3_600_000, 5 * 86_400_000])
async def test_settling_finds_the_rows_of_a_machine_whose_clock_is_wrong(
    connection: asyncpg.Connection, ahead_ms: int
) -> None:
    gone, member = await replica_of(connection), uuid4()
    limit = await limit_of(connection, "cost", "total", calendar=False)
    await hold(connection, gone, limit, member, 0, used=50, held=20)
    at_ms = await connection.fetchval("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    await connection.execute("SELECT ledger.tell_clock($1, $2)", gone, at_ms + ahead_ms)
    await connection.execute(
        "INSERT INTO ledger.edits VALUES ($1, $2)", limit, BEGIN_MS - 6_000
    )  # before all of its requests, whatever they say
    kept = encode(Reserved(gone, (ReservedOf(limit, member, 0, 9, 9, 7),))).decode()
    await connection.execute(ROW, uuid4(), BEGIN_MS + ahead_ms + 1_000, kept)
    lines = [tuple(line) for line in await connection.fetch(SETTLE, BEGIN_MS + 120_000, gone)]
    assert lines == [(limit, member, 0, 70, 7)]


async def test_clock_that_was_set_while_a_replica_lived_widens_where_its_rows_are_looked_for(
    connection: asyncpg.Connection,
) -> None:
    gone, member = await replica_of(connection), uuid4()
    limit = await limit_of(connection, "cost", "total", calendar=False)
    await hold(connection, gone, limit, member, 0, used=50, held=20)
    at_ms = await connection.fetchval("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    for ahead_ms in (0, 4 * 3_600_000, -4 * 3_600_000):
        await connection.execute("SELECT ledger.tell_clock($1, $2)", gone, at_ms + ahead_ms)
        kept = encode(Reserved(gone, (ReservedOf(limit, member, 0, 9, 9, 7),))).decode()
        await connection.execute(ROW, uuid4(), BEGIN_MS + ahead_ms, kept)
    assert [tuple(line) for line in await connection.fetch(SETTLE, BEGIN_MS + 120_000, gone)] == [
        (limit, member, 0, 70, 21)
    ]


@asynccontextmanager
async def waiting_at(counter: UUID, url: str, query: str, *args: object) -> AsyncIterator[None]:
    """Run a query that waits for a counter of a member, until the block has ended; then it must succeed."""
    holder, waiter = [await asyncpg.connect(url) for _ in range(2)]
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM ledger.counters WHERE member_id = $1 FOR UPDATE", counter)
            waiting = asyncio.create_task(waiter.fetch(query, *args))
            await until(lambda: holder.fetchval(WAITS, waiter.get_server_pid()))
            yield
        await waiting
    finally:
        for one in (holder, waiter):
            await one.close(timeout=5)


async def report(connection: asyncpg.Connection, at_ms: int, limit: UUID, member: UUID) -> list[asyncpg.Record]:
    """Do what another replica does, which waits for nobody for long."""
    await connection.execute("SET lock_timeout = '5s'")
    wanted = Item(limit, member, "requests", False, 0, (), need=1, least=1)
    found: list[asyncpg.Record] = await connection.fetch(SYNC, at_ms, uuid4(), 1, encode_items((wanted,)))
    return found


async def test_settling_keeps_no_replica_waiting_that_finds_a_lease_lapsed_meanwhile(
    connection: asyncpg.Connection, database_url: str
) -> None:
    """Reading the rows of a long life takes seconds: a report that waited for it would make limits unavailable."""
    limit = await limit_of(connection, "requests", "total", calendar=False)
    gone, (first, second) = await replica_of(connection), TWO
    for member in TWO:
        await hold(connection, gone, limit, member, 0, used=3, held=5)
    await connection.execute(ROW, *row(gone, ReservedOf(limit, second, 0, 1_000, 4, 4)))
    at_ms = BEGIN_MS + 3_600_000
    async with waiting_at(first, database_url, SETTLE, at_ms, gone):
        lines = await report(connection, at_ms, limit, second)

    assert [line["used"] for line in lines] == [3 + 5], "what it held is booked, until it is known what it has used"
    assert await connection.fetch(SLOTS, limit, NOBODY) == [(second, 0, 4)]
    assert await connection.fetch(SLOTS, limit, gone) == []


async def test_replica_that_reports_again_keeps_no_other_waiting_that_finds_its_lease_lapsed(
    connection: asyncpg.Connection, database_url: str
) -> None:
    limit = await limit_of(connection, "requests", "total", calendar=False)
    back, (first, second) = await replica_of(connection), TWO
    for member in TWO:
        await hold(connection, back, limit, member, 0, used=3, held=5)
    at_ms = BEGIN_MS + 3_600_000
    told = encode_items(tuple(Item(limit, member, "requests", True, 0, ()) for member in TWO))
    async with waiting_at(first, database_url, SYNC, at_ms, back, 8, told):
        lines = await report(connection, at_ms, limit, second)

    assert [line["used"] for line in lines] == [3 + 5]
    assert await connection.fetch(SLOTS, limit, back) == [(first, 0, 3), (second, 0, 3)], "it has again what it held"
    held = await connection.fetch("SELECT held FROM ledger.leases WHERE replica_id = $1", back)
    assert [one["held"] for one in held] == [5, 5]
