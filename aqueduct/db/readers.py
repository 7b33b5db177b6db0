"""A few connections for reports, opened when somebody first asks; knows no tables."""

import asyncio
from typing import Final

import asyncpg

from aqueduct.db.connections import Pool, create_pool

READERS: Final = 2
WAIT_S: Final = 10.0


class ReadersBusyError(Exception):
    """The database is out of reach, or all connections for reports are taken."""


class Readers:
    """Runs the queries of ordinary handlers, at most `READERS` at a time, so that none can starve the hot path."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: Pool | None = None
        self._lock = asyncio.Lock()

    async def fetch(self, query: str, *args: object) -> "list[asyncpg.Record]":
        """Return the rows of a query; raises `ReadersBusyError` where that is not possible now."""
        try:
            async with asyncio.timeout(WAIT_S):
                pool = await self._opened()
                return await pool.fetch(query, *args)
        except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
            raise ReadersBusyError(type(error).__name__) from error

    async def aclose(self) -> None:
        """Close what is open."""
        if self._pool is not None:
            self._pool.terminate()

    async def _opened(self) -> Pool:
        async with self._lock:
            if self._pool is None:
                self._pool = await create_pool(self._url, size=READERS, application_name="aqueduct-reports")
            return self._pool
