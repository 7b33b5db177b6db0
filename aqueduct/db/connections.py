"""Connections to PostgreSQL: a bounded pool, and dedicated ones for LISTEN; knows no tables and no SQLAlchemy.

URLs are PostgreSQL's own (`postgresql://user@host/db?sslmode=require`), read by asyncpg, so that every libpq option
that it knows works the same for the pool, for a dedicated connection and for SQLAlchemy (`engine`).
"""

from typing import TypeAlias

import asyncpg

CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0

DedicatedConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


async def connect(
    url: str, *, application_name: str, command_timeout_s: float | None = COMMAND_TIMEOUT_S
) -> DedicatedConnection:
    """Open one dedicated connection; `command_timeout_s` None waits for ever, which migrations need."""
    return await asyncpg.connect(
        url,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=command_timeout_s,
        server_settings={"application_name": application_name, "timezone": "UTC"},
    )


async def create_pool(url: str, *, size: int, application_name: str) -> Pool:
    """Return a pool for queries that need no ORM; nothing is opened before the first use."""
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings={"application_name": application_name, "timezone": "UTC"},
    )
