"""The recorder on a real PostgreSQL: each row once, whatever happens to the database in between."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from aqueduct.db.cluster import Cluster
from aqueduct.db.connections import DedicatedConnection, connect
from aqueduct.ids import RequestIds
from aqueduct.observability.metrics import Metrics
from aqueduct.usage import recorder as recorder_module
from aqueduct.usage.journal import Journal
from aqueduct.usage.recorder import COLUMNS, JOURNAL_COLUMNS, Cell, Recorder, Row
from aqueduct.usage.segments import Entry

new_id = RequestIds()


class Database:
    """Gives connections; the next ones may be told to fail or to lose the answer to a COMMIT."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.refusals = 0
        self.opened: list[DedicatedConnection] = []

    async def connect(self) -> DedicatedConnection:
        if self.refusals:
            self.refusals -= 1
            raise ConnectionRefusedError
        connection = await connect(self.url, application_name="test-usage")
        self.opened.append(connection)
        return connection


def row(**values: Cell) -> Row:
    cells: dict[str, Cell] = {
        "id": new_id(),
        "started_at": datetime.now(UTC),
        "duration_ms": 5,
        "endpoint": "/v1/chat/completions",
        "operation": "chat",
        "streamed": False,
        "status": 200,
        "attempts": 1,
        "violations": [],
        "dropped_params": [],
    }
    cells |= values
    return tuple(cells.get(name) for name in COLUMNS)


Build = Callable[..., Recorder]


@pytest.fixture
def recorder(tmp_path: Path) -> Build:
    def build(
        database: Database,
        metrics: Metrics,
        *,
        max_bytes: int = 10**9,
        flush_s: float = 0.02,
        flush_rows: int = 100,
    ) -> Recorder:
        journal = Journal(tmp_path / "journal", JOURNAL_COLUMNS, max_bytes=max_bytes, now=time.time)
        return Recorder(database, metrics, journal, flush_s=flush_s, flush_rows=flush_rows)

    return build


def ids(rows: list[Row]) -> list[UUID]:
    place = COLUMNS.index("id")
    found = [one[place] for one in rows]
    return sorted(UUID(value) for value in found if isinstance(value, str))


async def stored(connection: asyncpg.Connection) -> list[UUID]:
    return [found["id"] for found in await connection.fetch("SELECT id FROM usage.requests ORDER BY id")]


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.01)


async def holds(connection: asyncpg.Connection, count: int) -> bool:
    return len(await stored(connection)) == count


def counted(metrics: Metrics, result: str) -> float:
    return metrics.registry.get_sample_value("aqueduct_usage_rows_total", {"result": result}) or 0.0


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


async def test_recorder_database_unreachable_at_first_keeps_rows_and_writes_them_later(
    recorder: Build, database_url: str, connection: asyncpg.Connection
) -> None:
    database = Database(database_url)
    database.refusals = 3
    unit = recorder(database, Metrics())
    await unit.start()
    rows = [row()]

    unit.put(rows[0])
    await until(lambda: unit.waiting == 0)
    await unit.aclose(5.0)

    assert await stored(connection) == ids(rows)


async def test_recorder_connection_lost_between_batches_is_replaced(
    recorder: Build, database_url: str, connection: asyncpg.Connection
) -> None:
    database = Database(database_url)
    unit = recorder(database, Metrics())
    await unit.start()
    rows = [row(), row()]
    unit.put(rows[0])
    await until(lambda: unit.waiting == 0)

    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test-usage'"
    )
    unit.put(rows[1])
    await until(lambda: unit.waiting == 0)
    await unit.aclose(5.0)

    assert await stored(connection) == ids(rows)
    assert len(database.opened) == 2


async def test_recorder_answer_to_commit_lost_does_not_double_rows(
    recorder: Build, database_url: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics()
    real, lost = recorder_module._write, []

    async def write(connection: DedicatedConnection, batch: list[Entry]) -> int:
        written = await real(connection, batch)
        if not lost:
            lost.append(written)
            connection.terminate()
            raise asyncpg.ConnectionDoesNotExistError
        return written

    monkeypatch.setattr(recorder_module, "_write", write)
    unit = recorder(Database(database_url), metrics)
    await unit.start()
    rows = [row() for _ in range(5)]

    for one in rows:
        unit.put(one)
    await until(lambda: unit.waiting == 0)
    await unit.aclose(5.0)

    assert await stored(connection) == ids(rows)
    assert (counted(metrics, "written"), counted(metrics, "duplicate")) == (0, 5)


@pytest.mark.parametrize(
    "poison",
    [
        {"requested_model": "a\0b"},
        {"requested_model": "\ud800"},
        {"raw_usage": "{no json"},
        {"raw_usage": '"\\u0000"'},
        {"prompt_tokens": 2**40},
        {"status": "two hundred"},
        {"endpoint": None},
        {"started_at": datetime(1990, 1, 1, tzinfo=UTC)},
        {"id": "no uuid"},
    ],
    ids=lambda cells: next(iter(cells)),
)
async def test_recorder_row_that_postgres_refuses_is_rejected_and_holds_up_no_other(
    recorder: Build,
    database_url: str,
    connection: asyncpg.Connection,
    caplog: pytest.LogCaptureFixture,
    poison: dict[str, Cell],
) -> None:
    metrics = Metrics()
    unit = recorder(Database(database_url), metrics)
    await unit.start()
    rows = [row() for _ in range(40)]
    for one in rows[:17]:
        unit.put(one)
    with caplog.at_level(logging.INFO):
        unit.put(row(**poison, client_user="a-secret-text"))
        for one in rows[17:]:
            unit.put(one)
        await until(lambda: unit.waiting == 0)
        await unit.aclose(5.0)

    assert await stored(connection) == ids(rows)
    assert (counted(metrics, "written"), counted(metrics, "rejected")) == (40, 1)
    assert [record.getMessage().partition(" ")[0] for record in caplog.records] == ["usage_row_rejected"]
    assert "a-secret-text" not in caplog.text
    assert "no json" not in caplog.text


async def test_recorder_fault_of_another_kind_loses_nothing(
    recorder: Build, database_url: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect in the writer is not the rows' fault: its task lives on and tries again."""
    real, failures = recorder_module._write, [RuntimeError("one"), asyncpg.InsufficientPrivilegeError("two")]

    async def write(connection: DedicatedConnection, batch: list[Entry]) -> int:
        if failures:
            raise failures.pop()
        return await real(connection, batch)

    monkeypatch.setattr(recorder_module, "_write", write)
    unit = recorder(Database(database_url), Metrics())
    await unit.start()
    rows = [row()]
    unit.put(rows[0])
    await until(lambda: unit.waiting == 0)
    await unit.aclose(5.0)

    assert await stored(connection) == ids(rows)


async def test_recorder_writes_by_fewer_where_the_database_takes_too_long_for_many(
    recorder: Build, database_url: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "BATCH_ROWS", 200)
    monkeypatch.setattr(recorder_module, "MIN_BATCH_ROWS", 40)
    real, tried = recorder_module._write, list[int]()

    async def write(to: DedicatedConnection, batch: Sequence[Entry]) -> int:
        tried.append(len(batch))
        if len(batch) > 60:
            raise TimeoutError
        return await real(to, batch)

    monkeypatch.setattr(recorder_module, "_write", write)
    unit = recorder(Database(database_url), Metrics(), flush_rows=300)
    rows = [row() for _ in range(300)]
    await unit.start()
    for one in rows:
        unit.put(one)
    await until(lambda: unit.waiting == 0, 30.0)
    await unit.aclose(5.0)

    assert tried[:4] == [200, 100, 50, 90], "more again once it goes well"
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


async def test_recorder_close_without_database_ends_in_time_and_leaves_rows_for_the_next_start(
    recorder: Build, database_url: str, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Trap 6: a process that is stopped while the database is away loses nothing."""
    database = Database(database_url)
    database.refusals = 10**6
    unit = recorder(database, Metrics())
    await unit.start()
    rows = [row(), row()]
    for one in rows:
        unit.put(one)

    begun = asyncio.get_running_loop().time()
    await unit.aclose(0.3)

    assert asyncio.get_running_loop().time() - begun < 2.0
    assert "usage_rows_left_in_journal rows=2" in caplog.text
    assert "usage_rows_lost" not in caplog.text
    following = recorder(Database(database_url), Metrics())
    await following.start()
    await until(lambda: holds(connection, 2))
    await following.aclose(5.0)
    assert await stored(connection) == ids(rows)


async def test_recorder_survives_a_database_that_stops_and_starts(
    recorder: Build, database_url: str, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MAX_PAUSE_S", 0.2)
    unit = recorder(Database(database_url), Metrics())
    await unit.start()
    rows = [row() for _ in range(20)]
    for one in rows[:10]:
        unit.put(one)
    await until(lambda: unit.waiting == 0)

    await asyncio.to_thread(postgres.stop)
    for one in rows[10:]:
        unit.put(one)
    await asyncio.sleep(0.3)
    assert unit.waiting == 10
    await asyncio.to_thread(postgres.start)
    await until(lambda: unit.waiting == 0, 20.0)
    await unit.aclose(5.0)

    connection = await asyncpg.connect(database_url)
    try:
        assert await stored(connection) == ids(rows)
    finally:
        await connection.close()
