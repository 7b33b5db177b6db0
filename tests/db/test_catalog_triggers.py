import asyncio

import asyncpg
import pytest

from aqueduct.db.base import Base
from aqueduct.db.names import CATALOG_CHANNEL

VERSION = "SELECT version FROM catalog_version"


async def _token(insert) -> None:
    org = await insert("orgs", slug="acme", name="Acme")
    team = await insert("teams", org_id=org, name="Research")
    await insert("tokens", team_id=team, name="ci", prefix="aq_x", sha256="0" * 64)


async def test_transaction_of_many_statements_bumps_and_notifies_once(connection, insert, database_url):
    listener = await asyncpg.connect(database_url)
    heard: list[str] = []
    await listener.add_listener(CATALOG_CHANNEL, lambda *arguments: heard.append(arguments[3]))
    before = await connection.fetchval(VERSION)
    async with connection.transaction():
        for number in range(5):
            await insert("providers", name=f"p{number}", adapter="echo")
    async with asyncio.timeout(5):
        while not heard:
            await listener.fetchval("SELECT 1")
    await listener.close()
    assert await connection.fetchval(VERSION) == before + 1
    assert heard == [str(before + 1)]


async def test_rolled_back_change_leaves_the_version(connection, insert):
    before = await connection.fetchval(VERSION)
    transaction = connection.transaction()
    await transaction.start()
    await insert("providers", name="p", adapter="echo")
    await transaction.rollback()
    assert await connection.fetchval(VERSION) == before


async def test_change_after_a_rolled_back_savepoint_still_bumps(connection, insert):
    before = await connection.fetchval(VERSION)
    async with connection.transaction():
        savepoint = connection.transaction()
        await savepoint.start()
        await insert("providers", name="p", adapter="echo")
        await savepoint.rollback()
        await insert("providers", name="q", adapter="echo")
    assert await connection.fetchval(VERSION) == before + 1


async def test_last_used_at_of_a_token_does_not_bump(connection, insert):
    await _token(insert)
    before = await connection.fetchval(VERSION)
    await connection.execute("UPDATE tokens SET last_used_at = now()")
    assert await connection.fetchval(VERSION) == before


async def test_every_other_column_of_a_token_bumps(connection, insert):
    await _token(insert)
    ignored = {"id", "created_at", "last_used_at"}
    for column in Base.metadata.tables["tokens"].columns:
        if column.name in ignored:
            continue
        before = await connection.fetchval(VERSION)
        await connection.execute(f"UPDATE tokens SET {column.name} = {column.name}")  # noqa: S608 - our own columns
        assert await connection.fetchval(VERSION) == before + 1, column.name


@pytest.mark.parametrize("mapper", Base.registry.mappers, ids=lambda mapper: mapper.local_table.name)
async def test_every_catalog_table_bumps_on_any_statement(connection, mapper):
    table = mapper.local_table.name
    for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):  # noqa: S608 - our own tables
        before = await connection.fetchval(VERSION)
        await connection.execute(statement)
        assert await connection.fetchval(VERSION) == before + 1, statement
