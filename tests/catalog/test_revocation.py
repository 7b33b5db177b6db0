"""What is revoked, disabled or deleted counts no more, also while the catalog is being loaded."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from msgspec import Struct

from aqueduct.auth.credentials import Refusal
from aqueduct.auth.tokens import hash_token
from aqueduct.catalog.loader import Loader
from aqueduct.catalog.snapshot import Snapshot
from aqueduct.catalog.watcher import Catalog
from tests.catalog.conftest import Acme
from tests.conftest import Insert

RARELY_S = 60.0
HASHES = {name: hash_token(name.encode()) for name in ("user", "account", "team", "other")}


class Loads:
    """Loads that go no further once their rows are read, until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting = asyncio.Event()
        self.go = asyncio.Event()
        self.count = 0
        load = Loader.load

        async def held(loader: Loader, connection: asyncpg.Connection) -> Snapshot:
            snapshot = await load(loader, connection)
            self.count += 1
            self.waiting.set()
            await self.go.wait()
            return snapshot

        monkeypatch.setattr(Loader, "load", held)


class Tokens(Struct):
    """A token of each kind of owner, by name; `other` is of another user."""

    ids: dict[str, UUID]


@pytest.fixture
async def tokens(acme: Acme, insert: Insert) -> Tokens:
    stranger = await insert("users", org_id=acme.org, email="grace@example.org")
    owners = {
        "user": {"user_id": acme.user},
        "account": {"service_account_id": acme.account},
        "team": {"team_id": acme.team},
        "other": {"user_id": stranger},
    }
    return Tokens(
        {
            name: await insert("tokens", **owner, name=name, prefix="aq_", sha256=HASHES[name])
            for name, owner in owners.items()
        }
    )


@pytest.fixture
async def catalog(database_url: str, loader: Loader, tokens: Tokens) -> AsyncIterator[Catalog]:
    async with Catalog(database_url, loader, poll_s=RARELY_S) as catalog:
        assert valid(catalog) == set(HASHES)
        yield catalog


@pytest.fixture
def loads(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Loads:
    return Loads(monkeypatch)


def valid(catalog: Catalog) -> set[str]:
    return {name for name, sha256 in HASHES.items() if catalog.current.principal(sha256) is not None}


async def until_valid(catalog: Catalog, names: set[str], timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while valid(catalog) != names:  # noqa: ASYNC110 - the catalog tells nobody
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("UPDATE tokens SET revoked_at = now() WHERE name = 'user'", {"account", "team", "other"}),
        ("UPDATE tokens SET expires_at = now() WHERE name = 'user'", {"account", "team", "other"}),
        (
            "UPDATE tokens SET replaced_by_id = (SELECT id FROM tokens WHERE name = 'other') WHERE name = 'user'",
            {"account", "team", "other"},
        ),
        ("UPDATE tokens SET sha256 = repeat('0', 64) WHERE name = 'user'", {"account", "team", "other"}),
        ("DELETE FROM tokens WHERE name = 'user'", {"account", "team", "other"}),
        ("UPDATE users SET enabled = false WHERE email = 'ada@example.org'", {"account", "team", "other"}),
        ("UPDATE service_accounts SET enabled = false", {"user", "team", "other"}),
        ("UPDATE teams SET enabled = false WHERE name = 'research'", {"user", "other"}),
        ("UPDATE orgs SET enabled = false", set()),
        ("UPDATE tokens SET revoked_at = now()", set()),
    ],
)
async def test_revocation_counts_before_the_catalog_is_loaded_and_after(
    catalog: Catalog, loads: Loads, connection: asyncpg.Connection, statement: str, left: set[str]
) -> None:
    before = catalog.current
    await connection.execute(statement)
    await until_valid(catalog, left)
    assert catalog.current is before, "nothing was loaded yet"

    loads.go.set()
    async with asyncio.timeout(5):
        while catalog.current is before:  # noqa: ASYNC110 - the catalog tells nobody
            await asyncio.sleep(0.005)
    assert valid(catalog) == left


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tokens SET expires_at = now() + interval '1 hour'",
        "UPDATE tokens SET name = 'renamed', last_used_at = now() WHERE name = 'user'",
        "UPDATE teams SET name = 'renamed' WHERE name = 'research'",
        "UPDATE users SET enabled = true",
        "UPDATE tokens SET replaced_by_id = id, grace_until = now() + interval '1 hour' WHERE name = 'user'",
    ],
)
async def test_change_that_revokes_nothing_refuses_nobody(
    catalog: Catalog, connection: asyncpg.Connection, statement: str
) -> None:
    told: list[object] = []
    await connection.add_listener("aqueduct_revoked", lambda *arguments: told.append(arguments[-1]))
    await connection.execute(statement)
    await connection.execute("SELECT pg_notify('aqueduct_revoked', 'end')")
    async with asyncio.timeout(5):
        while "end" not in told:  # noqa: ASYNC110 - a callback of the connection
            await asyncio.sleep(0.005)
    assert told == ["end"]
    assert valid(catalog) == set(HASHES), "and what no trigger wrote is passed over"


async def test_token_revoked_while_the_catalog_is_loaded_stays_revoked_in_what_was_read_before(
    catalog: Catalog, loads: Loads, connection: asyncpg.Connection, insert: Insert
) -> None:
    await insert("models", name="gpt")
    await asyncio.wait_for(loads.waiting.wait(), 5)
    await connection.execute("UPDATE tokens SET revoked_at = now() WHERE name = 'user'")
    await until_valid(catalog, {"account", "team", "other"})
    before = catalog.current

    loads.waiting.clear()
    loads.go.set()
    async with asyncio.timeout(5):
        while catalog.current is before:  # noqa: ASYNC110 - the catalog tells nobody
            await asyncio.sleep(0)
    assert catalog.current.resolve("gpt") is not None
    assert valid(catalog) == {"account", "team", "other"}
    assert catalog.current.refusal(HASHES["user"]) is Refusal.REVOKED


async def test_owner_that_is_enabled_again_is_let_in_again(
    catalog: Catalog, loads: Loads, connection: asyncpg.Connection
) -> None:
    loads.go.set()
    for _ in range(3):
        await connection.execute("UPDATE orgs SET enabled = false")
        await connection.execute("UPDATE orgs SET enabled = true")
    await until_valid(catalog, set(HASHES))
    counted = loads.count
    await connection.execute("UPDATE orgs SET enabled = false")
    await until_valid(catalog, set())
    await connection.execute("UPDATE orgs SET enabled = true")
    await until_valid(catalog, set(HASHES))
    assert loads.count > counted


async def test_load_that_fails_leaves_the_revoked_refused(
    catalog: Catalog, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, failed = Loader.load, asyncio.Event()

    async def failing(loader: Loader, connection: asyncpg.Connection) -> Snapshot:
        failed.set()
        raise OSError("the network is away")

    monkeypatch.setattr(Loader, "load", failing)
    await connection.execute("UPDATE tokens SET revoked_at = now() WHERE name = 'user'")
    await asyncio.wait_for(failed.wait(), 5)
    await until_valid(catalog, {"account", "team", "other"})
    monkeypatch.setattr(Loader, "load", load)
    async with asyncio.timeout(10):
        while catalog.current.refusal(HASHES["user"]) is not Refusal.REVOKED:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    assert valid(catalog) == {"account", "team", "other"}


async def test_ten_thousand_tokens_revoked_at_once_hold_up_nothing(
    catalog: Catalog, loads: Loads, acme: Acme, connection: asyncpg.Connection
) -> None:
    loads.go.set()
    await connection.execute(
        "INSERT INTO tokens (team_id, name, prefix, sha256)"
        " SELECT $1, 'bulk' || n, 'aq_', encode(sha256(n::text::bytea), 'hex') FROM generate_series(1, 10000) n",
        acme.team,
    )
    bulk = [hash_token(str(number).encode()) for number in range(1, 10001)]
    async with asyncio.timeout(20):
        while catalog.current.principal(bulk[-1]) is None:  # noqa: ASYNC110 - the catalog tells nobody
            await asyncio.sleep(0.01)
    assert all(catalog.current.principal(sha256) for sha256 in bulk)

    loads.go.clear()
    stalls, revoked = (
        [0.0],
        asyncio.create_task(connection.execute("UPDATE tokens SET revoked_at = now() WHERE name LIKE 'bulk%'")),
    )
    async with asyncio.timeout(20):
        while catalog.current.principal(bulk[0]) or catalog.current.principal(bulk[-1]):
            begun = time.thread_time()  # the loop's own work: other programs may hold up the test's clock
            await asyncio.sleep(0.001)
            stalls.append(time.thread_time() - begun)
    await revoked
    assert not any(catalog.current.principal(sha256) for sha256 in bulk)
    assert valid(catalog) == set(HASHES)
    assert max(stalls) < 0.5
    loads.go.set()
