"""Alembic revisions; applied by `aqueduct.db.migrate`."""
