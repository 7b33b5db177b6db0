"""Reports and re-rating on a real PostgreSQL: sums from rollups, through their indexes, and equal to the rows."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import md5
from itertools import combinations, product
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from aqueduct.db.connections import connect
from aqueduct.db.names import ATTEMPT_COLUMNS, ROLLUP_KEYS, ROLLUP_SUMS, TOTALS
from aqueduct.usage import rerate as rerating
from aqueduct.usage.fold import add_days
from aqueduct.usage.pricing import Price, PriceList
from aqueduct.usage.ranking import DAY_KINDS, KINDS, SETTINGS, rank, rank_days
from aqueduct.usage.ranking_statements import days_statement, ranked_statement
from aqueduct.usage.reports import DIMENSIONS, Dimension, ReportQuery, report, report_statement
from aqueduct.usage.rerate import rerate
from aqueduct.usage.segments import Cell, Entry
from aqueduct.usage.store import COLUMNS, prepare, roll_up, write
from tests.conftest import Insert
from tests.usage.rows import request_cells

TODAY = datetime.now(UTC).date()
OLD = datetime(1970, 1, 1, tzinfo=UTC)
DEPLOYMENT = UUID(int=7)


def entry(**values: Cell) -> Entry:
    cells = request_cells(
        **{
            "model": "gpt",
            "provider": "p",
            "deployment_id": DEPLOYMENT,
            "usage_source": "provider",
            "prompt_tokens": 10,
            "completion_tokens": 3,
            "cost": Decimal("0.5"),
            **values,
        }
    )
    attempt = {name: cells.get(name) for name in ATTEMPT_COLUMNS}
    attempt |= {"request_id": cells["id"], "number": 1, "request_started_at": cells["started_at"]}
    return Entry(tuple(cells.get(name) for name in COLUMNS), (tuple(attempt[name] for name in ATTEMPT_COLUMNS),))


async def stored(url: str, *entries: Entry) -> None:
    writer = await connect(url, application_name="test")
    await prepare(writer)
    await write(writer, list(entries))
    await writer.close()


async def test_report_adds_up_by_name_and_shows_what_was_deleted_by_its_id(
    connection: asyncpg.Connection, database_url: str, insert: Insert
) -> None:
    org = await insert("orgs", slug="acme", name="Acme")
    gone = UUID(int=99)
    now = datetime.now(UTC)
    await stored(
        database_url,
        entry(org_id=org),
        entry(org_id=org, started_at=now - timedelta(days=1)),
        entry(org_id=org, model="other", cost=None),
        entry(org_id=gone, status=429),
    )

    rows = await report(connection, ReportQuery(first=TODAY - timedelta(days=1), last=TODAY, by=("org", "model")))

    found = [(row.org, row.model, row.requests, row.errors, row.unpriced, row.prompt_tokens, row.cost) for row in rows]
    assert found == [
        (str(gone), "gpt", 1, 1, 0, 10, "0.5"),
        ("acme", "gpt", 2, 0, 0, 20, "1"),
        ("acme", "other", 1, 0, 1, 10, "0"),
    ]
    today = await report(connection, ReportQuery(first=TODAY, last=TODAY, by=("day",), org_id=org))
    assert [(row.day, row.requests) for row in today] == [(TODAY.isoformat(), 2)]
    assert await report(connection, ReportQuery(first=date(2001, 1, 1), last=date(2001, 1, 2), by=())) == []


async def test_report_by_cost_center_adds_up_the_teams_that_have_it_today(
    connection: asyncpg.Connection, database_url: str, insert: Insert
) -> None:
    org = await insert("orgs", slug="acme", name="Acme")
    teams = [
        await insert("teams", org_id=org, name=name, cost_center=center)
        for name, center in (("a", "4711"), ("b", "4711"), ("c", "0815"), ("d", None))
    ]
    await stored(database_url, *(entry(org_id=org, team_id=team) for team in (*teams, None, UUID(int=99))))

    async def by(*names: Dimension, **owner: UUID) -> list[tuple[str | None, int, str]]:
        rows = await report(connection, ReportQuery(first=TODAY, last=TODAY, by=names, **owner))
        return [(row.cost_center, row.requests, row.cost) for row in rows]

    assert await by("cost_center") == [("0815", 1, "0.5"), ("4711", 2, "1"), (None, 3, "1.5")]
    assert await by("cost_center", team_id=teams[1]) == [("4711", 1, "0.5")]
    assert sorted(requests for _, requests, _ in await by("org", "cost_center", "model")) == [1, 2, 3]
    await connection.execute("UPDATE teams SET cost_center = '0815' WHERE name = 'a'")
    assert await by("cost_center") == [("0815", 2, "1"), ("4711", 1, "0.5"), (None, 3, "1.5")]


TOTALS_READ = (
    ((), "org_day"),
    (("org",), "org_day"),
    (("day",), "org_day"),
    (("day", "org"), "org_day"),
    (("model",), "model_month"),
    (("provider", "model"), "model_month"),
    (("day", "model"), "model_day"),
    (("team",), "team_month"),
    (("team", "cost_center"), "team_month"),
    (("user",), "user_month"),
    (("org", "model"), "org_model_month"),
)
OWNERS = ("org_id", "team_id", "user_id", "service_account_id", None)
RANGES = (
    (date(2026, 3, 1), date(2026, 3, 31)),
    (date(2026, 1, 20), date(2026, 5, 10)),
    (date(2026, 3, 3), date(2026, 3, 9)),
)
FOLDED = date(2026, 12, 31)
SETS = ((), *((name,) for name in DIMENSIONS), *combinations(DIMENSIONS, 2), DIMENSIONS)


@pytest.fixture
async def a_year(connection: asyncpg.Connection, database_url: str) -> None:
    """Rollups of a year with so many rows that no index is an accident, and their statistics."""
    numbers = ", ".join("1" for _ in ROLLUP_SUMS)
    ids = {"org_id": 20, "team_id": 100, "user_id": 400, "service_account_id": 4, "token_id": 800}
    keys = ", ".join(f"md5('{name}' || i % {count})::uuid AS {name}" for name, count in ids.items())
    hours = (
        f"SELECT '2026-01-01 12:00Z'::timestamptz + i % 365 * interval '1 day' AS hour, {keys}, 'm' || i % 30 AS model,"  # noqa: S608 - ours
        f" 'p' AS provider, NULL::uuid AS deployment_id, {numbers}, 1.0 AS cost FROM generate_series(1, 20000) i"
    )
    named = ", ".join(("hour", *ROLLUP_KEYS, *ROLLUP_SUMS, "cost"))
    await connection.execute(roll_up(f"SELECT * FROM ({hours}) AS h ({named})"))  # noqa: S608 - ours
    fold = await connect(database_url, application_name="test")
    await fold.execute(add_days("SELECT * FROM usage_daily"))
    await fold.close()
    await connection.execute("ANALYZE usage_hourly, usage_daily, usage_totals, usage_ranked")


@pytest.mark.usefixtures("a_year")
async def test_every_report_reads_rollups_through_an_index(connection: asyncpg.Connection) -> None:
    """Trap 16: no report touches a raw row, nor all of a rollup, whatever it adds up by and whoever it is about."""
    for owner, by, (first, last) in product(OWNERS, SETS, RANGES):
        narrowed = {} if owner is None else {owner: UUID(md5(f"{owner}1".encode(), usedforsecurity=False).hexdigest())}
        query = ReportQuery(first=first, last=last, by=by, **narrowed)
        for folded, top in ((None, None), (FOLDED, None), (FOLDED, 5)) if owner is None else ((None, None),):
            statement, arguments = report_statement(replace(query, top=top), FOLDED + timedelta(days=1), folded)
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *arguments))
            assert re.search(r"ix_usage_(daily|totals|ranked)_", plan), plan
            assert not re.search(r"Seq Scan on usage_|requests_20|attempts_20|usage_hourly", plan), plan


@pytest.mark.usefixtures("a_year")
async def test_every_ranking_reads_the_first_rows_of_an_index_by_cost(connection: asyncpg.Connection) -> None:
    """Parts of months are added up for the groups that were found, by the index of their owner."""
    for by, (first, last), top in product(KINDS, (*RANGES, (date(2026, 3, 3), date(2026, 3, 20))), (3, 100)):
        query = ReportQuery(first=first, last=last, by=tuple(by), top=top)
        ranked = rank(query, FOLDED + timedelta(days=1), FOLDED)
        assert ranked is not None
        statement, arguments = ranked_statement(ranked, top)
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *arguments))
        assert "Limit" in plan
        assert "ix_usage_ranked_kind_first_day_cost" in plan, plan
        assert not any(one.is_read for one in ranked.orders) or "pk_usage_ranked" in plan, plan
        index = "org_id_model" if by == {"org", "model"} else ranked.keys["org" in by]
        index = "day" if "cost_center" in by else f"{index}_day"
        assert not ranked.days or f"ix_usage_daily_{index}" in plan, plan
        assert not re.search(r"Seq Scan on usage_|requests_20|attempts_20|usage_hourly", plan), plan


@pytest.mark.usefixtures("a_year")
async def test_ranking_that_looks_at_many_rows_of_a_span_reads_them_in_their_order(
    connection: asyncpg.Connection,
) -> None:
    """The planner takes every span for one of the average size, and would read and sort all of a long one."""
    async with connection.transaction():
        await connection.execute(SETTINGS)
        for by, (first, last) in product(KINDS, RANGES):
            ranked = rank(ReportQuery(first=first, last=last, by=tuple(by), top=100), TODAY, FOLDED)
            assert ranked is not None
            statement, arguments = ranked_statement(ranked, 2_000)
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *arguments))
            assert "Index Scan using ix_usage_ranked_kind_first_day_cost" in plan, plan
            assert not re.search(r"Bitmap|Sort.*\n.*Sort Key: usage_ranked", plan), plan


@pytest.mark.usefixtures("a_year")
async def test_every_ranking_by_day_reads_the_first_rows_of_each_day(connection: asyncpg.Connection) -> None:
    for by, (first, last) in product(DAY_KINDS, RANGES):
        query = ReportQuery(first=first, last=last, by=("day", *by), top=100)
        ranked = rank_days(query, FOLDED + timedelta(days=1), FOLDED)
        assert ranked is not None
        statement, arguments = days_statement(ranked)
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *arguments))
        assert plan.count("ix_usage_ranked_kind_first_day_cost") == 2, plan
        assert not re.search(r"Seq Scan on usage_|requests_20|attempts_20|usage_hourly", plan), plan


@pytest.mark.usefixtures("a_year")
async def test_every_report_adds_up_to_the_same_whatever_it_reads(connection: asyncpg.Connection) -> None:
    for first, last in (*RANGES, (date(2026, 12, 10), date(2026, 12, 31))):
        whole = await connection.fetchval(
            "SELECT sum(requests)::int FROM usage_daily WHERE day BETWEEN $1 AND $2", first, last
        )
        sets = (*SETS[: len(DIMENSIONS) + 1], ("org", "model"), ("team", "model"), ("user", "model"), DIMENSIONS)
        for by, today, folded in product(sets, (FOLDED + timedelta(days=1), last), (None, FOLDED)):
            if today == last and last.month != 12:
                continue  # nothing is later than today
            statement, arguments = report_statement(ReportQuery(first=first, last=last, by=by), today, folded)
            assert sum(row["requests"] for row in await connection.fetch(statement, *arguments)) == whole, (by, first)


@pytest.mark.parametrize(("by", "kind"), TOTALS_READ)
def test_report_on_everybody_reads_the_totals_that_have_the_fewest_rows(by: tuple[Dimension, ...], kind: str) -> None:
    query = ReportQuery(first=date(2026, 1, 20), last=date(2026, 5, 31), by=by)
    statement, arguments = report_statement(query, today=date(2026, 12, 1))
    assert f"kind = '{kind}'" in statement
    if kind.endswith("_day"):
        assert arguments == [query.first, query.last]
    else:
        assert arguments == [date(2026, 2, 1), query.last, query.first, date(2026, 1, 31)]


def test_report_up_to_today_reads_the_month_that_is_not_over_as_a_whole() -> None:
    query = ReportQuery(first=date(2026, 5, 1), last=date(2026, 5, 9), by=("team",))
    statement, arguments = report_statement(query, today=date(2026, 5, 9))
    assert (arguments, "usage_daily" in statement) == ([query.first, date(2026, 5, 31)], False)


def test_report_on_most_of_a_month_reads_it_as_a_whole_and_takes_the_other_days_away() -> None:
    query = ReportQuery(first=date(2026, 5, 1), last=date(2026, 5, 9), by=("team",))
    statement, arguments = report_statement(query, today=date(2026, 5, 10))
    assert arguments == [query.first, date(2026, 5, 31), date(2026, 5, 10), date(2026, 5, 31)]
    assert "-requests AS requests" in statement
    assert "usage_totals" not in report_statement(query, today=date(2026, 5, 31))[0], "too many others"


async def test_rerating_prices_rows_attempts_and_rollups_again(
    connection: asyncpg.Connection, database_url: str
) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await stored(
        database_url,
        entry(),
        entry(cost=None),
        entry(started_at=yesterday),
        entry(deployment_id=UUID(int=8), cost=Decimal(9)),
    )
    listed = PriceList([Price("input", 2_000_000, OLD), Price("output", 1, OLD)])
    prices = {str(DEPLOYMENT): listed, str(UUID(int=8)): None}
    worth = Decimal("0.000020000003")
    writer = await connect(database_url, application_name="test")

    done = await rerate(writer, prices, TODAY, TODAY)

    assert (done.attempts, done.changed) == (3, 3)
    assert done.difference == worth * 2 - Decimal("0.5") - 9
    costs = await connection.fetch("SELECT cost FROM usage.requests ORDER BY cost NULLS LAST")
    assert [row["cost"] for row in costs] == [worth, worth, Decimal("0.5"), None]
    (again,) = [await rerate(writer, prices, TODAY, TODAY)]
    await writer.close()
    assert again.changed == 0
    for table in ("usage_hourly", "usage_daily", *(f"usage_totals WHERE kind = '{kind}'" for kind in TOTALS)):
        rolled = await connection.fetchrow(f"SELECT sum(cost) AS cost, sum(unpriced)::int AS unpriced FROM {table}")  # noqa: S608 - our own name
        raw = await connection.fetchrow(
            "SELECT sum(cost) AS cost, count(*) FILTER (WHERE cost IS NULL)::int AS unpriced FROM usage.requests"
        )
        assert tuple(rolled) == tuple(raw)


async def test_rerating_keeps_what_deployments_that_are_gone_have_cost(
    connection: asyncpg.Connection, database_url: str
) -> None:
    await stored(database_url, entry(deployment_id=UUID(int=8), cost=Decimal(9)))
    writer = await connect(database_url, application_name="test")

    done = await rerate(writer, {str(DEPLOYMENT): PriceList([Price("input", 2_000_000, OLD)])}, TODAY, TODAY)
    await writer.close()

    assert (done.attempts, done.changed) == (1, 0)
    assert await connection.fetchval("SELECT cost FROM usage.requests") == 9


async def test_rerating_a_day_reads_that_day_of_its_month_by_indexes(connection: asyncpg.Connection) -> None:
    """Trap 16: not all attempts of the month for each of its days, and no other month at all."""
    day = date(2026, 3, 12)
    await connection.execute("SELECT usage.ensure_partitions('2026-01-01Z', '2026-06-01Z')")
    await connection.execute(
        "INSERT INTO usage.attempts (request_id, number, request_started_at, started_at, duration_ms, usage_source)"
        " SELECT md5(i::text)::uuid, 1, at, at, 1, 'provider' FROM (SELECT i, '2026-03-01Z'::timestamptz"
        " + i * interval '40 seconds' AS at FROM generate_series(1, 60000) i) AS every"
    )
    await connection.execute(
        "INSERT INTO usage.requests (id, started_at, duration_ms, endpoint, operation, streamed, status, attempts)"
        " SELECT request_id, request_started_at, 1, '', 'chat', false, 200, 1 FROM usage.attempts"
    )
    await connection.execute("ANALYZE usage.attempts")
    await connection.execute("ANALYZE usage.requests")
    begin = datetime.combine(day, datetime.min.time(), UTC)
    end = begin + timedelta(days=1)
    async with connection.transaction():
        await connection.execute(rerating.TEMPORARY)
        await connection.execute(
            "INSERT INTO rerated SELECT request_id, number, request_started_at FROM usage.attempts"
            " WHERE request_started_at >= $1 AND request_started_at < $1 + interval '1 hour'",
            begin,
        )
        await connection.execute("ANALYZE rerated")
        make = rerating.REQUESTS.format(begin=begin.isoformat(), end=end.isoformat())
        for statement, arguments in ((rerating.READ, (begin, end)), (rerating.ATTEMPTS, (begin, end)), (make, ())):
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *arguments))
            assert "attempts_2026_03" in plan, plan
            assert not re.search(r"Seq Scan on (requests|attempts)|_2026_0[1245]", plan), plan
        await connection.execute(make)
        await connection.execute("ANALYZE repriced")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {rerating.UPDATE}", begin, end))
        assert not re.search(r"Seq Scan on requests|_2026_0[1245]", plan), plan
