import asyncio

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from aqueduct.db import engine as engine_module
from aqueduct.db.connections import connect
from aqueduct.db.engine import create_engine


async def test_engine_beyond_its_pool_size_waits_and_then_gives_up(database_url, monkeypatch):
    monkeypatch.setattr(engine_module, "POOL_TIMEOUT_S", 0.1)
    engine = create_engine(database_url, pool_size=1)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SHOW timezone"))).scalar_one() == "UTC"
        with pytest.raises(PoolTimeoutError):
            await engine.connect()
    await engine.dispose()


async def test_engine_after_the_server_cut_its_connection_opens_another(database_url, connection):
    engine = create_engine(database_url, pool_size=1, application_name="to be cut")
    async with engine.connect() as pooled:
        await pooled.execute(text("SELECT 1"))
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'to be cut'"
    )
    await asyncio.sleep(0.05)
    async with engine.connect() as pooled:
        assert (await pooled.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()


async def test_connect_with_a_command_timeout_ends_a_hanging_command(database_url):
    connection = await connect(database_url, application_name="test", command_timeout_s=0.1)
    with pytest.raises(TimeoutError):
        await connection.execute("SELECT pg_sleep(30)")
    await connection.close(timeout=5)


async def test_connect_to_a_database_that_does_not_exist_raises(database_url):
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await connect(database_url.replace("/test_", "/no_such_"), application_name="test")
