"""Loading the catalog of the test's database."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from aqueduct.catalog.loader import Loader
from aqueduct.catalog.row_checks import Sources
from aqueduct.catalog.secrets import SecretBox
from aqueduct.catalog.snapshot import Snapshot

NOW = 1_800_000_000.0
Load = Callable[[], Awaitable[Snapshot]]


@pytest.fixture
def environment() -> dict[str, str]:
    """Variables that secrets may name."""
    return {"GOOD_KEY": "sk-good"}


@pytest.fixture
def loader(environment: dict[str, str]) -> Loader:
    """A loader that knows the adapter type `echo`, at the time `NOW`."""
    return Loader(Sources({"echo"}, SecretBox(None), environment), lambda: NOW)


@pytest.fixture
def load(loader: Loader, connection: asyncpg.Connection) -> Load:
    """Load a snapshot of what is in the database now."""

    async def load() -> Snapshot:
        return await loader.load(connection)

    return load
