import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from aqueduct.auth.credentials import Refusal
from aqueduct.auth.tokens import hash_token
from aqueduct.catalog.loader import Loader
from aqueduct.catalog.snapshot import Snapshot
from aqueduct.catalog.watcher import Catalog

HASH = hash_token(b"the token")
RARELY_S = 60.0
OFTEN_S = 0.1


@pytest.fixture
async def catalog(database_url, loader) -> AsyncIterator[Catalog]:
    async with Catalog(database_url, loader, poll_s=RARELY_S) as catalog:
        yield catalog


async def _until(condition: Callable[[], bool], timeout_s: float = 10.0) -> float:
    begun = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the catalog tells nobody that it has swapped
            await asyncio.sleep(0.005)
    return time.monotonic() - begun


async def _token(insert) -> None:
    org = await insert("orgs", slug="acme", name="Acme")
    team = await insert("teams", org_id=org, name="research")
    await insert("tokens", team_id=team, name="t", prefix="aq_", sha256=HASH)


OURS = "FROM pg_stat_activity WHERE application_name = 'aqueduct catalog' AND datname = current_database()"
COUNT = f"SELECT count(*) {OURS}"
TERMINATE = f"SELECT pg_terminate_backend(pid) {OURS}"


async def test_catalog_within_a_second_knows_a_new_token_and_forgets_a_revoked_one(catalog, connection, insert):
    await _token(insert)
    assert await _until(lambda: catalog.current.principal(HASH) is not None) < 1.0
    await connection.execute("UPDATE tokens SET revoked_at = now()")
    assert await _until(lambda: catalog.current.principal(HASH) is None) < 1.0
    assert catalog.current.refusal(HASH) is Refusal.REVOKED


async def test_catalog_snapshot_held_by_a_request_does_not_change(catalog, insert):
    held = catalog.current
    await insert("models", name="gpt")
    await _until(lambda: catalog.current is not held)
    assert held.resolve("gpt") is None
    assert catalog.current.resolve("gpt") is not None
    assert catalog.current.version > held.version


async def test_catalog_without_notifications_sees_changes_by_its_poll(database_url, loader, connection, insert):
    await connection.execute("ALTER TABLE models DISABLE TRIGGER note_catalog_change")
    async with Catalog(database_url, loader, poll_s=OFTEN_S) as catalog:
        await insert("models", name="gpt")
        await connection.execute("UPDATE catalog_version SET version = version + 1")
        await _until(lambda: catalog.current.resolve("gpt") is not None)


async def test_catalog_whose_connection_was_cut_reconnects_and_catches_up(catalog, connection, insert):
    await connection.execute(TERMINATE)
    await insert("models", name="gpt")
    await _until(lambda: catalog.current.resolve("gpt") is not None)


async def test_catalog_that_cannot_load_keeps_the_last_good_snapshot_and_shows_its_age(
    database_url, loader, connection, insert
):
    await insert("models", name="gpt")
    async with Catalog(database_url, loader, poll_s=OFTEN_S) as catalog:
        assert catalog.staleness_s < 1
        await connection.execute("ALTER TABLE models RENAME TO elsewhere")
        await connection.execute("UPDATE catalog_version SET version = version + 1")
        await _until(lambda: catalog.failures >= 2 and catalog.staleness_s > 0.3)
        assert catalog.current.resolve("gpt") is not None
        await connection.execute("ALTER TABLE elsewhere RENAME TO models")
        await _until(lambda: catalog.staleness_s < 0.3)


async def test_catalog_under_a_burst_of_changes_loads_few_times(database_url, loader, connection, monkeypatch):
    loads = 0
    load = Loader.load

    async def counted(self: Loader, connection: asyncpg.Connection) -> Snapshot:
        nonlocal loads
        loads += 1
        return await load(self, connection)

    monkeypatch.setattr(Loader, "load", counted)
    async with Catalog(database_url, loader, poll_s=RARELY_S) as catalog:
        for number in range(40):
            await connection.execute("INSERT INTO models (name) VALUES ($1)", f"m{number}")
        await _until(lambda: catalog.current.resolve("m39") is not None)
    assert loads < 20


async def test_catalog_reports_each_refused_row_once(database_url, loader, insert, caplog):
    await insert("providers", name="bad", adapter="unheard-of")
    with caplog.at_level(logging.WARNING, logger="aqueduct.catalog"):
        async with Catalog(database_url, loader, poll_s=RARELY_S) as catalog:
            await insert("models", name="gpt")
            await _until(lambda: catalog.current.resolve("gpt") is not None)
    assert [record.getMessage() for record in caplog.records if "refused" in record.msg] == [
        "catalog_row_refused table=providers row=bad reason=unknown adapter type 'unheard-of'"
    ]


async def test_catalog_that_was_stopped_leaves_no_task_and_no_connection(database_url, loader, connection):
    async with Catalog(database_url, loader, poll_s=RARELY_S):
        pass
    assert [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    async with asyncio.timeout(5):
        while await connection.fetchval(COUNT):  # noqa: ASYNC110 - the server tells nobody either
            await asyncio.sleep(0.01)


async def test_catalog_without_tables_does_not_start(empty_database_url, loader):
    catalog = Catalog(empty_database_url, loader, poll_s=RARELY_S)
    with pytest.raises(asyncpg.UndefinedTableError):
        await catalog.start()
    with pytest.raises(RuntimeError, match="not been started"):
        _ = catalog.current
