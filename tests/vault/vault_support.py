"""What the vault's tests share."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aqueduct.db.connections import connect, create_pool
from aqueduct.vault.vault import Vault

KEY = base64.b64encode(b"k" * 32).decode()
OTHER_KEY = base64.b64encode(b"o" * 32).decode()
TTL_S = 100.0


class Clock:
    """Unix seconds that the test moves; begins at the present."""

    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


class Database:
    """The test's database."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def connect(self):
        return await connect(self.url, application_name="vault-test")

    async def pool(self):
        return await create_pool(self.url, size=2, application_name="vault-test")


@asynccontextmanager
async def running(vault: Vault) -> AsyncIterator[None]:
    """Start it, and stop it in the end."""
    await vault.start()
    try:
        yield
    finally:
        await vault.aclose(5.0)


async def written(vault: Vault, timeout_s: float = 10.0) -> None:
    """Wait until everything kept is in the database."""
    async with asyncio.timeout(timeout_s):
        while vault.waiting:  # noqa: ASYNC110 - a plain counter, moved by a task
            await asyncio.sleep(0.01)


def counted(vault: Vault, result: str) -> float:
    """What the metric says."""
    return vault._metrics.registry.get_sample_value("aqueduct_signature_vault_total", {"result": result}) or 0.0


async def cleaned(vault: Vault, rows: int, timeout_s: float = 10.0) -> None:
    """Let the vault look for expired rows now, and wait until it has removed so many."""
    vault._clean_due = 0.0
    vault._wake.set()
    async with asyncio.timeout(timeout_s):
        while counted(vault, "expired") < rows:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
