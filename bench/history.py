"""A large installation made on the server: its catalog, and months of usage with their rollups; for measurements only.

Who calls is skewed (the busiest tenth of the tokens sends half of it), and calls come in sessions: on one day a token
asks one model some ten times within two hours. Raw rows get no indexes: nothing that is measured reads them. Daily
rows lie day by day, as the recorder writes them.
"""

from datetime import date, timedelta
from typing import Final

import asyncpg
from msgspec import Struct

from aqueduct.usage.fold import add_days, move_centers
from aqueduct.usage.store import LOCK_ROLLUPS, hours_of, roll_up

MONTHS: Final = 13
ADDED_TO: Final = ["usage_hourly", "usage_daily", "usage_totals"]
EVENTS_PER_SESSION: Final = 10


class Size(Struct, frozen=True, kw_only=True):
    """How much of everything; users have two tokens each, and belong to the team that their tokens are counted for."""

    orgs: int = 100
    teams: int = 10_000
    tokens: int = 100_000
    models: int = 1_000
    events: int = 50_000_000


_CATALOG: Final = """
INSERT INTO orgs (id, slug, name)
SELECT md5('org' || i)::uuid, 'org-' || i, 'Org ' || i FROM generate_series(0, {orgs} - 1) i;
INSERT INTO teams (id, org_id, name, cost_center)
SELECT md5('team' || i)::uuid, md5('org' || i % {orgs})::uuid, 'team-' || i, (4000 + i % 500)::text
  FROM generate_series(0, {teams} - 1) i;
INSERT INTO users (id, org_id, email)
SELECT md5('user' || i)::uuid, md5('org' || i % {teams} % {orgs})::uuid, 'user-' || i || '@example.org'
  FROM generate_series(0, {users} - 1) i;
INSERT INTO memberships (team_id, user_id)
SELECT md5('team' || i % {teams})::uuid, md5('user' || i)::uuid FROM generate_series(0, {users} - 1) i;
INSERT INTO tokens (id, user_id, name, prefix, sha256)
SELECT md5('token' || i)::uuid, md5('user' || i % {users})::uuid, 'token-' || i, 'aq_',
       encode(sha256(('aq_load-' || i)::bytea), 'hex')
  FROM generate_series(0, {tokens} - 1) i;
INSERT INTO providers (id, name, adapter) VALUES (md5('provider')::uuid, 'echo', 'echo');
INSERT INTO models (id, name) SELECT md5('model' || i)::uuid, 'model-' || i FROM generate_series(0, {models} - 1) i;
INSERT INTO deployments (id, model_id, provider_id, upstream_model)
SELECT md5('deployment' || i)::uuid, md5('model' || i)::uuid, md5('provider')::uuid, 'echo'
  FROM generate_series(0, {models} - 1) i;
ANALYZE;
"""


def catalog_script(size: Size) -> str:
    """Return what fills an empty catalog. Ids are hashes of a kind and a number: `md5('org' || 1)`."""
    return _CATALOG.format(
        orgs=size.orgs, teams=size.teams, users=size.tokens // 2, tokens=size.tokens, models=size.models
    )


def month_statements(size: Size, month: date) -> list[str]:
    """Return what fills one month: sessions, rows, and what the recorder would have added to the rollups."""
    sessions = size.events // MONTHS // EVENTS_PER_SESSION
    partition = f"usage.requests_{month:%Y_%m}"
    users = size.tokens // 2
    return [
        f"""CREATE TEMP TABLE session ON COMMIT DROP AS
        SELECT at, token, model, events, md5('team' || token % {users} % {size.teams})::uuid AS team_id,
               md5('org' || token % {users} % {size.teams} % {size.orgs})::uuid AS org_id,
               md5('user' || token % {users})::uuid AS user_id, md5('token' || token)::uuid AS token_id,
               md5('deployment' || model)::uuid AS deployment_id
          FROM (SELECT at, token, events,
                       floor({size.models} * power(((token * 31 + choice * 7919) % 10007) / 10007.0, 3))::int AS model
                  FROM (SELECT timestamptz '{month} 00:00Z' + floor(random() * days) * interval '1 day'
                               + (6 + 12 * random()) * interval '1 hour' AS at,
                               floor({size.tokens} * power(random(), 3))::int AS token,
                               floor(4 * power(random(), 2))::int AS choice,
                               (1 + floor({2 * EVENTS_PER_SESSION - 1} * random()))::int AS events
                          FROM generate_series(1, {sessions}),
                               (SELECT extract(day FROM date '{month}' + interval '1 month - 1 day')::int AS days) d
                       ) drawn) chosen""",  # noqa: S608 - numbers
        f"""INSERT INTO {partition} (id, started_at, duration_ms, ttft_ms, endpoint, operation, streamed, status,
               org_id, team_id, user_id, token_id, model, deployment_id, provider, attempts, finish_reason,
               usage_source, prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
               cost)
        SELECT gen_random_uuid(), at + number * interval '11 minutes', prompt, 200, '/v1/chat/completions', 'chat',
               number % 2 = 0, CASE WHEN prompt % 50 = 0 THEN 502 ELSE 200 END, org_id, team_id, user_id, token_id,
               'model-' || model, deployment_id, 'echo', 1, 'stop', 'provider', prompt, prompt % 700, prompt / 2, 0,
               prompt % 90, prompt * 0.0000025 + (prompt % 700) * 0.00001
          FROM (SELECT *, (20 + 4000 * random())::int AS prompt FROM session, generate_series(1, events) number) e
        """,  # noqa: S608 - numbers
        roll_up(hours_of(partition)),
    ]


async def fill(connection: "asyncpg.Connection[asyncpg.Record]", size: Size, last: date) -> None:
    """Fill an empty database; the last month is the one of `last`, as a whole."""
    await connection.execute(catalog_script(size))
    months = [
        date((number := last.year * 12 + last.month - 1 - back) // 12, number % 12 + 1, 1) for back in range(MONTHS)
    ]
    await connection.execute("SELECT usage.ensure_partitions($1, $2)", months[-1], months[0])
    indexes = await _without_indexes(connection, ADDED_TO)
    await connection.execute("ALTER TABLE usage.requests DROP CONSTRAINT pk_requests")
    await connection.execute("DROP INDEX usage.ix_requests_token_id_started_at, usage.ix_requests_started_at")
    for month in reversed(months):
        async with connection.transaction():
            for statement in month_statements(size, month):
                await connection.execute(statement)
        print(f"{month:%Y-%m} made", flush=True)  # noqa: T201
    for index in indexes:
        await connection.execute(index)
    await connection.execute("CLUSTER usage_daily USING ix_usage_daily_day")
    await connection.execute("VACUUM ANALYZE")


async def fold(connection: "asyncpg.Connection[asyncpg.Record]", last: date) -> None:
    """Fill an empty `usage_ranked` up to the day `last`, by the month."""
    await move_centers(connection, LOCK_ROLLUPS)
    indexes = await _without_indexes(connection, ["usage_ranked"])
    months = await connection.fetch("SELECT DISTINCT date_trunc('month', day)::date FROM usage_daily ORDER BY 1")
    for (month,) in months:
        end = min(last, (month + timedelta(days=32)).replace(day=1) - timedelta(days=1))
        await connection.execute(add_days("SELECT * FROM usage_daily WHERE day BETWEEN $1 AND $2"), month, end)
        print(f"{month:%Y-%m} folded", flush=True)  # noqa: T201
    await connection.execute("INSERT INTO usage_ranked_until (until) VALUES ($1)", last)
    for index in indexes:
        await connection.execute(index)
    await connection.execute("VACUUM ANALYZE usage_ranked, ranked_centers")


async def _without_indexes(connection: "asyncpg.Connection[asyncpg.Record]", tables: list[str]) -> list[str]:
    """Drop the indexes of tables, but for the primary keys, and return what makes them again."""
    found = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY ($1) AND indexname LIKE 'ix_%'", tables
    )
    for index in found:
        await connection.execute(f"DROP INDEX {index['indexname']}")
    return [index["indexdef"] for index in found]
