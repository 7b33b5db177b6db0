"""Prices history again: new costs for the attempts, requests and rollups of past days; knows no file."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

import asyncpg
from msgspec import Struct

from aqueduct.db.connections import DedicatedConnection
from aqueduct.db.names import COUNTERS, ROLLUP_KEYS, ROLLUP_SUMS
from aqueduct.usage.fold import add_late
from aqueduct.usage.pricing import PriceList, cost, tier_of, to_decimal
from aqueduct.usage.store import HOUR, LOCK_ROLLUPS, roll_up
from schemas.usage import Usage

BATCH_ROWS: Final = 5_000
_KEYS: Final = ", ".join(ROLLUP_KEYS)
READ: Final = (
    f"SELECT request_id, number, request_started_at, deployment_id, service_tier, cost, {', '.join(COUNTERS)}"  # noqa: S608 - constants
    " FROM usage.attempts WHERE request_started_at >= $1 AND request_started_at < $2 AND usage_source IS NOT NULL"
)
TEMPORARY: Final = (
    "CREATE TEMP TABLE rerated (request_id uuid, number smallint, request_started_at timestamptz, cost numeric,"
    " rates jsonb)"
    " ON COMMIT DROP"
)
ATTEMPTS: Final = (
    "UPDATE usage.attempts a SET cost = r.cost, rates = r.rates FROM rerated r WHERE a.request_id = r.request_id"
    " AND a.number = r.number AND a.request_started_at = r.request_started_at"
    " AND a.request_started_at >= $1 AND a.request_started_at < $2"
)
"""The day stands here again for the planner, as below: it looks at one partition then, not at all of them."""
REQUESTS: Final = f"""
CREATE TEMP TABLE repriced ON COMMIT DROP AS
SELECT r.id, r.started_at, r.cost AS before, sum(a.cost) AS after, {", ".join(f"r.{key}" for key in ROLLUP_KEYS)}
  FROM usage.requests r JOIN usage.attempts a ON a.request_id = r.id AND a.request_started_at = r.started_at
 WHERE (r.id, r.started_at) IN (SELECT request_id, request_started_at FROM rerated)
   AND r.started_at >= '{{begin}}' AND r.started_at < '{{end}}'
   AND a.request_started_at >= '{{begin}}' AND a.request_started_at < '{{end}}'
 GROUP BY r.id, r.started_at, r.cost, {", ".join(f"r.{key}" for key in ROLLUP_KEYS)}
"""  # noqa: S608 - constants
UPDATE: Final = (
    "UPDATE usage.requests r SET cost = p.after FROM repriced p WHERE r.id = p.id AND r.started_at = p.started_at"
    " AND r.started_at >= $1 AND r.started_at < $2"
)
_DIFFERENCES: Final = {
    "unpriced": "sum((after IS NULL)::int - (before IS NULL)::int)",
    "cost": "sum(coalesce(after, 0) - coalesce(before, 0))",
}
_HOURS: Final = (
    f"SELECT {HOUR} AS hour, {_KEYS}, "  # noqa: S608 - constants
    + ", ".join(f"{_DIFFERENCES.get(name, '0::bigint')} AS {name}" for name in (*ROLLUP_SUMS, "cost"))
    + f" FROM repriced GROUP BY 1, {_KEYS}"
)
"""What takes the rollups from the old costs to the new ones."""
_CORRECT: Final = roll_up(_HOURS)
_CORRECT_LATE: Final = add_late(_HOURS)


class Rerated(Struct, frozen=True, kw_only=True):
    """What was done: attempts looked at, attempts whose cost has changed, and by how much in all."""

    attempts: int
    changed: int
    difference: Decimal


async def rerate(
    connection: DedicatedConnection, prices: Mapping[str, PriceList | None], first: date, last: date
) -> Rerated:
    """Price the requests of the days `first` to `last` (UTC) again, a day in a transaction.

    `prices` has every deployment that there is, also those without prices: what those that are gone cost stays.
    """
    attempts, changed, difference = 0, 0, Decimal(0)
    day = first
    while day <= last:
        done = await _rerate_day(connection, prices, day)
        attempts, changed, difference = attempts + done.attempts, changed + done.changed, difference + done.difference
        day += timedelta(days=1)
    return Rerated(attempts=attempts, changed=changed, difference=difference)


async def _rerate_day(connection: DedicatedConnection, prices: Mapping[str, PriceList | None], day: date) -> Rerated:
    begin = datetime.combine(day, time(), UTC)
    end = begin + timedelta(days=1)
    seen = 0
    difference = Decimal(0)
    async with connection.transaction():
        await connection.execute(TEMPORARY)
        cursor = await connection.cursor(READ, begin, end)
        changed = 0
        while records := await cursor.fetch(BATCH_ROWS):
            seen += len(records)
            rows = [row for record in records if (row := _changed(record, prices)) is not None]
            changed += len(rows)
            await connection.copy_records_to_table("rerated", records=rows)
        if changed:
            difference = await _write(connection, begin, end)
    return Rerated(attempts=seen, changed=changed, difference=difference)


async def _write(connection: DedicatedConnection, begin: datetime, end: datetime) -> Decimal:
    await connection.execute("ANALYZE rerated")
    await connection.execute(ATTEMPTS, begin, end)
    await connection.execute(REQUESTS.format(begin=begin.isoformat(), end=end.isoformat()))
    await connection.execute("ANALYZE repriced")
    await connection.execute(UPDATE, begin, end)
    await connection.execute(LOCK_ROLLUPS)
    await connection.execute(_CORRECT)
    await connection.execute(_CORRECT_LATE)
    found: Decimal | None = await connection.fetchval(
        "SELECT sum(coalesce(after, 0) - coalesce(before, 0)) FROM repriced"
    )
    return found or Decimal(0)


def _changed(record: asyncpg.Record, prices: Mapping[str, PriceList | None]) -> tuple[object, ...] | None:
    """Return the row of an attempt whose cost is another one now."""
    deployment = str(record["deployment_id"])
    if deployment not in prices:
        return None
    listed = prices[deployment]
    usage = Usage(**{name: record[name] for name in COUNTERS})
    pico = rates = None
    if listed is not None:
        at, tier = record["request_started_at"], tier_of(record["service_tier"])
        pico = cost(usage, listed, at, tier)
        rates = listed.rates_json(at, tier, usage.prompt_tokens or 0)
    now = None if pico is None else to_decimal(pico)
    if now == record["cost"]:
        return None
    return record["request_id"], record["number"], record["request_started_at"], now, rates
