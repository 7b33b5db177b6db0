"""Rows of a command's database, read past the command."""

import asyncio

import asyncpg


def fetch(url: str, query: str) -> list[asyncpg.Record]:
    """Rows of the database, as another program reads them."""

    async def read() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetch(query)
        finally:
            await connection.close(timeout=5)

    return asyncio.run(read())
