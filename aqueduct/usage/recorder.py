"""Writes usage rows from the journal to PostgreSQL in batches, retried until they are there, each row once.

`put` is synchronous, so that a request's end records it whatever happens to the request's task. Rows leave the journal
only after their transaction has committed; a batch that was committed without our hearing of it is not doubled,
because the key is the server's request id. A row that PostgreSQL refuses for itself is written without the provider's
raw usage, a number of which may be too large for `jsonb`. Where that does not help, it is counted as `rejected` and
named in the log by its request id, so that it does not hold up the others. Journals of processes that have ended are
taken over at the start and every `ADOPT_EVERY_S`.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import asyncpg

from aqueduct.db.connections import DedicatedConnection
from aqueduct.observability.metrics import Metrics
from aqueduct.tasks import ended
from aqueduct.usage.batches import SLICE_ROWS
from aqueduct.usage.fold import FOLD_TIMEOUT_S, fold_day
from aqueduct.usage.journal import Journal
from aqueduct.usage.orphans import orphans
from aqueduct.usage.segments import Cell, Entry, Row
from aqueduct.usage.store import COLUMNS, JOURNAL_COLUMNS, LOCK_ROLLUPS, SETTLE_JOURNAL, prepare
from aqueduct.usage.store import write as _write

__all__ = ["COLUMNS", "JOURNAL_COLUMNS", "Cell", "Connections", "Recorder", "Row"]

BATCH_ROWS: Final = 16_000
"""At most so many requests in a transaction: where many wait, a rollup's row is then added to for many at once."""
MIN_BATCH_ROWS: Final = 500
"""A batch that was not written in time is tried again by halves, down to this; after each that was, by so many more:
were it doubled, every second batch of a slow database would be tried in vain for `WRITE_TIMEOUT_S`."""
MAX_PAUSE_S: Final = 5.0
WRITE_TIMEOUT_S: Final = 30.0
CLOSE_TIMEOUT_S: Final = 5.0
SETTLE_TIMEOUT_S: Final = 300.0
"""Settling reads the rows of a whole process's life: longer than a connection gives its other commands."""
ADOPT_EVERY_S: Final = 10.0
FOLD_EVERY_S: Final = 600.0
PARTITIONS_EVERY_S: Final = 86_400.0
PARTITIONS_AGAIN_S: Final = 600.0
MAX_AGE: Final = timedelta(days=400)
"""A row that waited longer than this in a journal is rejected: its months are not made again."""
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
_STARTED_AT: Final = COLUMNS.index("started_at")
_RAW_USAGE: Final = COLUMNS.index("raw_usage")
_VIOLATIONS: Final = COLUMNS.index("violations")
logger = logging.getLogger("aqueduct.usage")


class Connections(Protocol):
    """Where the recorder gets its one connection from."""

    async def connect(self) -> DedicatedConnection:
        """Return a new connection, which the recorder owns."""
        ...


class Recorder:
    """The one writer of usage rows in a process."""

    def __init__(
        self,
        connections: Connections,
        metrics: Metrics,
        journal: Journal,
        *,
        flush_s: float,
        flush_rows: int,
        keep_days: int | None = None,
    ) -> None:
        """Raw rows are kept for `keep_days`, None: for ever."""
        self._connections = connections
        self._metrics = metrics
        self._journal = journal
        self.syncs_always: Final = journal.sync_always
        """Whether what is noted must survive a power cut before the request goes on: see `durable`."""
        self._flush_s = flush_s
        self._flush_rows = flush_rows
        self._wake = asyncio.Event()
        self._stopping = False
        self._connection: DedicatedConnection | None = None
        self._keep = None if keep_days is None else timedelta(days=keep_days)
        self._batch_rows = BATCH_ROWS
        self._partitions_due = 0.0
        self._adopt_due = 0.0
        self._fold_due = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Rows that are not in the database yet."""
        return self._journal.waiting

    @property
    def oldest_s(self) -> float:
        """How long the oldest of them has waited."""
        return self._journal.oldest_s

    @property
    def is_full(self) -> bool:
        """Whether new work must be refused, because its usage could not be kept."""
        return self._journal.is_full

    def open(self, request_id: str, cells: Row) -> bool:
        """Note that a request is about to go upstream; False where it must not, because that cannot be noted."""
        return self._journal.opened(request_id, cells)

    async def durable(self) -> None:
        """Return when what was noted survives a power cut."""
        await self._journal.durable()

    def put(self, row: Row, attempts: tuple[Row, ...] = ()) -> None:
        """Take a request's rows. Requests in work are always taken; `is_full` keeps new ones out."""
        try:
            self._journal.closed(str(row[_ID]), row, attempts)
        except (TypeError, ValueError) as error:
            self._reject(row, error)
        if self._journal.waiting >= self._flush_rows:
            self._wake.set()

    async def start(self) -> None:
        """Make the journal ready and start writing; raises `OSError` where the journal's folder cannot be used."""
        self._journal.start()
        self._task = asyncio.create_task(self._run(), name="usage-recorder")

    async def aclose(self, timeout_s: float) -> None:
        """Write what is left within `timeout_s`, then stop; what is left then stays in the journal."""
        self._stopping = True
        self._wake.set()
        if self._task is not None and not await ended(self._task, timeout_s):
            logger.warning("usage_rows_left_in_journal rows=%d", self._journal.waiting)
        if self._connection is not None:
            try:
                await self._connection.close(timeout=CLOSE_TIMEOUT_S)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                logger.warning("usage_connection_not_closed error=%s", type(error).__name__)
        await self._journal.aclose()
        if self._journal.in_memory_only:
            logger.critical("usage_rows_lost rows=%d", self._journal.in_memory_only)

    async def _run(self) -> None:
        pause_s = 0.1
        while self._journal.waiting or not self._stopping:
            try:
                async with asyncio.timeout(self._flush_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                self._journal.retry()
                await self._drain()
                await self._adopt()
                await self._fold()
                pause_s = 0.1
            except Exception as error:  # noqa: BLE001 - the boundary of the recorder: whatever it is, rows are kept
                logger.warning("usage_write_failed error=%s rows=%d", type(error).__name__, self._journal.waiting)
                await self._drop_connection()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, MAX_PAUSE_S)
                if self._stopping:
                    self._wake.set()
            self._metrics.spool_records.set(self._journal.waiting)

    async def _drain(self) -> None:
        """Write what waits in this process's own journal."""
        while self._journal.waiting:
            batch = await self._journal.batch(self._batch_rows)
            await self._store(batch.entries, "written")
            self._journal.commit(batch)

    async def _adopt(self) -> None:
        """Write what processes that have ended left behind; our own rows do not wait for it."""
        folder = self._journal.folder
        now = asyncio.get_running_loop().time()
        if folder is None or self._stopping or now < self._adopt_due:
            return
        self._adopt_due = now + ADOPT_EVERY_S
        for orphan in orphans(folder.parent, folder):
            rows = 0
            async for batch in orphan.batches(JOURNAL_COLUMNS, self._batch_rows):
                rows += len(batch)
                await self._store(batch, "written")
                await self._drain()
            unsettled = list(orphan.unsettled(JOURNAL_COLUMNS))
            rows += len(unsettled)
            for place in range(0, len(unsettled), MIN_BATCH_ROWS):
                await self._store(unsettled[place : place + MIN_BATCH_ROWS], "unsettled")
            async with asyncio.timeout(SETTLE_TIMEOUT_S):
                connection = await self._connected()
                await connection.execute(SETTLE_JOURNAL, orphan.folder.name, timeout=SETTLE_TIMEOUT_S)
            logger.info("usage_journal_replayed folder=%s rows=%d", orphan.folder.name, rows)
            orphan.remove()

    async def _fold(self) -> None:
        """Fold one day that is over, if any: those of a long history follow one after the other."""
        now = asyncio.get_running_loop().time()
        if self._stopping or now < self._fold_due:
            return
        self._fold_due = now + FOLD_EVERY_S
        async with asyncio.timeout(FOLD_TIMEOUT_S):
            if await fold_day(await self._connected(), LOCK_ROLLUPS) is not None:
                self._fold_due = now

    async def _store(self, entries: Sequence[Entry], result: str) -> None:
        """Write entries; where PostgreSQL does not take one, part them until it stands alone, and reject that one."""
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                written = await _write(await self._connected(), entries)
        except ROW_FAULTS as error:
            if len(entries) == 1:
                if isinstance(error, asyncpg.CheckViolationError) and await self._made_its_month(entries[0].request):
                    await self._store(entries, result)
                elif (plain := _without_raw_usage(entries[0])) is not None:
                    await self._store([plain], result)
                else:
                    self._reject(entries[0].request, error)
                return
            step = min(SLICE_ROWS, (len(entries) + 1) // 2)
            for place in range(0, len(entries), step):
                await self._store(entries[place : place + step], result)
            return
        except TimeoutError:
            self._batch_rows = max(MIN_BATCH_ROWS, self._batch_rows // 2)
            raise
        self._batch_rows = min(BATCH_ROWS, self._batch_rows + MIN_BATCH_ROWS)
        self._metrics.rows(result, written)
        if written < len(entries):
            self._metrics.rows("duplicate", len(entries) - written)

    async def _made_its_month(self, row: Row) -> bool:
        """Make the partition of a row that waited in a journal for long; False where that is not what it lacks."""
        began = row[_STARTED_AT]
        if not isinstance(began, datetime) or not timedelta() < datetime.now(UTC) - began < MAX_AGE:
            return False
        connection = await self._connected()
        return bool(await connection.fetchval("SELECT usage.ensure_partitions($1, $1)", began))

    def _reject(self, row: Row, error: Exception) -> None:
        self._metrics.rows("rejected", 1)
        logger.error("usage_row_rejected request_id=%s error=%s", row[_ID], type(error).__name__)

    async def _connected(self) -> DedicatedConnection:
        """Return the connection; partitions are made ahead whenever it is new, and once a day."""
        now = asyncio.get_running_loop().time()
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connections.connect()
            await prepare(self._connection)
            self._partitions_due = now
        if now >= self._partitions_due:
            await self._connection.execute("SELECT usage.ensure_partitions()")
            self._partitions_due = now + PARTITIONS_EVERY_S
            await self._drop_old(self._connection)
        return self._connection

    async def _drop_old(self, connection: DedicatedConnection) -> None:
        """Drop months whose last day is older than what is kept; whoever reads them just now comes first."""
        if self._keep is None:
            return
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '5s'")
                dropped = await connection.fetchval("SELECT usage.drop_partitions(now() - $1::interval)", self._keep)
        except asyncpg.LockNotAvailableError:
            self._partitions_due = asyncio.get_running_loop().time() + PARTITIONS_AGAIN_S
            return
        if dropped:
            logger.info("usage_partitions_dropped partitions=%d", dropped)

    async def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _without_raw_usage(entry: Entry) -> Entry | None:
    """Return an entry without what its provider called its usage, None where there is none."""
    cells = list(entry.request)
    violations = cells[_VIOLATIONS]
    if cells[_RAW_USAGE] is None or not isinstance(violations, list):
        return None
    cells[_RAW_USAGE], cells[_VIOLATIONS] = None, [*violations, "raw usage left out"]
    return Entry(tuple(cells), entry.attempts)
