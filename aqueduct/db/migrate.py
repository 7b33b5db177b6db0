"""Bring the schema to this release's revision, once among all replicas, and refuse to serve on another one."""

from collections.abc import MutableMapping
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from aqueduct.db import models, usage_tables, vault_tables
from aqueduct.db.base import metadata
from aqueduct.db.engine import create_engine
from aqueduct.db.names import USAGE_SCHEMA, VAULT_SCHEMA
from aqueduct.db.revision import MIGRATIONS, require

LOCK_KEY = 0x61717565_64756374
LOCK_TIMEOUT_S = 120
COMMAND_TIMEOUT_S = 3600.0

target_metadata = metadata
_TABLE_MODULES = (models, usage_tables, vault_tables)  # importing them fills the metadata


async def upgrade(url: str, revision: str = "head") -> str | None:
    """Apply all revisions up to `revision` in one transaction and return the revision reached.

    Replicas that start together wait for each other (at most `LOCK_TIMEOUT_S`); the later ones find nothing to do.
    """
    return await _run(url, revision, "upgrade")


async def downgrade(url: str, revision: str) -> str | None:
    """Undo revisions down to `revision` (`base`: all) in one transaction. Data of removed tables is lost."""
    return await _run(url, revision, "downgrade")


async def check_revision(engine: AsyncEngine) -> None:
    """Raise `SchemaMismatchError` unless the database is at this release's revision."""
    async with engine.connect() as connection:
        require(await connection.run_sync(_current_revision))


def include_name(
    name: str | None,
    kind: Literal["schema", "table", "column", "index", "unique_constraint", "foreign_key_constraint"],
    parents: MutableMapping[Literal["schema_name", "table_name", "schema_qualified_table_name"], str | None],
) -> bool:
    """Leave partitions and foreign schemas out when tables are compared with the metadata."""
    if kind == "schema":
        return name in {None, USAGE_SCHEMA, VAULT_SCHEMA}
    if kind == "table":
        return parents["schema_qualified_table_name"] in target_metadata.tables
    return True


async def _run(url: str, revision: str, direction: Literal["upgrade", "downgrade"]) -> str | None:
    engine = create_engine(url, pool_size=1, application_name="aqueduct migrate", command_timeout_s=COMMAND_TIMEOUT_S)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
            await connection.run_sync(_migrate, revision, direction)
            return await connection.run_sync(_current_revision)
    finally:
        await engine.dispose()


def _migrate(connection: Connection, revision: str, direction: Literal["upgrade", "downgrade"]) -> None:
    config = _config(connection)
    if direction == "upgrade":
        command.upgrade(config, revision)
        connection.execute(text("SELECT usage.ensure_partitions()"))
    else:
        command.downgrade(config, revision)


def _current_revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
