"""Carries batches to the function `ledger.sync` in PostgreSQL, over one connection that it opens again after a failure.

The function does everything in one statement, so a batch is carried out wholly or not at all; and its number makes it
safe to send again when the answer was lost.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from aqueduct.db.connections import DedicatedConnection, connect
from aqueduct.limits.batch import Answer, Batch, Item, Line

_ENTER = "SELECT ledger.enter($1, $2, $3)"
_TELL_CLOCK = "SELECT ledger.tell_clock($1, $2)"
_LEAVE = "SELECT ledger.leave($1)"
_SYNC = "SELECT * FROM ledger.sync($1, $2, $3, $4::text::jsonb)"
_CALL = "SELECT pg_notify($1, counter) FROM unnest($2::text[]) AS counter"
CHANNEL: Final = "aqueduct_credits"
"""What replicas call each other by: the caller's id, the limit's and the member's."""
CLOCK_STEP_MS: Final = 600_000
"""A clock of this machine that has moved by so much against the database's is told anew."""
DEADLOCK_PAUSES_S: Final = (0.05, 0.2)
"""How long a report that a deadlock has ended lets the other go on, before it is sent again."""
_items = msgspec.json.Encoder()


def encode_items(items: tuple[Item, ...]) -> str:
    """Return a batch's counters as the function takes them."""
    return _items.encode(items).decode()


class PostgresStore:
    """One replica's line to the ledger; used by one task at a time."""

    def __init__(
        self,
        url: str,
        replica: UUID,
        *,
        ttl_ms: int,
        journal: Callable[[], str | None],
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`journal` returns the name of the journal whose replay settles this replica, should it be killed.

        Its usage rows are then found by their times, which are those of the machine's clock, `wall_ms`, right or wrong.
        """
        self._journal = journal
        self._wall_ms = wall_ms
        self._ahead_ms: int | None = None
        self._url = url
        self._replica = replica
        self._ttl_ms = ttl_ms
        self._connection: DedicatedConnection | None = None
        self._called: Callable[[UUID, UUID], None] | None = None

    def listen(self, called: Callable[[UUID, UUID], None]) -> None:
        """Say who is told that another replica calls for a limit's counter of a member."""
        self._called = called

    async def call(self, counters: Sequence[tuple[UUID, UUID]]) -> None:
        """Call the other replicas for counters. Behind a pooler in transaction mode nobody hears it."""
        connection = await self._connected()
        await connection.execute(_CALL, CHANNEL, [f"{self._replica} {limit} {member}" for limit, member in counters])

    async def sync(self, batch: Batch) -> Answer:
        """Carry out a batch; raises what asyncpg and the network raise, and then nothing is known of it."""
        connection = await self._connected()
        arguments = (self._replica, batch.number, self._ttl_ms, encode_items(batch.items))
        for pause_s in DEADLOCK_PAUSES_S:
            try:
                rows = await connection.fetch(_SYNC, *arguments)
                break
            except asyncpg.DeadlockDetectedError:  # with whoever edits or removes limits: nothing was done
                await asyncio.sleep(pause_s)  # until the other has what it waited for
        else:
            rows = await connection.fetch(_SYNC, *arguments)
        await self._note_clock(connection, rows[0][0])
        lines = tuple(Line(*list(row.values())[1:]) for row in rows if row[1] is not None)
        return Answer(rows[0][0], lines)

    async def _note_clock(self, connection: DedicatedConnection, at_ms: int) -> None:
        ahead_ms = self._wall_ms() - at_ms
        if self._ahead_ms is None or abs(ahead_ms - self._ahead_ms) > CLOCK_STEP_MS:
            await connection.execute(_TELL_CLOCK, self._replica, self._wall_ms())
            self._ahead_ms = ahead_ms

    async def leave(self) -> None:
        """Say that this replica reports no more; nothing of it remains to be settled."""
        connection = await self._connected()
        await connection.execute(_LEAVE, self._replica)

    def drop(self) -> None:
        """Give up the connection."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            connection.terminate()

    async def _connected(self) -> DedicatedConnection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url, application_name="aqueduct limits")
            self._ahead_ms = None  # the row that says it may have been removed meanwhile
            await self._connection.execute(_ENTER, self._replica, self._ttl_ms, self._journal())
            await self._connection.add_listener(CHANNEL, self._heard)
        return self._connection

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            caller, limit, member = (UUID(part) for part in str(payload).split(" "))
        except ValueError:
            return  # it is not from a gateway
        if self._called is not None and caller != self._replica:
            self._called(limit, member)
