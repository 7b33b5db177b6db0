"""The recorder on a real PostgreSQL: each row once, in partitions that it makes, folds and drops."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from aqueduct.db.connections import DedicatedConnection, connect
from aqueduct.observability.metrics import Metrics
from aqueduct.usage import recorder as recorder_module
from aqueduct.usage.journal import Journal
from aqueduct.usage.recorder import JOURNAL_COLUMNS, Recorder
from tests.usage.recording import Build, Database, counted, ids, row, stored, until


async def test_recorder_writes_each_row_once(
    recorder: Build, database_url: str, connection: asyncpg.Connection
) -> None:
    metrics = Metrics()
    unit = recorder(Database(database_url), metrics)
    await unit.start()
    rows = [row() for _ in range(250)]

    for one in rows:
        unit.put(one)
    await until(lambda: unit.waiting == 0)
    await unit.aclose(5.0)

    assert await stored(connection) == ids(rows)
    assert counted(metrics, "written") == 250


async def test_recorder_close_writes_what_still_waits(
    recorder: Build, database_url: str, connection: asyncpg.Connection
) -> None:
    unit = recorder(Database(database_url), Metrics(), flush_s=60.0, flush_rows=10_000)
    await unit.start()
    rows = [row() for _ in range(2500)]
    for one in rows:
        unit.put(one)

    await unit.aclose(10.0)

    assert await stored(connection) == ids(rows)


async def test_recorder_makes_the_partitions_it_needs(
    recorder: Build, database_url: str, connection: asyncpg.Connection
) -> None:
    partitions = await connection.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'usage.requests'::regclass"
    )
    for found in partitions:
        await connection.execute(f"DROP TABLE {found['name']}")
    unit = recorder(Database(database_url), Metrics())
    rows = [row()]
    await unit.start()
    unit.put(rows[0])
    await unit.aclose(5.0)

    assert await stored(connection) == ids(rows)


async def test_recorder_folds_the_days_that_are_over(
    recorder: Build, database_url: str, connection: asyncpg.Connection
) -> None:
    await connection.execute("SELECT usage.ensure_partitions(now() - interval '2 months')")
    unit = recorder(Database(database_url), Metrics())
    await unit.start()
    for back in (40, 20, 20, 3, 0):
        unit.put(row(user_id=str(UUID(int=back + 1)), started_at=datetime.now(UTC) - timedelta(days=back)))

    async def are_folded() -> bool:
        return bool(
            await connection.fetchval(
                "SELECT count(*) = 1 FROM usage_ranked_until"
                " WHERE until = (now() AT TIME ZONE 'UTC' - interval '1 hour')::date - 1"
            )
        )

    await until(are_folded, 30.0)
    await until(lambda: unit.waiting == 0)
    await unit.aclose(5.0)
    users = await connection.fetch(
        "SELECT user_id, sum(requests)::int FROM usage_ranked WHERE kind = 'user_month' GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(found) for found in users] == [(UUID(int=4), 1), (UUID(int=21), 2), (UUID(int=41), 1)]


async def test_recorder_settles_a_journal_for_longer_than_other_commands_may_take(
    recorder: Build, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient(Database):
        async def connect(self) -> DedicatedConnection:
            return await connect(self.url, application_name="test-usage", command_timeout_s=2.0)

    monkeypatch.setattr(recorder_module, "SETTLE_JOURNAL", "SELECT $1::text, pg_sleep(3)")
    left = Journal(tmp_path / "journal", JOURNAL_COLUMNS, max_bytes=10**9, now=time.time)
    left.start()
    folder = left.folder
    assert folder is not None
    one = row()
    left.closed(str(one[0]), one)
    await left.aclose()
    assert folder.exists()
    unit = recorder(Impatient(database_url), Metrics())

    await unit.start()

    await until(lambda: not folder.exists(), 20.0)
    await unit.aclose(5.0)


async def test_recorder_row_that_waited_for_months_gets_its_partition(
    recorder: Build, database_url: str, connection: asyncpg.Connection
) -> None:
    unit = recorder(Database(database_url), Metrics())
    await unit.start()
    rows = [row(started_at=datetime.now(UTC) - timedelta(days=120)), row()]
    for one in rows:
        unit.put(one)

    await until(lambda: unit.waiting == 0)
    await unit.aclose(5.0)

    assert await stored(connection) == ids(rows)


async def test_recorder_drops_months_that_are_older_than_what_is_kept(
    tmp_path: Path, database_url: str, connection: asyncpg.Connection
) -> None:
    await connection.execute("SELECT usage.ensure_partitions(now() - interval '200 days', now())")
    journal = Journal(tmp_path, JOURNAL_COLUMNS, max_bytes=10**9, now=time.time)
    unit = Recorder(Database(database_url), Metrics(), journal, flush_s=0.02, flush_rows=1, keep_days=70)
    await unit.start()
    unit.put(row())
    await until(lambda: unit.waiting == 0)
    await unit.aclose(5.0)

    oldest = await connection.fetchval(
        "SELECT min(right(inhrelid::regclass::text, 7)) FROM pg_inherits WHERE inhparent = 'usage.requests'::regclass"
    )
    assert oldest == f"{datetime.now(UTC) - timedelta(days=70):%Y_%m}"


async def test_recorder_is_full_at_its_bound_and_still_takes_requests_in_work(recorder: Build) -> None:
    """Trap 7: beyond the bound nothing is dropped; new work is refused instead."""
    database = Database("postgresql://nowhere.invalid/x")
    database.refusals = 10**6
    unit = recorder(database, Metrics(), max_bytes=3000)
    await unit.start()

    fullness = []
    for _ in range(40):
        fullness.append(unit.is_full)
        unit.put(row())

    assert (fullness[0], fullness[-1]) == (False, True)
    assert fullness == sorted(fullness)
    assert unit.waiting == 40
    await unit.aclose(0.1)
