"""A real PostgreSQL for the tests: one server per version and run, one migrated database per test."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from aqueduct.db import migrate
from aqueduct.db.cluster import Cluster, major_version
from aqueduct.db.embedded import newest_programs

Insert = Callable[..., Awaitable[UUID]]

TEMPLATE = "aqueduct_template"
OPTIONS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=60")
MEMORY_BYTES = 2 * 1024**3
_numbers = itertools.count(1)


def _servers() -> dict[str, Path]:
    """Return the wheel's PostgreSQL, and the newest of the system's that is of another major version."""
    wheel = newest_programs()
    ours = major_version(wheel)
    system = {major_version(path.parent): path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")}
    others = [version for version in system if version != ours and version >= 15]
    return {f"pg{ours}": wheel} | {f"pg{version}": system[version] for version in sorted(others)[-1:]}


def _fast_folder() -> Path | None:
    """Return memory for the databases where there is enough of it, else None for the usual temporary folder."""
    memory = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
    return memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > MEMORY_BYTES else None


SERVERS = _servers()


@pytest.fixture(scope="session", params=list(SERVERS.values()), ids=list(SERVERS))
def postgres(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running server, with a template that holds the newest schema."""
    folder = Path(tempfile.mkdtemp(prefix="aqueduct-test-", dir=_fast_folder()))
    cluster = Cluster(request.param, folder / "postgres", options=OPTIONS)
    try:
        cluster.start()
        _execute(cluster, f"CREATE DATABASE {TEMPLATE}")
        asyncio.run(migrate.upgrade(cluster.database_url(TEMPLATE)))
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


@pytest.fixture
def database_url(postgres: Cluster) -> Iterator[str]:
    """The URL of a fresh database with the newest schema."""
    yield from _database(postgres, TEMPLATE)


@pytest.fixture
def empty_database_url(postgres: Cluster) -> Iterator[str]:
    """The URL of a fresh database without any table."""
    yield from _database(postgres, "template0")


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the fresh database."""
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


@pytest.fixture
def insert(connection: asyncpg.Connection) -> Insert:
    """Insert a row into a table and return its id: `await insert("orgs", slug="a", name="A")`."""

    async def insert(table: str, **values: object) -> UUID:
        columns = ", ".join(values)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        return await connection.fetchval(
            f"INSERT INTO {table} ({columns}) VALUES ({places}) RETURNING id",  # noqa: S608 - the test's own names
            *values.values(),
        )

    return insert


def _database(cluster: Cluster, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    _execute(cluster, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        yield cluster.database_url(name)
    finally:
        _execute(cluster, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(cluster: Cluster, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(cluster.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close(timeout=5)

    asyncio.run(run())
