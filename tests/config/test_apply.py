"""A file against a real database: applied once, unchanged the second time, exported and found the same."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from aqueduct.catalog.secrets import SecretBox
from aqueduct.config.apply import Request, apply
from aqueduct.config.export import to_document, to_yaml
from aqueduct.config.plan import Plan
from aqueduct.config.problems import ConfigError
from aqueduct.config.read import read_text
from aqueduct.config.rules import items
from aqueduct.config.stored import load
from aqueduct.db.engine import create_engine

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "aqueduct.yaml"
BOX = SecretBox(base64.b64encode(b"k" * 32).decode())
EVERYTHING = """
orgs:
- {slug: a, name: "Ä: #1", enabled: false, default_team: t x, terms: v1,
   teams: [{name: t x, enabled: false, cost_center: '4711/0'}, {name: u}],
   users: [{email: Up@A.org, name: "Ü 'q'", admin: true, enabled: false}],
   service_accounts: [{name: s, team: u, enabled: false}]}
- {slug: 'no', users: [{email: y@no}]}
memberships: [{team: a/u, user: up@a.org, admin: true}]
tokens:
- {name: one, owner: 'user:up@a.org', token: 'env:ONE', expires: 2030-01-02T03:04:05+02:00}
- {name: two, owner: 'team:a/t x', token: 'sha256:%s', expires: 2030-12-31}
- {name: three, owner: 'service:a/u/s', token: 'sha256:%s'}
- {name: three, owner: 'team:a/u', token: 'sha256:%s'}
providers:
- {name: p, adapter: openai_compatible, base_url: 'http://127.0.0.1:1/x/', secret: sk-canary, quirks: vllm,
   options: {'yes': 'no', n: '1'}, headers: {x-a: 'b: c'}, enabled: false}
- {name: q, adapter: echo, secret: 'env:KEY'}
models:
- {name: m, aliases: [b, a], operations: [embeddings, chat], context_window: 10, max_output_tokens: 5,
   request_weight: 3,
   extra_params: reject, owned_by: us, enabled: false, deployments: [
   {provider: p, upstream_model: "x: y", priority: -1, weight: 7, enabled: false,
    timeouts: {connect_s: 0.5, first_byte_s: 20, idle_s: 1.25}}, {provider: q}]}
- {name: 'w/*', deployments: [{provider: q}, {provider: q, upstream_model: 'v-*'}]}
- {name: "4.1"}
mcp_servers:
- {name: wiki, title: 'W: x', description: "Ü 'q'", url: 'http://127.0.0.1:1/x/?project=a', enabled: false,
   headers: {Authorization: 'env:WIKI', X-Key: mcp-canary}}
- {name: search, url: 'https://search.example.org/mcp'}
grants:
- {subject: 'org:a', allow: [m, 'w/*', w/x], allow_mcp_servers: [wiki, 'x*'], deny_mcp_servers: [search]}
- {subject: 'team:a/u', deny: ['*']}
- {subject: 'user:up@a.org', allow: [m], deny: [w/y]}
- {subject: 'service:a/u/s', allow: [m]}
- {subject: 'token:one', deny: [m]}
- {subject: 'service:a/u/s', deny_mcp_servers: ['*']}
- {subject: 'token:sha256:%s', deny: [m]}
limits:
- {subject: 'org:a', metric: cost, window: month, amount: 12.345678}
- {subject: 'org:a', metric: cost, window: month, amount: 3, calendar: false, mode: shadow}
- {subject: 'team:a/u', metric: requests, window: minute, amount: 3, each: member}
- {subject: 'user:up@a.org', metric: total_tokens, window: day, amount: 20000, model: m, calendar: true}
- {subject: 'service:a/u/s', metric: concurrency, amount: 2}
- {subject: 'token:one', metric: output_tokens, window: total, amount: 0, model: 'w/*'}
prices:
- {model: m, meter: input, amount: "0.10"}
- {model: m, meter: input, amount: "0.05", tier: batch, above_tokens: 200000, valid_from: 2026-01-31}
- {model: m, meter: input, amount: "0.04", tier: batch, above_tokens: 200000, valid_from: 2026-01-31T01:00:00+02:00}
- {model: m, meter: request, amount: "0.000000000001", per: 1}
- {model: m, provider: p, upstream_model: "x: y", meter: output, amount: "123456789012.3", per: 1000}
- {model: m, provider: q, meter: output, amount: "0"}
- {model: 'w/*', provider: q, meter: input, amount: "100"}
- {model: 'w/*', provider: q, upstream_model: 'v-*', meter: input, amount: "7", valid_from: 2026-02-03T04:05:06.000007}
""" % tuple(hashlib.sha256(text).hexdigest() for text in (b"2", b"3", b"4", b"3"))  # noqa: UP031 - the text has braces
ENVIRONMENT = {"ONE": "aq_one-0123456789-0123456789-0123456789"}


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url, pool_size=2)
    yield engine
    await engine.dispose()


async def run(
    engine: AsyncEngine, text: str, *, prune: bool = False, dry_run: bool = False, box: SecretBox = BOX
) -> Plan:
    document, source = read_text("f.yaml", text.encode())
    request = Request(
        document=document, source=source, secrets=box, environment=ENVIRONMENT, prune=prune, dry_run=dry_run
    )
    return await apply(engine, request)


async def exported(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        return to_yaml(to_document((await load(connection)).stored))


@pytest.mark.parametrize("text", [EXAMPLE.read_text("utf-8"), EVERYTHING], ids=["example", "everything"])
async def test_apply_twice_then_export_and_apply_changes_nothing(engine: AsyncEngine, text: str) -> None:
    assert not (await run(engine, text)).is_empty
    assert (await run(engine, text, prune=True)).is_empty
    first = await exported(engine)
    assert "canary" not in first
    assert (await run(engine, first, prune=True)).is_empty
    assert await exported(engine) == first


async def test_export_of_an_empty_database_can_be_applied(engine: AsyncEngine) -> None:
    assert (await run(engine, await exported(engine), prune=True)).is_empty


async def test_export_into_another_database_asks_for_the_stored_keys(engine: AsyncEngine) -> None:
    await run(engine, EVERYTHING)
    text = await exported(engine)
    await run(engine, "providers: []\nmodels: []\nmcp_servers: []\ngrants: []", prune=True)
    with pytest.raises(ConfigError) as caught:
        await run(engine, text)
    assert "providers[0].secret: no key is stored for this provider" in str(caught.value)
    assert "mcp_servers[1].headers.x-key: no such header is stored" in str(caught.value)


async def test_apply_stores_rows_as_the_gateway_reads_them(engine: AsyncEngine, connection: asyncpg.Connection) -> None:
    await run(engine, EVERYTHING)
    provider = await connection.fetchrow("SELECT * FROM providers WHERE name = 'p'")
    assert provider["secret"].startswith("enc:v1:")
    assert BOX.decrypt(provider["secret"], provider["id"]) == "sk-canary"
    assert provider["base_url"] == "http://127.0.0.1:1/x"
    assert json.loads(provider["headers"]) == {"x-a": "b: c"}
    token = await connection.fetchrow("SELECT * FROM tokens WHERE name = 'one'")
    assert token["sha256"] == hashlib.sha256(ENVIRONMENT["ONE"].encode()).hexdigest()
    assert token["prefix"] == ENVIRONMENT["ONE"][:10]
    assert await connection.fetchval("SELECT t.name FROM orgs o JOIN teams t ON t.id = o.default_team_id") == "t x"
    for kind, patterns in (("model", ["*", "w/*", "w/x", "w/y"]), ("mcp_server", ["*", "x*"])):
        query = f"SELECT {kind}_pattern FROM grants WHERE {kind}_pattern IS NOT NULL ORDER BY 1"  # noqa: S608 - constants
        assert [row[0] for row in await connection.fetch(query)] == patterns
    assert await connection.fetchval("SELECT count(*) FROM grants WHERE mcp_server_id IS NOT NULL") == 2


async def test_cost_center_is_stored_changed_removed_and_written_back(
    engine: AsyncEngine, connection: asyncpg.Connection
) -> None:
    async def stored() -> str | None:
        return await connection.fetchval("SELECT cost_center FROM teams")

    await run(engine, "orgs: [{slug: a, teams: [{name: t, cost_center: '4711/0'}]}]")
    assert await stored() == "4711/0"
    assert "cost_center: 4711/0" in await exported(engine)
    await run(engine, "orgs: [{slug: a, teams: [{name: t, cost_center: '1234'}]}]")
    assert await stored() == "1234"
    assert "cost_center: '1234'" in await exported(engine)
    await run(engine, "orgs: [{slug: a, teams: [{name: t}]}]")
    assert await stored() is None


async def test_prices_are_stored_and_written_back_exactly(engine: AsyncEngine, connection: asyncpg.Connection) -> None:
    await run(engine, EVERYTHING)
    amounts = await connection.fetch("SELECT amount FROM prices ORDER BY amount")
    assert [row[0] for row in amounts] == [
        Decimal(text) for text in ("0", "0.000000000001", "0.04", "0.05", "0.1", "7", "100", "123456789012.3")
    ]
    document, _ = read_text("out.yaml", (await exported(engine)).encode())
    prices = {(price.model, price.provider, price.upstream_model): price for price in items(document.prices)}
    assert prices["w/*", "q", "v-*"].valid_from == "2026-02-03T04:05:06.000007+00:00"
    assert prices["w/*", "q", None].amount == "100"
    assert prices["m", "p", "x: y"].amount == "123456789012.3"
    starts = [price.valid_from for price in items(document.prices) if price.tier == "batch"]
    assert sorted(str(start) for start in starts) == ["2026-01-30T23:00:00+00:00", "2026-01-31"]


async def test_price_that_changed_is_one_change_and_prune_deletes_the_rest(engine: AsyncEngine) -> None:
    await run(engine, EVERYTHING)
    plan = await run(engine, 'prices: [{model: m, meter: input, amount: "0.2"}]', prune=True)
    assert [change.action for change in plan.changes] == ["change"] + ["delete"] * 7
    assert [(one.name, one.before, one.after) for one in plan.changes[0].fields] == [("amount", "0.1", "0.2")]
    assert [(one.model, one.amount) for one in items(read_text("o", (await exported(engine)).encode())[0].prices)] == [
        ("m", "0.2")
    ]


async def test_apply_dry_run_changes_nothing(engine: AsyncEngine) -> None:
    before = await exported(engine)
    assert not (await run(engine, EVERYTHING, dry_run=True)).is_empty
    assert await exported(engine) == before


async def test_apply_refused_half_way_changes_nothing(engine: AsyncEngine) -> None:
    before = await exported(engine)
    with pytest.raises(ConfigError, match="there is no provider 'missing'"):
        await run(engine, "orgs: [{slug: a}]\nmodels: [{name: m, deployments: [{provider: missing}]}]")
    with pytest.raises(ConfigError, match=r"f.yaml:1: tokens.0..token: the environment variable NONE is not set"):
        await run(engine, "tokens: [{name: t, owner: 'user:a@b', token: 'env:NONE'}]")
    with pytest.raises(ConfigError, match="AQUEDUCT_SECRET_KEY is not set"):
        await run(engine, "providers: [{name: p, adapter: echo, secret: sk-canary}]", box=SecretBox(None))
    assert await exported(engine) == before


async def test_apply_changed_key_is_encrypted_anew_and_other_changes_leave_it(
    engine: AsyncEngine, connection: asyncpg.Connection
) -> None:
    async def secret() -> str:
        return await connection.fetchval("SELECT secret FROM providers")

    await run(engine, "providers: [{name: p, adapter: echo, secret: one-key}]")
    first = await secret()
    await run(engine, "providers: [{name: p, adapter: echo, secret: one-key, enabled: false}]")
    await run(engine, "providers: [{name: p, adapter: echo, secret: <stored>}]")
    assert await secret() == first
    await run(engine, "providers: [{name: p, adapter: echo, secret: other-key}]")
    row_id = await connection.fetchval("SELECT id FROM providers")
    assert BOX.decrypt(await secret(), row_id) == "other-key"
    await run(engine, "providers: [{name: p, adapter: echo, secret: 'env:KEY'}]")
    assert await secret() == "env:KEY"


async def test_apply_with_prune_revokes_tokens_and_they_stay_revoked(
    engine: AsyncEngine, connection: asyncpg.Connection
) -> None:
    await run(engine, EVERYTHING)
    await run(engine, "tokens: []", prune=True)
    assert await connection.fetchval("SELECT count(*) FROM tokens WHERE revoked_at IS NULL") == 0
    assert await connection.fetchval("SELECT count(*) FROM tokens") == 4
    again = await run(engine, EVERYTHING)
    assert len(again.notes) == 4
    assert await connection.fetchval("SELECT count(*) FROM tokens WHERE revoked_at IS NULL") == 0


async def test_apply_from_two_places_at_once_gives_one_result(engine: AsyncEngine) -> None:
    plans = await asyncio.gather(run(engine, EVERYTHING), run(engine, EVERYTHING))
    assert sorted(plan.is_empty for plan in plans) == [False, True]


async def test_header_of_a_server_keeps_its_form_until_it_changes(
    engine: AsyncEngine, connection: asyncpg.Connection
) -> None:
    async def headers() -> dict[str, str]:
        return json.loads(await connection.fetchval("SELECT headers FROM mcp_servers"))

    def text(key: str, title: str = "t") -> str:
        return f"mcp_servers: [{{name: w, title: {title}, url: 'http://h', headers: {{X-Key: {key}, y: 'env:Y'}}}}]"

    await run(engine, text("one-key"))
    first = await headers()
    row_id = await connection.fetchval("SELECT id FROM mcp_servers")
    assert BOX.decrypt(first["x-key"], row_id) == "one-key"
    assert first["y"] == "env:Y"
    await run(engine, text("one-key", title="other"))
    await run(engine, text("<stored>", title="third"))
    assert await headers() == first
    await run(engine, text("other-key"))
    assert BOX.decrypt((await headers())["x-key"], row_id) == "other-key"
    await run(engine, "mcp_servers: [{name: w, url: 'http://h'}]")
    assert await headers() == {}
    with pytest.raises(ConfigError, match="AQUEDUCT_SECRET_KEY is not set"):
        await run(engine, text("one-key"), box=SecretBox(None))


async def test_apply_with_prune_keeps_a_grant_by_name_where_a_wildcard_covers_its_model(
    engine: AsyncEngine, connection: asyncpg.Connection
) -> None:
    models = "models: [{name: v/x}, {name: 'v/*'}]"
    await run(engine, f"orgs: [{{slug: a}}]\n{models}\ngrants: [{{subject: 'org:a', allow: [v/x]}}]")
    await run(engine, "models: [{name: 'v/*'}]", prune=True)
    assert tuple(await connection.fetchrow("SELECT model_id, model_pattern, effect FROM grants")) == (
        None,
        "v/x",
        "allow",
    )
