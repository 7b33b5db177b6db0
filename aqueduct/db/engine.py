"""SQLAlchemy's engine, for migrations and the command line; serving does not import it. Knows no tables."""

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from aqueduct.db.connections import COMMAND_TIMEOUT_S, DedicatedConnection, connect

POOL_TIMEOUT_S = 10.0


def create_engine(
    url: str, *, pool_size: int = 5, application_name: str = "aqueduct", command_timeout_s: float | None = None
) -> AsyncEngine:
    """Return an engine with at most `pool_size` connections; nothing is opened before the first use."""

    async def open_connection() -> DedicatedConnection:
        return await connect(
            url, application_name=application_name, command_timeout_s=command_timeout_s or COMMAND_TIMEOUT_S
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=open_connection,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,
    )
