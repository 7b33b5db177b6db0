"""The recorder while its database fails: rows are kept, written later, and never twice."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import pytest

from aqueduct.db.cluster import Cluster
from aqueduct.db.connections import DedicatedConnection
from aqueduct.observability.metrics import Metrics
from aqueduct.usage import recorder as recorder_module
from aqueduct.usage.recorder import Cell
from aqueduct.usage.segments import Entry
from tests.usage.recording import Build, Database, counted, ids, row, stored, until


async def holds(connection: asyncpg.Connection, count: int) -> bool:
    return len(await stored(connection)) == count


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


async def test_recorder_rows_that_are_there_in_part_are_counted_apart(
    recorder: Build, database_url: str, connection: asyncpg.Connection
) -> None:
    metrics = Metrics()
    rows = [row() for _ in range(5)]
    for batch in (rows[:3], rows):
        unit = recorder(Database(database_url), metrics)
        await unit.start()
        for one in batch:
            unit.put(one)
        await unit.aclose(5.0)
    assert await stored(connection) == ids(rows)
    assert (counted(metrics, "written"), counted(metrics, "duplicate")) == (5, 3)


@pytest.mark.parametrize(
    "poison",
    [
        {"requested_model": "a\0b"},
        {"requested_model": "\ud800"},
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


@pytest.mark.parametrize(
    "raw",
    ['{"a": 1e400000}', '{"a": 1e-400000}', '"\\u0000"', "{no json"],
    ids=["huge", "tiny", "NUL", "no JSON"],
)
async def test_recorder_row_whose_raw_usage_postgres_refuses_is_kept_without_it(
    recorder: Build, database_url: str, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture, raw: str
) -> None:
    metrics = Metrics()
    unit = recorder(Database(database_url), metrics)
    await unit.start()
    rows = [row(prompt_tokens=7) for _ in range(5)]
    odd = row(raw_usage=raw, prompt_tokens=7, violations=["first"])
    with caplog.at_level(logging.INFO):
        for one in [*rows, odd]:
            unit.put(one)
        await until(lambda: unit.waiting == 0)
        await unit.aclose(5.0)

    assert await stored(connection) == ids([*rows, odd])
    assert (counted(metrics, "written"), counted(metrics, "rejected")) == (6, 0)
    kept = await connection.fetchrow("SELECT * FROM usage.requests WHERE violations <> '{}'")
    assert (kept["raw_usage"], kept["violations"]) == (None, ["first", "raw usage left out"])
    assert await connection.fetchval("SELECT sum(prompt_tokens) FROM usage_daily") == 42
    assert not caplog.records


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


async def test_recorder_close_lets_go_of_the_journal_although_the_connection_does_not_close(
    recorder: Build, database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def hang(stuck: DedicatedConnection, *, timeout: float) -> None:  # noqa: ASYNC109 - as asyncpg has it
        del timeout
        stuck.terminate()
        raise TimeoutError

    unit = recorder(Database(database_url), Metrics())
    await unit.start()
    unit.put(row())
    await until(lambda: unit.waiting == 0)
    journal = unit._journal
    assert journal.folder is not None
    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "close", hang)
        await unit.aclose(5.0)

    assert journal.folder is None
    assert "usage_connection_not_closed" in caplog.text
