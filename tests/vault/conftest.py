"""Vaults over a real PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from aqueduct.catalog.secrets import SecretBox
from aqueduct.observability.metrics import Metrics
from aqueduct.vault.vault import Vault
from tests.vault.vault_support import KEY, TTL_S, Clock, Database, running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def replica(database_url: str, clock: Clock) -> AsyncIterator[Callable[..., object]]:
    """Start one more replica's vault: `await replica(key=...)`; its metrics are `vault._metrics`."""
    async with AsyncExitStack() as stack:

        async def start(key: str | None = KEY, previous: tuple[str, ...] = (), url: str = database_url) -> Vault:
            box = SecretBox(key, previous)
            vault = Vault(Database(url), box, Metrics(), ttl_s=TTL_S, clock=clock)
            await stack.enter_async_context(running(vault))
            return vault

        yield start
