"""Keeps the current snapshot current: LISTEN on a dedicated connection, and a poll of the version behind it.

The connection is the catalog's own: it listens and polls. Where it breaks, the last good snapshot stays and its age
shows in `staleness_s`. LISTEN does not work through a pooler in transaction mode; then the poll alone counts.

What is revoked, disabled or deleted is told by its id, and holds at once in the snapshot that is there: a large catalog
takes seconds to load. It is loaded through a connection of its own: within a transaction a server tells nothing.
"""

import asyncio
import logging
import time
from types import TracebackType
from typing import Self
from uuid import UUID

from aqueduct.auth.credentials import Refusal
from aqueduct.catalog.loader import Loader
from aqueduct.catalog.rows import read_version
from aqueduct.catalog.snapshot import Snapshot
from aqueduct.db.connections import DedicatedConnection, connect
from aqueduct.db.names import CATALOG_CHANNEL, REVOKED_CHANNEL

DEBOUNCE_S = 0.05
VERSION_TIMEOUT_S = 10.0
LOAD_TIMEOUT_S = 60.0
MAX_BACKOFF_S = 5.0

logger = logging.getLogger(__name__)


class Catalog:
    """The catalog of one process: `async with Catalog(...)`, or `start` and `stop`."""

    def __init__(self, url: str, loader: Loader, *, poll_s: float) -> None:
        """`poll_s` is the longest time between two looks at the version."""
        self._url = url
        self._loader = loader
        self._poll_s = poll_s
        self._changed = asyncio.Event()
        self._connection: DedicatedConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._snapshot: Snapshot | None = None
        self._revoked: dict[UUID, Refusal] = {}  # revoked since the snapshot's load began
        self._confirmed_at = 0.0
        self.failures = 0
        """Failed attempts to look at the database since the start."""

    @property
    def current(self) -> Snapshot:
        """The newest snapshot. Take it once per request. Raises `RuntimeError` before `start`."""
        if self._snapshot is None:
            raise RuntimeError("the catalog has not been started")
        return self._snapshot

    @property
    def staleness_s(self) -> float:
        """Seconds since the database last confirmed that `current` is its newest version."""
        return time.monotonic() - self._confirmed_at

    async def start(self) -> None:
        """Load the first snapshot, or raise what prevents it; then keep it current."""
        try:
            await self._refresh()
        except BaseException:  # raised again once the connection is closed
            self._drop_connection()
            raise
        self._task = asyncio.create_task(self._watch(), name="catalog-watcher")

    async def stop(self) -> None:
        """End the task and the connection. The last snapshot stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        self._drop_connection()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _watch(self) -> None:
        backoff_s = DEBOUNCE_S
        while True:
            try:
                await self._wait()
                await self._refresh()
                backoff_s = DEBOUNCE_S
            except Exception as error:  # noqa: BLE001 - the boundary of a background task: the last good one stays
                self.failures += 1
                logger.warning(
                    "catalog_refresh_failed error=%s staleness_s=%.1f", type(error).__name__, self.staleness_s
                )
                self._drop_connection()
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)
                self._changed.set()

    async def _wait(self) -> None:
        """Wait for a notification, a broken connection or the next poll; changes that come together load once."""
        try:
            async with asyncio.timeout(self._poll_s):
                await self._changed.wait()
        except TimeoutError:
            return
        await asyncio.sleep(DEBOUNCE_S)

    async def _refresh(self) -> None:
        self._changed.clear()
        connection = await self._connected()
        asked_at = time.monotonic()
        async with asyncio.timeout(VERSION_TIMEOUT_S):
            version = await read_version(connection)
        if self._snapshot is None or version != self._snapshot.version or self._revoked:
            before, self._snapshot = self._snapshot, await self._load()
            if before is not None:
                await before.retire()
        self._confirmed_at = asked_at

    async def _load(self) -> Snapshot:
        """Return the catalog as it is, without what is revoked while it is read."""
        seen, self._revoked = self._revoked, {}
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                connection = await connect(self._url, application_name="aqueduct catalog load")
                try:
                    snapshot = await self._loader.load(connection)
                finally:
                    connection.terminate()
        except BaseException:  # raised again: what it would have known is still to be loaded
            self._revoked = seen | self._revoked
            raise
        self._report(snapshot)
        snapshot.revoke(self._revoked)
        return snapshot

    async def _connected(self) -> DedicatedConnection:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        self._connection = await connect(self._url, application_name="aqueduct catalog")
        self._connection.add_termination_listener(self._on_termination)
        await self._connection.add_listener(CATALOG_CHANNEL, self._on_change)
        await self._connection.add_listener(REVOKED_CHANNEL, self._on_revocation)
        return self._connection

    def _on_change(self, *_: object) -> None:
        self._changed.set()

    def _on_revocation(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            row, reason = str(payload).split(" ")
            revoked = {UUID(row): Refusal(reason)}
        except ValueError:
            return  # it is not from a trigger of ours
        self._changed.set()
        self._revoked |= revoked
        if self._snapshot is not None:
            self._snapshot.revoke(revoked)

    def _on_termination(self, *_: object) -> None:
        self._changed.set()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            connection.remove_termination_listener(self._on_termination)
            connection.terminate()

    def _report(self, snapshot: Snapshot) -> None:
        known = frozenset(self._snapshot.problems if self._snapshot else ())
        for problem in snapshot.problems:
            if problem not in known:
                logger.warning(
                    "catalog_row_refused table=%s row=%s reason=%s", problem.table, problem.name, problem.reason
                )
