"""Days that are over in `usage_ranked`, on a real PostgreSQL: the sums of the daily rollup, whatever comes when."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from aqueduct.db.connections import DedicatedConnection, connect
from aqueduct.db.names import RANKED, RANKED_KEYS, ROLLUP_SUMS
from aqueduct.usage import reports
from aqueduct.usage.fold import CENTERS_AGREE, SPANS, fold_day, move_centers
from aqueduct.usage.pricing import Price, PriceList
from aqueduct.usage.ranking import DAY_KINDS, KINDS, dearest, rank, read_report
from aqueduct.usage.ranking_statements import ranked_statement
from aqueduct.usage.reports import Dimension, ReportQuery, ReportRow, folded_until, report
from aqueduct.usage.rerate import rerate
from aqueduct.usage.segments import Entry
from aqueduct.usage.store import LOCK_ROLLUPS, prepare, write
from tests.conftest import Insert
from tests.usage.test_reports import DEPLOYMENT, OLD, entry

NOW = datetime.now(UTC)
HISTORY = timedelta(days=75)


@pytest.fixture
async def writer(connection: asyncpg.Connection, database_url: str) -> AsyncIterator[DedicatedConnection]:
    await connection.execute("SELECT usage.ensure_partitions(now() - interval '4 months')")
    writer = await connect(database_url, application_name="test")
    await prepare(writer)
    yield writer
    await writer.close()


def batch(chance: random.Random, rows: int, at: datetime | None = None) -> list[Entry]:
    """Requests of few owners with very different costs, anywhere in the history, or at one time."""

    def one() -> Entry:
        user = int(12 * chance.random() ** 2)
        return entry(
            started_at=at or NOW - HISTORY * chance.random() ** 2,
            org_id=UUID(int=user % 2 + 1),
            team_id=UUID(int=user % 5 + 1) if user else None,
            user_id=UUID(int=user + 1) if user % 4 else None,
            service_account_id=None if user % 4 else UUID(int=user + 1),
            token_id=UUID(int=user * 2 + chance.randrange(2)),
            model=chance.choice(("a", "b", "c, d", None)),
            cost=chance.choice((None, Decimal(0), Decimal(user) / 7 + chance.randrange(9))),
        )

    return [one() for _ in range(rows)]


async def check(connection: asyncpg.Connection) -> None:
    """Every kind holds exactly the sums of the folded days."""
    sums = ", ".join(f"sum({name})" for name in (*ROLLUP_SUMS, "cost"))
    for kind, (span, *keys) in RANKED.items():
        columns = ", ".join(keys)
        kept = await connection.fetch(
            f"SELECT first_day, {columns}, {sums} FROM usage_ranked WHERE kind = $1"  # noqa: S608 - constants
            f" GROUP BY first_day, {columns} HAVING count(*) = 1 AND sum(requests) <> 0",
            kind,
        )
        wanted = await connection.fetch(
            f"SELECT {SPANS[span]}, {columns}, {sums} FROM usage_daily LEFT JOIN ranked_centers"  # noqa: S608 - constants
            f" USING (team_id) WHERE day <= (SELECT until FROM usage_ranked_until) GROUP BY 1, {columns}"
        )
        assert {tuple(row) for row in kept} == {tuple(row) for row in wanted}, kind
        others = [key for key in RANKED_KEYS if key not in keys]
        nulls = " AND ".join(f"{key} IS NULL" for key in others)
        assert await connection.fetchval(
            f"SELECT bool_and({nulls}) IS NOT FALSE FROM usage_ranked WHERE kind = $1",  # noqa: S608 - constants
            kind,
        )


async def fold(writer: DedicatedConnection, days: int | None = None) -> None:
    while days is None or days > 0:
        if await fold_day(writer, LOCK_ROLLUPS) is None:
            return
        days = None if days is None else days - 1


async def test_folded_days_hold_the_sums_of_the_daily_rollup_also_when_rows_come_late_or_are_priced_again(
    connection: asyncpg.Connection, writer: DedicatedConnection
) -> None:
    chance = random.Random(4)
    await write(writer, batch(chance, 150))
    for _ in range(4):
        await fold(writer, chance.randrange(1, 12))
        await check(connection)
        await write(writer, batch(chance, 40))
        await check(connection)
    await fold(writer)
    await check(connection)
    assert await connection.fetchval("SELECT count(DISTINCT first_day) > 2 FROM usage_ranked WHERE kind = 'user_month'")
    before = await connection.fetchval("SELECT sum(cost) FROM usage_ranked WHERE kind = 'user_month'")

    prices = {str(DEPLOYMENT): PriceList([Price("input", 2_000_000, OLD), Price("output", 1, OLD)])}
    await rerate(writer, prices, (NOW - timedelta(days=20)).date(), NOW.date())

    await check(connection)
    assert await connection.fetchval("SELECT sum(cost) FROM usage_ranked WHERE kind = 'user_month'") < before
    late = batch(chance, 30)
    await write(writer, late)
    await write(writer, late)
    await check(connection)


async def test_days_are_folded_once_beside_writers_of_late_rows(
    connection: asyncpg.Connection, database_url: str, writer: DedicatedConnection
) -> None:
    await write(writer, batch(random.Random(1), 100))

    async def late(seed: int) -> None:
        other = await connect(database_url, application_name="test")
        await prepare(other)
        chance = random.Random(seed)
        for _ in range(8):
            await write(other, batch(chance, 10))
        await other.close()

    async def folding() -> None:
        other = await connect(database_url, application_name="test")
        await fold(other)
        await other.close()

    async with asyncio.timeout(60):
        await asyncio.gather(late(2), folding(), late(3), folding())
        await fold(writer)

    assert await connection.fetchval("SELECT sum(requests)::int FROM usage_daily") == 260
    await check(connection)


async def test_folded_days_of_a_team_move_to_the_cost_centre_that_it_gets(
    connection: asyncpg.Connection, writer: DedicatedConnection, insert: Insert
) -> None:
    """Reports by cost centre are right before they have moved, and all the same afterwards."""
    org = await insert("orgs", slug="acme", name="Acme")
    for number, center in ((1, "4711"), (2, "4711"), (3, None), (4, "0815")):
        await insert("teams", id=UUID(int=number), org_id=org, name=str(number), cost_center=center)
    chance = random.Random(9)
    await write(writer, batch(chance, 120))
    await fold(writer)
    await check(connection)
    queries = [
        ReportQuery(first=(NOW - HISTORY).date(), last=NOW.date(), by=by, top=5)
        for by in (("cost_center",), ("cost_center", "model"), ("day", "cost_center"))
    ]
    for center, team in (("0815", 1), (None, 2), ("1234", 3), ("4711", 4), ("1234", 1)):
        await connection.execute("UPDATE teams SET cost_center = $1 WHERE id = $2", center, UUID(int=team))
        before = [await dearest(connection, query) for query in queries]
        assert not await connection.fetchval(CENTERS_AGREE)

        await move_centers(writer, LOCK_ROLLUPS)

        assert await connection.fetchval(CENTERS_AGREE)
        await check(connection)
        assert [await dearest(connection, query) for query in queries] == before
        await write(writer, batch(chance, 10))
        await check(connection)
    await connection.execute("DELETE FROM teams WHERE name = '4'")
    await fold(writer)
    await check(connection)
    kinds = "kind LIKE 'cost_center%' AND cost_center = '4711' AND requests <> 0"
    assert await connection.fetchval(f"SELECT count(*) FROM usage_ranked WHERE {kinds}") == 0  # noqa: S608 - ours


async def test_nothing_is_folded_before_its_day_is_over(
    connection: asyncpg.Connection, writer: DedicatedConnection
) -> None:
    await write(writer, batch(random.Random(1), 5, NOW))
    await fold(writer)
    assert await connection.fetchval("SELECT until < (now() AT TIME ZONE 'UTC')::date FROM usage_ranked_until")
    assert await connection.fetchval("SELECT count(*) FROM usage_ranked") == 0
    assert await fold_day(writer, LOCK_ROLLUPS) is None


OTHERS: tuple[frozenset[Dimension], ...] = (
    frozenset({"team", "cost_center"}),
    frozenset({"team", "cost_center", "model"}),
    frozenset({"day", "user", "model"}),
    frozenset({"org", "user", "model"}),
    frozenset({"org", "team", "cost_center"}),
    frozenset({"cost_center"}),
)
RANGES = ((75, 0), (75, 1), (40, 0), (52, 18), (33, 3), (20, 12), (61, 30), (3, 0), (0, 0))


async def test_dearest_groups_are_the_first_of_all_groups_by_cost(
    connection: asyncpg.Connection, writer: DedicatedConnection
) -> None:
    chance = random.Random(7)
    await write(writer, batch(chance, 300))
    await fold(writer)
    await write(writer, batch(chance, 60))
    await write(writer, batch(chance, 20, NOW))
    by_day = (kind | {"day"} for kind in DAY_KINDS)
    for by, (back, to), top in product((*KINDS, *by_day, *OTHERS), RANGES, (1, 3, 100)):
        first, last = (NOW - timedelta(days=back)).date(), (NOW - timedelta(days=to)).date()
        query = ReportQuery(first=first, last=last, by=tuple(sorted(by)), top=top)

        found = await dearest(connection, query)

        every = await report(connection, ReportQuery(first=first, last=last, by=query.by))
        every.sort(key=lambda row: (Decimal(row.cost), row.requests), reverse=True)
        assert [(Decimal(row.cost), row.requests) for row in found] == [
            (Decimal(row.cost), row.requests) for row in every[:top]
        ], query
        assert all(row in every for row in found), query


async def test_dearest_groups_look_at_few_rows_of_each_month(
    connection: asyncpg.Connection, writer: DedicatedConnection
) -> None:
    """The same users are dear in every month: the answer needs no user's row but theirs."""
    rows = [
        entry(started_at=NOW - timedelta(days=day), user_id=UUID(int=user), cost=Decimal(1000) / user)
        for day in (70, 40, 5)
        for user in range(1, 40)
    ]
    await write(writer, rows)
    await fold(writer)
    query = ReportQuery(first=(NOW - timedelta(days=75)).date(), last=NOW.date(), by=("user",), top=3)
    ranked = rank(query, NOW.date(), await connection.fetchval("SELECT until FROM usage_ranked_until"))
    assert ranked is not None
    statement, arguments = ranked_statement(ranked, 5)

    records = await connection.fetch(statement, *arguments)

    assert [row["requests"] for row in records] == [3, 3, 3]
    assert records[0]["is_cut"]
    assert records[-1]["cost"] >= records[0]["bound_cost"] > 0
    assert [row.user for row in await dearest(connection, query)] == [str(UUID(int=user)) for user in (1, 2, 3)]


async def test_dearest_groups_without_prices_are_told_apart_by_their_requests(
    connection: asyncpg.Connection, writer: DedicatedConnection
) -> None:
    at = NOW - timedelta(days=40)
    await write(
        writer, [entry(started_at=at, user_id=UUID(int=user), cost=None) for user in range(9) for _ in range(user)]
    )
    await fold(writer)

    found: list[ReportRow] = await dearest(
        connection, ReportQuery(first=at.date().replace(day=1), last=NOW.date(), by=("user",), top=2)
    )

    assert [row.requests for row in found] == [8, 7]


async def test_day_is_folded_although_it_takes_longer_than_other_commands_may(
    connection: asyncpg.Connection, database_url: str, writer: DedicatedConnection
) -> None:
    await write(writer, [entry(started_at=NOW - timedelta(days=2))])
    impatient = await connect(database_url, application_name="test", command_timeout_s=2.0)
    async with connection.transaction():
        await connection.execute(LOCK_ROLLUPS)
        folding = asyncio.create_task(fold_day(impatient, LOCK_ROLLUPS))
        await asyncio.wait([folding], timeout=3.0)
    folded = await folding
    await impatient.close()

    assert folded == (NOW - timedelta(days=2)).date()


@pytest.mark.parametrize("top", [None, 5])
async def test_day_that_is_folded_while_a_report_is_read_counts_once(
    connection: asyncpg.Connection, writer: DedicatedConnection, monkeypatch: pytest.MonkeyPatch, top: int | None
) -> None:
    last = NOW.date().replace(day=1) - timedelta(days=1)
    first = last.replace(day=1)
    days = [datetime(first.year, first.month, day, tzinfo=UTC) for day in (1, 2, 3)]
    await write(writer, [entry(started_at=day, service_account_id=UUID(int=1)) for day in days])
    await fold(writer, 2)

    async def before_the_third_is_folded(connection: reports.Connection) -> date | None:
        until = await folded_until(connection)
        await fold(writer, 1)
        return until

    monkeypatch.setattr(reports, "folded_until", before_the_third_is_folded)

    rows = await read_report(connection, ReportQuery(first=first, last=last, by=("service_account",), top=top))

    assert await folded_until(connection) == first + timedelta(days=2)
    assert [row.requests for row in rows] == [3]


ANY = ReportQuery(first=date(2026, 1, 1), last=date(2026, 1, 31), by=("user",), top=5)


@pytest.mark.parametrize(
    ("query", "is_ranked"),
    [
        (ANY, True),
        (replace(ANY, by=("org", "user")), True),
        (replace(ANY, by=("org", "user", "model")), False),
        (replace(ANY, org_id=UUID(int=1)), False),
        (replace(ANY, top=None), False),
        (replace(ANY, last=date(2026, 1, 5)), True),
        (replace(ANY, by=("cost_center", "model")), True),
        (replace(ANY, first=date(2026, 3, 1), last=date(2026, 3, 5)), False),
    ],
)
def test_ranking_is_for_groups_of_one_row_a_month(query: ReportQuery, *, is_ranked: bool) -> None:
    assert (rank(query, date(2026, 3, 1), date(2026, 2, 28)) is not None) is is_ranked
    assert rank(query, date(2026, 3, 1), None) is None, "nothing is folded"


def test_parts_of_months_of_teams_are_five_days_and_few_days_beside_them() -> None:
    def read(first: int, last: int) -> tuple[list[object], list[object], list[object]]:
        query = ReportQuery(first=date(2026, 3, first), last=date(2026, 3, last), by=("team",), top=5)
        ranked = rank(query, date(2026, 4, 2), date(2026, 4, 1))
        assert ranked is not None
        orders = [(one.kind, one.days.first.day, one.is_whole, one.is_read) for one in ranked.orders]
        taken = [(part.source.kind, part.days.first.day, part.days.last.day) for part in ranked.taken]
        days = [(part.days.first.day, part.days.last.day, part.is_added) for part in ranked.days]
        return orders, taken, days

    five, month = "team_five_days", "team_month"
    orders = [(five, 1, False, True), (five, 6, True, True), (five, 11, False, False)]
    assert read(3, 11) == (orders, [], [(11, 11, True), (1, 2, False)])
    assert read(1, 24) == ([(month, 1, False, True)], [(five, 26, 31)], [(25, 25, False)])
    assert read(1, 31) == ([(month, 1, True, True)], [], [])
