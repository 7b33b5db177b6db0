"""Writes usage rows in batches: bounded in memory, retried until PostgreSQL has them, each row once.

`put` is synchronous, so that a request's end records it whatever happens to the request's task. Rows are removed from
memory only after their transaction has committed; a batch that was committed without our hearing of it is not doubled,
because the key is the server's request id. A row that PostgreSQL refuses for itself is counted as `rejected` and named
in the log by its request id, so that it does not hold up the others.
"""

import asyncio
import itertools
import logging
from collections import deque
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

import asyncpg

from aqueduct.db.engine import DedicatedConnection
from aqueduct.db.usage_tables import requests
from aqueduct.observability.metrics import Metrics

COLUMNS: Final = tuple(column.name for column in requests.columns)
Cell = UUID | datetime | int | float | bool | str | list[str] | None
Row = tuple[Cell, ...]
"""One usage row in the order of `COLUMNS`."""
BATCH_ROWS: Final = 1000
MAX_PAUSE_S: Final = 5.0
WRITE_TIMEOUT_S: Final = 30.0
PARTITIONS_EVERY_S: Final = 86_400.0
_STAGE: Final = "CREATE TEMP TABLE usage_stage (LIKE usage.requests INCLUDING DEFAULTS) ON COMMIT DROP"
_INSERT: Final = (
    f"INSERT INTO usage.requests ({', '.join(COLUMNS)}) SELECT {', '.join(COLUMNS)} FROM usage_stage "  # noqa: S608 - the columns are constants
    "ON CONFLICT DO NOTHING"
)
ROW_FAULTS: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ArithmeticError,
    TypeError,
    ValueError,
)
"""What one row can cause when it is written, in PostgreSQL or on the way there; anything else is tried again."""
_ID: Final = COLUMNS.index("id")
logger = logging.getLogger("aqueduct.usage")


class Connections(Protocol):
    """Where the recorder gets its one connection from."""

    async def connect(self) -> DedicatedConnection:
        """Return a new connection, which the recorder owns."""
        ...


class Recorder:
    """The one writer of usage rows in a process. `max_rows` bounds what waits for the database."""

    def __init__(
        self, connections: Connections, metrics: Metrics, *, flush_s: float, flush_rows: int, max_rows: int
    ) -> None:
        self._connections = connections
        self._metrics = metrics
        self._flush_s = flush_s
        self._flush_rows = flush_rows
        self._max_rows = max_rows
        self._rows: deque[Row] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._connection: DedicatedConnection | None = None
        self._partitions_due = 0.0
        self._batch_rows = BATCH_ROWS
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Rows that are not in the database yet."""
        return len(self._rows)

    @property
    def is_full(self) -> bool:
        """Whether new work must be refused, because its usage could not be kept."""
        return len(self._rows) >= self._max_rows

    def put(self, row: Row) -> None:
        """Take one row. Requests in work are always taken; `is_full` keeps new ones out."""
        self._rows.append(row)
        if len(self._rows) >= self._flush_rows:
            self._wake.set()

    async def start(self) -> None:
        """Start writing."""
        self._task = asyncio.create_task(self._run(), name="usage-recorder")

    async def aclose(self, timeout_s: float) -> None:
        """Write what is left within `timeout_s`, then stop; what cannot be written is said in the log."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._task
            except TimeoutError:
                logger.critical("usage_rows_lost rows=%d", len(self._rows))
        if self._connection is not None:
            await self._connection.close(timeout=5.0)

    async def _run(self) -> None:
        pause_s = 0.1
        while self._rows or not self._stopping:
            try:
                async with asyncio.timeout(self._flush_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                while self._rows:
                    await self._write_batch()
                pause_s = 0.1
            except Exception as error:  # noqa: BLE001 - the boundary of the recorder: whatever it is, rows are kept
                logger.warning("usage_write_failed error=%s rows=%d", type(error).__name__, len(self._rows))
                await self._drop_connection()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, MAX_PAUSE_S)
                if self._stopping:
                    self._wake.set()
            self._metrics.spool_records.set(len(self._rows))

    async def _write_batch(self) -> None:
        batch = list(itertools.islice(self._rows, self._batch_rows))
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            connection = await self._connected()
            try:
                written = await _write(connection, batch)
            except ROW_FAULTS as error:
                self._narrow_down(batch, error)
                return
        self._batch_rows = min(self._batch_rows * 2, BATCH_ROWS)
        for _ in batch:
            self._rows.popleft()
        self._metrics.rows("written", written)
        if written < len(batch):
            self._metrics.rows("duplicate", len(batch) - written)

    def _narrow_down(self, batch: list[Row], error: Exception) -> None:
        """Halve the batch until the row that PostgreSQL does not take stands alone, and reject that one."""
        if len(batch) > 1:
            self._batch_rows = len(batch) // 2
            return
        row = self._rows.popleft()
        self._metrics.rows("rejected", 1)
        logger.error("usage_row_rejected request_id=%s error=%s", row[_ID], type(error).__name__)

    async def _connected(self) -> DedicatedConnection:
        """Return the connection; partitions are made ahead whenever it is new, and once a day."""
        now = asyncio.get_running_loop().time()
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connections.connect()
            self._partitions_due = now
        if now >= self._partitions_due:
            await self._connection.execute("SELECT usage.ensure_partitions()")
            self._partitions_due = now + PARTITIONS_EVERY_S
        return self._connection

    async def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


async def _write(connection: DedicatedConnection, batch: list[Row]) -> int:
    """Write rows in one transaction; returns how many were new."""
    async with connection.transaction():
        await connection.execute(_STAGE)
        await connection.copy_records_to_table("usage_stage", records=batch, columns=COLUMNS)
        status = await connection.execute(_INSERT)
    return int(status.rsplit(" ", 1)[1])
