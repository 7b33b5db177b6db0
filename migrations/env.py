"""Alembic's entry: runs revisions on the connection that `aqueduct.db.migrate` hands in."""

from typing import cast

from alembic import context
from sqlalchemy import Connection

from aqueduct.db.migrate import include_name, target_metadata


def run() -> None:
    """Apply the revisions that Alembic chose, inside the caller's transaction."""
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("run migrations with `aqueduct migrate`")
    context.configure(
        connection=cast("Connection", connection),
        target_metadata=target_metadata,
        include_schemas=True,
        include_name=include_name,
    )
    context.run_migrations()


run()
