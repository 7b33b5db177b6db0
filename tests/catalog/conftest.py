"""Loading the catalog of the test's database."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest
from msgspec import Struct

from aqueduct.auth.tokens import hash_token
from aqueduct.catalog.loader import Loader
from aqueduct.catalog.row_checks import Sources
from aqueduct.catalog.secrets import SecretBox
from aqueduct.catalog.snapshot import Snapshot
from tests.conftest import Insert

NOW = 1_800_000_000.0
HASH = hash_token(b"the token")
Load = Callable[[], Awaitable[Snapshot]]


class Acme(Struct):
    """The rows of an organisation with a member of one team, and a service account in it."""

    org: UUID
    team: UUID
    other_team: UUID
    user: UUID
    account: UUID


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


@pytest.fixture
async def acme(insert: Insert) -> Acme:
    """An organisation in the database."""
    org = await insert("orgs", slug="acme", name="Acme")
    team = await insert("teams", org_id=org, name="research")
    user = await insert("users", org_id=org, email="ada@example.org")
    await insert("memberships", team_id=team, user_id=user)
    return Acme(
        org=org,
        team=team,
        other_team=await insert("teams", org_id=org, name="teaching"),
        user=user,
        account=await insert("service_accounts", team_id=team, name="bot"),
    )


@pytest.fixture
def token(insert: Insert) -> Callable[..., Awaitable[UUID]]:
    """Insert a token of the owner that the columns name."""

    async def token(sha256: str = HASH, **values: object) -> UUID:
        return await insert("tokens", name="t", prefix="aq_", sha256=sha256, **values)

    return token
