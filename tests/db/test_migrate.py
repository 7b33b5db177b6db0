import asyncio
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection, Table, text

from aqueduct.db import migrate
from aqueduct.db.engine import create_engine
from aqueduct.db.names import ATTEMPT_COLUMNS, COUNTERS, REQUEST_COLUMNS
from aqueduct.db.revision import MIGRATIONS, SchemaMismatchError, check_database, head_revision
from aqueduct.db.usage_tables import attempts, requests
from schemas.usage import Usage


def _difference(connection: Connection) -> list[object]:
    options = {
        "include_schemas": True,
        "include_name": migrate.include_name,
        "compare_type": True,
        "compare_server_default": True,
    }
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), migrate.target_metadata))


async def test_migrated_schema_compared_with_models_is_equal(database_url):
    engine = create_engine(database_url)
    async with engine.begin() as connection:
        assert await connection.run_sync(_difference) == []
        await connection.execute(text("ALTER TABLE orgs ADD COLUMN surprise text"))
        assert len(await connection.run_sync(_difference)) == 1, "the comparison sees nothing"
        await connection.rollback()
    await engine.dispose()


async def test_migrated_checks_compared_with_models_are_equal(connection):
    found = await connection.fetch(
        """SELECT conrelid::regclass::text AS name, conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
           WHERE contype = 'c' AND relnamespace = 'public'::regnamespace"""
    )
    assert {(row["name"], row["conname"]) for row in found} == {
        (table.name, constraint.name)
        for table in migrate.target_metadata.tables.values()
        for constraint in table.constraints
        if isinstance(table, Table) and isinstance(constraint, CheckConstraint)
    }


def test_usage_columns_compared_with_the_meter_vector_are_complete():
    places = len(COUNTERS)
    assert Usage.__struct_fields__[:places] == COUNTERS  # rows take them by place
    assert set(Usage.__struct_fields__[places:]) == {"prompt_tool_tokens", "service_tier", "source", "raw"}


def test_names_of_usage_columns_compared_with_the_tables_are_equal():
    assert tuple(column.name for column in requests.columns) == REQUEST_COLUMNS
    assert tuple(column.name for column in attempts.columns) == ATTEMPT_COLUMNS


def test_head_revision_compared_with_alembics_is_equal():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    revisions = list(ScriptDirectory.from_config(config).walk_revisions())
    assert head_revision() == revisions[0].revision
    assert [Path(one.path).name.partition("_")[0] for one in revisions] == [one.revision for one in revisions]


async def test_upgrade_from_several_replicas_at_once_migrates_once(empty_database_url):
    reached = await asyncio.gather(*(migrate.upgrade(empty_database_url) for _ in range(4)))
    assert set(reached) == {head_revision()}


async def test_downgrade_to_base_leaves_nothing(empty_database_url):
    await migrate.upgrade(empty_database_url)
    assert await migrate.downgrade(empty_database_url, "base") is None
    connection = await asyncpg.connect(empty_database_url)
    left = await connection.fetch(
        """SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
           WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND relkind IN ('r', 'p', 'S')
           UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"""
    )
    await connection.close()
    assert [row[0] for row in left] == ["alembic_version"]
    assert await migrate.upgrade(empty_database_url) == head_revision()


async def test_check_revision_of_an_empty_database_is_refused(empty_database_url):
    """Trap 25."""
    engine = create_engine(empty_database_url)
    with pytest.raises(SchemaMismatchError, match="run `aqueduct migrate`"):
        await migrate.check_revision(engine)
    with pytest.raises(SchemaMismatchError, match="run `aqueduct migrate`"):
        await check_database(empty_database_url)
    await engine.dispose()


async def test_check_revision_of_a_newer_database_is_refused(connection, database_url):
    engine = create_engine(database_url)
    await migrate.check_revision(engine)
    await check_database(database_url)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatchError) as caught:
        await migrate.check_revision(engine)
    assert caught.value.found == "9999"
    with pytest.raises(SchemaMismatchError) as caught:
        await check_database(database_url)
    assert caught.value.found == "9999"
    await engine.dispose()


async def test_public_tables_have_a_key_of_one_column(connection):
    """The administration ignores tables with a composite key, and finds no row of one without a key."""
    keys = await connection.fetch(
        """SELECT relname::text AS name, cardinality(conkey) AS columns FROM pg_class
           LEFT JOIN pg_constraint ON conrelid = pg_class.oid AND contype = 'p'
           WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"""
    )
    assert len(keys) > 10
    assert {row["name"]: row["columns"] for row in keys if row["columns"] != 1} == {}


COLUMNS_WITHOUT_DEFAULT = """SELECT table_schema || '.' || table_name, column_name FROM information_schema.columns
    WHERE table_schema IN ('public', 'usage', 'vault') AND is_nullable = 'NO' AND column_default IS NULL"""
COLUMNS = """SELECT table_schema || '.' || table_name, column_name FROM information_schema.columns
    WHERE table_schema IN ('public', 'usage', 'vault')"""


async def columns(url: str, query: str) -> set[tuple[str, str]]:
    connection = await asyncpg.connect(url)
    found = {(row[0], row[1]) for row in await connection.fetch(query)}
    await connection.close()
    return found


async def test_newest_revision_lets_the_release_before_it_write_on(empty_database_url):
    """Trap 25: what the release before reads is still there, and what it writes needs no column unknown to it."""
    await migrate.upgrade(empty_database_url)
    await migrate.downgrade(empty_database_url, "-1")
    before, demanded = [await columns(empty_database_url, query) for query in (COLUMNS, COLUMNS_WITHOUT_DEFAULT)]
    await migrate.upgrade(empty_database_url)
    after, demanded_now = [await columns(empty_database_url, query) for query in (COLUMNS, COLUMNS_WITHOUT_DEFAULT)]
    tables = {table for table, _ in before}
    assert before - after == set()
    assert {(table, column) for table, column in demanded_now - demanded if table in tables} == set()


async def test_models_without_a_choice_have_their_answers_checked_and_can_turn_it_off(empty_database_url):
    """Null meant `off` before revision 0016; it is the default now, and a downgrade reads `off` as null again."""
    await migrate.upgrade(empty_database_url, "0015")
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("INSERT INTO models (name, schema_check) VALUES ('none', NULL), ('repaired', 'repair')")
    await migrate.upgrade(empty_database_url)
    await connection.execute("INSERT INTO models (name) VALUES ('new')")
    await connection.execute("INSERT INTO models (name, schema_check) VALUES ('turned-off', 'off')")
    query = "SELECT name, schema_check FROM models"
    assert dict(await connection.fetch(query)) == {
        "none": "report",
        "repaired": "repair",
        "new": "report",
        "turned-off": "off",
    }
    await migrate.downgrade(empty_database_url, "0015")
    assert dict(await connection.fetch(query))["turned-off"] is None
    await connection.close()


PARTITIONED = ("attempts", "requests")
USAGE_ROW = """INSERT INTO usage.requests (id, started_at, duration_ms, endpoint, operation, streamed, status, attempts)
               VALUES (gen_random_uuid(), $1::text::timestamptz, 1, '/v1/x', 'chat', false, 200, 1)"""


async def test_ensure_partitions_twice_makes_months_once(connection):
    ensure = "SELECT usage.ensure_partitions('2031-11-30 23:59:59+00', '2032-01-01 00:00:00+00')"
    assert await connection.fetchval(ensure) == 3 * len(PARTITIONED)
    assert await connection.fetchval(ensure) == 0


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
async def test_ensure_partitions_in_any_time_zone_splits_at_utc_midnight(connection, zone):
    await connection.execute(f"SET timezone = '{zone}'")
    await connection.execute("SELECT usage.ensure_partitions('2031-02-10 12:00+00', '2031-03-10 12:00+00')")
    await connection.execute(USAGE_ROW, "2031-02-28 23:59:59.999+00")
    await connection.execute(USAGE_ROW, "2031-03-01 00:00:00+00")
    assert await connection.fetchval("SELECT count(*) FROM usage.requests_2031_02") == 1
    assert await connection.fetchval("SELECT count(*) FROM usage.requests_2031_03") == 1


async def test_ensure_partitions_beside_an_open_writer_does_not_wait(connection, database_url):
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute(USAGE_ROW, "now")
        made = await connection.fetchval("SELECT usage.ensure_partitions('2033-01-01+00', '2033-01-02+00')", timeout=5)
    await other.close()
    assert made == len(PARTITIONED)


async def test_migrated_database_takes_usage_of_this_and_next_month(connection):
    await connection.execute(USAGE_ROW, "now")
    month = await connection.fetchval("SELECT (now() + interval '1 month')::text")
    await connection.execute(USAGE_ROW, month)
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(USAGE_ROW, "2001-01-01")


async def test_drop_partitions_drops_whole_months_that_ended_before(connection):
    """Trap 16: raw usage leaves by the month, never by DELETE."""
    await connection.execute("SELECT usage.ensure_partitions('2024-01-10 12:00+00', '2024-04-10 12:00+00')")
    await connection.execute(USAGE_ROW, "2024-02-29 23:59:59.999+00")
    await connection.execute(USAGE_ROW, "2024-03-01 00:00:00+00")

    dropped = await connection.fetchval("SELECT usage.drop_partitions('2024-03-31 23:00+00')")

    assert dropped == 2 * len(PARTITIONED)
    assert await connection.fetchval("SELECT count(*) FROM usage.requests") == 1
    assert await connection.fetchval("SELECT to_regclass('usage.attempts_2024_02')") is None
    assert await connection.fetchval("SELECT to_regclass('usage.requests_2024_03')") is not None
    assert await connection.fetchval("SELECT usage.drop_partitions('2024-03-31 23:00+00')") == 0
