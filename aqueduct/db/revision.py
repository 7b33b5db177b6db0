"""Which schema this release needs and which one a database has; runs no migration and knows no SQLAlchemy."""

from pathlib import Path
from typing import Final

import aqueduct
from aqueduct.db.connections import DedicatedConnection, connect

MIGRATIONS: Final = Path(aqueduct.__file__).parent.parent / "migrations"


class SchemaMismatchError(RuntimeError):
    """The database's revision is not the one that this release was written for."""

    def __init__(self, found: str | None, expected: str) -> None:
        super().__init__(
            f"the database is at schema revision {found or 'none'}, this release needs {expected}:"
            " run `aqueduct migrate` with the same release"
        )
        self.found = found
        self.expected = expected


def head_revision() -> str:
    """Return the revision that this release was written for: files are named after theirs, one behind the other."""
    names = [path.name for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py")]
    if not names:
        raise RuntimeError("the distribution lacks its migrations")
    return max(names).partition("_")[0]


def require(found: str | None) -> None:
    """Raise `SchemaMismatchError` unless `found` is this release's revision."""
    if found != (expected := head_revision()):
        raise SchemaMismatchError(found, expected)


async def check_database(url: str) -> None:
    """Raise `SchemaMismatchError` unless the database at `url` is at this release's revision."""
    connection = await connect(url, application_name="aqueduct serve")
    try:
        require(await _current(connection))
    finally:
        await connection.close()


async def _current(connection: DedicatedConnection) -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return found
