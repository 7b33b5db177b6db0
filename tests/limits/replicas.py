"""Replicas of one process on the real ledger, with a store that can be taken out of reach."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from aqueduct.limits.account import Account
from aqueduct.limits.batch import Answer, Batch
from aqueduct.limits.held import Held, Take
from aqueduct.limits.leases import Leases, Unreachable
from aqueduct.limits.ledger import Ledger
from aqueduct.limits.rules import Applied
from aqueduct.limits.store import PostgresStore

TTL_MS = 60_000


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class Flaky:
    """A store that can be taken out of reach, and counts what it carries."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.is_out = False
        self.carried = 0
        self.calls = 0

    async def sync(self, batch: Batch) -> Answer:
        if self.is_out:
            raise OSError("out of reach")
        self.carried += 1
        return await self.store.sync(batch)

    def listen(self, called: Callable[[UUID, UUID], None]) -> None:
        self.store.listen(called)

    async def call(self, counters: Sequence[tuple[UUID, UUID]]) -> None:
        self.calls += len(counters)
        await self.store.call(counters)

    async def leave(self) -> None:
        await self.store.leave()

    def drop(self) -> None:
        self.store.drop()


@asynccontextmanager
async def replica(
    url: str, *, report_s: float = 0.2, ttl_ms: int = TTL_MS, name: UUID | None = None
) -> AsyncIterator[tuple[Leases, Flaky]]:
    ledger = Ledger(now_ms, ttl_ms=ttl_ms, report_ms=int(report_s * 1000))
    store = Flaky(PostgresStore(url, name or uuid4(), ttl_ms=ttl_ms, journal=lambda: None))
    leases = Leases(ledger, store, report_s=report_s)
    await leases.start()
    try:
        yield leases, store
    finally:
        await leases.aclose()


async def attempt(leases: Leases, applied: Applied, amount: int = 1) -> tuple[Held, ...] | Account | Unreachable:
    """Ask for credits."""
    return await leases.acquire([Take(leases.ledger.account(applied), amount)])
