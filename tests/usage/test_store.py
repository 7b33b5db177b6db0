"""Raw rows and rollups on a real PostgreSQL: counted once, added up exactly, without deadlocks between replicas."""

import asyncio
import random
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from aqueduct.db.connections import connect
from aqueduct.db.names import ATTEMPT_COLUMNS
from aqueduct.usage.batches import SLICE_ROWS
from aqueduct.usage.segments import Cell, Entry
from aqueduct.usage.store import COLUMNS, prepare, write
from tests.usage.rows import request_cells

ORG, TEAM = UUID(int=1), UUID(int=2)


def entry(**values: Cell) -> Entry:
    cells = request_cells(
        **{
            "org_id": ORG,
            "team_id": TEAM,
            "model": "gpt",
            "provider": "p",
            "usage_source": "provider",
            "prompt_tokens": 10,
            "completion_tokens": 3,
            "cost": Decimal("0.000000000001"),
            **values,
        }
    )
    attempt: dict[str, Cell] = {
        "request_id": cells["id"],
        "number": 1,
        "request_started_at": cells["started_at"],
        "started_at": cells["started_at"],
        "duration_ms": 4,
        "cost": cells["cost"],
    }
    return Entry(tuple(cells.get(name) for name in COLUMNS), (tuple(attempt.get(name) for name in ATTEMPT_COLUMNS),))


async def test_rows_attempts_and_rollups_are_written_together(
    connection: asyncpg.Connection, database_url: str
) -> None:
    at = datetime.now(UTC).replace(minute=59, second=59)
    batch = [
        entry(started_at=at),
        entry(started_at=at, status=502, cost=None, usage_source=None, prompt_tokens=None, completion_tokens=None),
        entry(started_at=at, usage_source="unsettled", status=0, prompt_tokens=None, cost=None),
        entry(started_at=at, cost=Decimal("2.5"), reasoning_tokens=2),
        entry(started_at=at + timedelta(hours=1), model="other"),
    ]
    writer = await connect(database_url, application_name="test")
    await prepare(writer)

    assert await write(writer, batch) == 5
    await writer.close()

    assert await connection.fetchval("SELECT count(*) FROM usage.attempts") == 5
    hours = await connection.fetch("SELECT * FROM usage_hourly ORDER BY hour")
    assert [(row["model"], row["requests"]) for row in hours] == [("gpt", 4), ("other", 1)]
    first = hours[0]
    assert first["hour"] == at.replace(minute=0, second=0, microsecond=0)
    assert (first["org_id"], first["team_id"], first["user_id"]) == (ORG, TEAM, None)
    assert (first["errors"], first["unsettled"], first["unpriced"], first["attempts"]) == (1, 1, 1, 4)
    assert (first["prompt_tokens"], first["completion_tokens"], first["reasoning_tokens"]) == (20, 9, 2)
    assert first["cost"] == Decimal("2.500000000001")
    days = await connection.fetch("SELECT sum(requests)::int AS requests, sum(cost) AS cost FROM usage_daily")
    assert (days[0]["requests"], days[0]["cost"]) == (5, Decimal("2.500000000002"))


async def test_rows_written_again_are_not_counted_again(connection: asyncpg.Connection, database_url: str) -> None:
    """Trap 5 and 6: the key is the server's, and a batch whose commit was not heard of comes again."""
    writer = await connect(database_url, application_name="test")
    await prepare(writer)
    batch = [entry() for _ in range(10)]
    new = entry()

    assert await write(writer, batch) == 10
    assert await write(writer, [*batch, new, new]) == 1
    await writer.close()

    assert await connection.fetchval("SELECT count(*) FROM usage.requests") == 11
    assert await connection.fetchval("SELECT count(*) FROM usage.attempts") == 11
    assert await connection.fetchval("SELECT sum(requests)::int FROM usage_hourly") == 11


async def test_many_rows_are_written_in_slices_so_that_others_are_served_meanwhile(
    connection: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = await connect(database_url, application_name="test")
    await prepare(writer)
    copy, sizes = asyncpg.Connection.copy_records_to_table, list[int]()

    async def copied(to: asyncpg.Connection, table: str, *, records: list[tuple[Cell, ...]], **options: object) -> str:
        sizes.append(len(records))
        return await copy(to, table, records=records, **options)

    monkeypatch.setattr(asyncpg.Connection, "copy_records_to_table", copied)
    batch = [entry() for _ in range(2 * SLICE_ROWS + 1)]
    assert await write(writer, batch) == len(batch)
    await writer.close()

    assert sizes == [SLICE_ROWS, SLICE_ROWS, SLICE_ROWS, SLICE_ROWS, 1, 1], "requests and attempts"
    assert await connection.fetchval("SELECT sum(requests)::int FROM usage_daily") == len(batch)


async def test_replicas_write_the_same_rollups_without_deadlock_or_loss(
    connection: asyncpg.Connection, database_url: str
) -> None:
    """Trap 15."""
    seed = random.Random(15)
    at = datetime.now(UTC)

    async def replica() -> None:
        writer = await connect(database_url, application_name="test")
        await prepare(writer)
        for _ in range(10):
            models = [f"m{number}" for number in range(20)]
            seed.shuffle(models)
            await write(writer, [entry(model=model, started_at=at) for model in models])
        await writer.close()

    async with asyncio.timeout(60):
        await asyncio.gather(*(replica() for _ in range(4)))

    rows = await connection.fetch("SELECT requests FROM usage_daily")
    assert [row["requests"] for row in rows] == [40] * 20


async def test_replicas_make_and_drop_months_beside_writers_without_deadlock(
    connection: asyncpg.Connection, database_url: str
) -> None:
    now, rounds = datetime.now(UTC), 8

    async def replica(number: int) -> None:
        replica = await connect(database_url, application_name="test")
        await prepare(replica)
        for turn in range(rounds):
            await replica.execute("SELECT usage.ensure_partitions(now() - interval '5 months')")
            await write(replica, [entry(started_at=now, model=f"m{model}") for model in range(5)])
            if (turn + number) % 2:
                await replica.execute("SELECT usage.drop_partitions(now() - interval '70 days')")
        await replica.close()

    async with asyncio.timeout(60):
        await asyncio.gather(*(replica(number) for number in range(4)))

    assert await connection.fetchval("SELECT count(*) FROM usage.requests") == 4 * rounds * 5
    assert await connection.fetchval("SELECT sum(requests)::int FROM usage_daily") == 4 * rounds * 5


def test_no_statement_deletes_usage() -> None:
    """Trap 16: rows leave with their month, and rollups stay."""
    root = Path(__file__).resolve().parents[2]
    texts = [path.read_text() for folder in ("aqueduct", "migrations") for path in (root / folder).rglob("*.py")]
    assert any("DROP TABLE usage.%I" in text for text in texts)
    found = [match for text in texts for match in re.findall(r"(?i)DELETE\s+FROM\s+usage\w*", text)]
    assert found == []


async def test_every_column_of_a_rollup_key_tells_rows_apart(connection: asyncpg.Connection, database_url: str) -> None:
    writer = await connect(database_url, application_name="test")
    await prepare(writer)
    at = datetime.now(UTC)
    ids = ("org_id", "team_id", "user_id", "service_account_id", "token_id", "deployment_id")
    batch = [entry(started_at=at)]
    batch += [entry(started_at=at, **{name: UUID(int=9)}) for name in ids]
    batch += [entry(started_at=at, **{name: "another"}) for name in ("model", "provider")]

    await write(writer, batch)
    await writer.close()

    assert await connection.fetchval("SELECT count(*) FROM usage_hourly") == len(batch)


@pytest.mark.parametrize("table", ["usage_hourly", "usage_daily"])
async def test_rollups_stay_when_a_month_of_rows_is_dropped(
    connection: asyncpg.Connection, database_url: str, table: str
) -> None:
    """Trap 16."""
    writer = await connect(database_url, application_name="test")
    await prepare(writer)
    await write(writer, [entry()])
    await writer.close()

    await connection.execute("SELECT usage.drop_partitions(now() + interval '40 days')")

    assert await connection.fetchval("SELECT count(*) FROM usage.requests") == 0
    assert await connection.fetchval(f"SELECT sum(requests)::int FROM {table}") == 1  # noqa: S608 - our own name


async def test_last_use_of_a_token_is_kept_to_the_minute_and_never_goes_back(
    connection: asyncpg.Connection, database_url: str
) -> None:
    org = await connection.fetchval("INSERT INTO orgs (slug, name) VALUES ('o', 'O') RETURNING id")
    team = await connection.fetchval("INSERT INTO teams (org_id, name) VALUES ($1, 't') RETURNING id", org)
    token = await connection.fetchval(
        "INSERT INTO tokens (name, prefix, sha256, team_id) VALUES ('t', 'aq_x', repeat('0', 64), $1) RETURNING id",
        team,
    )
    version = await connection.fetchval("SELECT version FROM catalog_version")
    now = datetime.now(UTC)
    writer = await connect(database_url, application_name="test")
    await prepare(writer)
    used = []
    for seconds in (0, 30, -600, 90):
        await write(writer, [entry(token_id=token, started_at=now + timedelta(seconds=seconds))])
        used.append(await connection.fetchval("SELECT last_used_at FROM tokens"))
    await writer.close()
    assert used == [now, now, now, now + timedelta(seconds=90)]
    assert await connection.fetchval("SELECT version FROM catalog_version") == version, (
        "nobody loads the catalog for it"
    )
