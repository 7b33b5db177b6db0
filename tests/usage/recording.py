"""Rows, connections and waits of the tests of the recorder."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from aqueduct.db.connections import DedicatedConnection, connect
from aqueduct.observability.metrics import Metrics
from aqueduct.usage.recorder import COLUMNS, Cell, Recorder, Row
from tests.usage.rows import request_cells


class Database:
    """Gives connections; the next ones may be told to fail or to lose the answer to a COMMIT."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.refusals = 0
        self.opened: list[DedicatedConnection] = []

    async def connect(self) -> DedicatedConnection:
        if self.refusals:
            self.refusals -= 1
            raise ConnectionRefusedError
        connection = await connect(self.url, application_name="test-usage")
        self.opened.append(connection)
        return connection


def row(**values: Cell) -> Row:
    cells = request_cells(**values)
    return tuple(cells.get(name) for name in COLUMNS)


Build = Callable[..., Recorder]


def ids(rows: list[Row]) -> list[UUID]:
    place = COLUMNS.index("id")
    found = [one[place] for one in rows]
    return sorted(UUID(value) for value in found if isinstance(value, str))


async def stored(connection: asyncpg.Connection) -> list[UUID]:
    return [found["id"] for found in await connection.fetch("SELECT id FROM usage.requests ORDER BY id")]


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.01)


def counted(metrics: Metrics, result: str) -> float:
    return metrics.registry.get_sample_value("aqueduct_usage_rows_total", {"result": result}) or 0.0
