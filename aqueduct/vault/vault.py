"""Keeps states for their owners, encrypted in PostgreSQL: written behind the answers, read through a memory.

A row's id is the SHA-256 of owner and tool-call id, or a hash of owner and text with the secret key, so that the table
shows neither and nobody can try texts on it; owner and key are the associated data of the encryption, so that a row
copied to another id does not open. Without a secret key nothing is written, and the memory of the process is all there
is. A vault that cannot be reached costs a state, never a request.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import asyncpg
from msgspec import Struct

from aqueduct.db.connections import DedicatedConnection, Pool
from aqueduct.observability.metrics import Metrics
from aqueduct.tasks import ended
from aqueduct.vault.keys import TEXT_KEY
from aqueduct.vault.memory import Key, Memory

MAX_KEY_CHARS: Final = 256
MAX_WANTED: Final = 512
"""Keys that are looked up for one request: the latest."""
MAX_QUEUED: Final = 10_000
MAX_QUEUED_BYTES: Final = 32 * 1024 * 1024
BATCH_ROWS: Final = 500
READ_TIMEOUT_S: Final = 1.0
READ_PAUSE_S: Final = 1.0
"""After a failed read the database is left alone for so long."""
WRITE_TIMEOUT_S: Final = 10.0
MISSING_S: Final = 5.0
"""So long a state that is not there is not asked for again."""
CLEAN_EVERY_S: Final = 60.0
CLEAN_ROWS: Final = 1000
CLEAN_BATCHES: Final = 20
MAX_PAUSE_S: Final = 5.0
_WRITE: Final = (
    "INSERT INTO vault.states (id, sealed, expires_at) "
    "SELECT id, sealed, to_timestamp(at) FROM unnest($1::bytea[], $2::bytea[], $3::float8[]) AS new (id, sealed, at) "
    "ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, expires_at = excluded.expires_at"
)
_READ: Final = (
    "SELECT id, sealed, extract(epoch FROM expires_at)::float8 FROM vault.states "
    "WHERE id = ANY($1::bytea[]) AND expires_at > to_timestamp($2::float8)"
)
_CLEAN: Final = (
    "DELETE FROM vault.states WHERE id IN (SELECT id FROM vault.states WHERE expires_at <= to_timestamp($1::float8) "
    "ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
)
logger = logging.getLogger("aqueduct.vault")


class Sealer(Protocol):
    """Encrypts what is kept."""

    @property
    def can_seal(self) -> bool:
        """Whether there is a key."""
        ...

    def seal(self, data: bytes, associated: bytes) -> bytes:
        """Return the data encrypted, bound to `associated`."""
        ...

    def fingerprints(self, data: bytes) -> tuple[bytes, ...]:
        """Return a hash of the data with each key, the one that seals first."""
        ...

    def unseal(self, sealed: bytes, associated: bytes) -> bytes:
        """Return the data; raises ValueError where no key opens it for `associated`."""
        ...


class Connections(Protocol):
    """Where the vault gets its connections from."""

    async def connect(self) -> DedicatedConnection:
        """Return a new connection, which the vault owns."""
        ...

    async def pool(self) -> Pool:
        """Return a small pool, which the vault owns; it opens nothing before it is used."""
        ...


class _Row(Struct, frozen=True):
    sealed: bytes
    expires_at: float


class Vault:
    """The vault of one process. `ttl_s` is how long a state lives; `clock` gives Unix seconds."""

    def __init__(
        self,
        connections: Connections,
        sealer: Sealer,
        metrics: Metrics,
        *,
        ttl_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connections = connections
        self._sealer = sealer
        self._metrics = metrics
        self._ttl_s = ttl_s
        self._clock = clock
        self._memory = Memory()
        self._queue: dict[bytes, _Row] = {}
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._no_reads_before = 0.0
        self._clean_due = 0.0
        self._connection: DedicatedConnection | None = None
        self._pool: Pool | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """States that other processes cannot read yet."""
        return len(self._queue)

    def keep(self, owner: str, key: str, state: bytes) -> None:
        """Keep a state; this process can read it at once, others as soon as it is written.

        Of an empty one this process remembers that there is nothing to ask the database for.
        """
        if len(key) > MAX_KEY_CHARS or not key:
            return
        expires_at = self._clock() + self._ttl_s
        self._memory.put((owner, key), state or None, expires_at)
        if not state:
            return
        if not self._sealer.can_seal:
            self._metrics.vault("kept_in_memory")
            return
        if len(self._queue) >= MAX_QUEUED or self._queued_bytes + len(state) > MAX_QUEUED_BYTES:
            self._metrics.vault("not_kept")
            return
        associated = _associated(owner, key)
        self._enqueue(self._row_ids(key, associated)[0], _Row(self._sealer.seal(state, associated), expires_at))
        self._metrics.vault("kept")
        self._wake.set()

    async def recall(self, owner: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the states that are known, by key; asks the database for what the memory does not know."""
        now = self._clock()
        found: dict[str, bytes] = {}
        unknown: list[str] = []
        for key in dict.fromkeys(keys[-MAX_WANTED:]):
            if not key or len(key) > MAX_KEY_CHARS:
                continue
            is_known, state = self._memory.get((owner, key), now)
            if not is_known:
                unknown.append(key)
            elif state is not None:
                found[key] = state
        self._metrics.vault("memory_hit", len(found))
        if unknown and self._sealer.can_seal and self._pool is not None:
            read = await self._read(owner, unknown, now)
            found |= read
            self._metrics.vault("database_hit", len(read))
        self._metrics.vault("miss", len(set(keys)) - len(found))
        return found

    async def start(self) -> None:
        """Start writing."""
        self._pool = await self._connections.pool()
        self._clean_due = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._run(), name="vault")

    async def aclose(self, timeout_s: float) -> None:
        """Write what is left within `timeout_s`, then stop."""
        self._stopping = True
        self._wake.set()
        if self._task is not None and not await ended(self._task, timeout_s):
            logger.warning("vault_states_lost states=%d", len(self._queue))
        self._drop_connection()
        if self._pool is not None:
            self._pool.terminate()

    def _enqueue(self, row_id: bytes, row: _Row) -> None:
        old = self._queue.pop(row_id, None)
        self._queued_bytes += len(row.sealed) - (len(old.sealed) if old is not None else 0)
        self._queue[row_id] = row

    async def _read(self, owner: str, keys: list[str], now: float) -> dict[str, bytes]:
        loop = asyncio.get_running_loop()
        if self._pool is None or loop.time() < self._no_reads_before:
            return {}
        associated = {key: _associated(owner, key) for key in keys}
        by_row = {row_id: key for key, data in associated.items() for row_id in self._row_ids(key, data)}
        try:
            async with asyncio.timeout(READ_TIMEOUT_S), self._pool.acquire() as connection:
                rows = await connection.fetch(_READ, list(by_row), now)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            self._no_reads_before = loop.time() + READ_PAUSE_S
            self._metrics.vault("read_failed")
            logger.warning("vault_read_failed error=%s", type(error).__name__)
            return {}
        found: dict[str, bytes] = {}
        for row_id, sealed, expires_at in rows:
            key = by_row[row_id]
            try:
                found[key] = self._sealer.unseal(sealed, associated[key])
            except ValueError:  # sealed with a key that is gone, or damaged
                self._metrics.vault("unreadable")
                continue
            self._remember((owner, key), found[key], expires_at)
        for key in keys:
            if key not in found:
                self._remember((owner, key), None, now + MISSING_S)
        return found

    def _row_ids(self, key: str, associated: bytes) -> tuple[bytes, ...]:
        """Return under which ids a state may lie, first the one to write it to."""
        return self._sealer.fingerprints(associated) if key.startswith(TEXT_KEY) else (_row_id(associated),)

    def _remember(self, key: Key, state: bytes | None, expires_at: float) -> None:
        """Take over what the database says, unless something was kept here since it was asked."""
        if not self._memory.get(key, self._clock())[0]:
            self._memory.put(key, state, expires_at)

    async def _run(self) -> None:
        pause_s = 0.1
        while self._queue or not self._stopping:
            try:
                async with asyncio.timeout(CLEAN_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                while self._queue:
                    await self._write_batch()
                if not self._stopping and asyncio.get_running_loop().time() >= self._clean_due:
                    await self._clean()
                pause_s = 0.1
            except Exception as error:  # noqa: BLE001 - the boundary of a background task: whatever it is, states stay
                logger.warning("vault_write_failed error=%s states=%d", type(error).__name__, len(self._queue))
                self._metrics.vault("write_failed")
                self._drop_connection()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, MAX_PAUSE_S)
                self._wake.set()

    async def _write_batch(self) -> None:
        batch = dict(list(self._queue.items())[:BATCH_ROWS])
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            connection = await self._connected()
            rows = batch.values()
            await connection.execute(_WRITE, list(batch), [r.sealed for r in rows], [r.expires_at for r in rows])
        for row_id, row in batch.items():
            if self._queue.get(row_id) is row:
                del self._queue[row_id]
                self._queued_bytes -= len(row.sealed)

    async def _clean(self) -> None:
        """Remove what has expired, in batches; what is left then is next time's."""
        self._clean_due = asyncio.get_running_loop().time() + CLEAN_EVERY_S
        connection = await self._connected()
        for _ in range(CLEAN_BATCHES):
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                status = await connection.execute(_CLEAN, self._clock(), CLEAN_ROWS)
            removed = int(status.rsplit(" ", 1)[1])
            self._metrics.vault("expired", removed)
            if removed < CLEAN_ROWS:
                return

    async def _connected(self) -> DedicatedConnection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connections.connect()
        return self._connection

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _associated(owner: str, key: str) -> bytes:
    return f"vault\0{owner}\0{key}".encode("utf-8", "surrogatepass")


def _row_id(associated: bytes) -> bytes:
    return hashlib.sha256(associated).digest()
