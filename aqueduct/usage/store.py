"""Usage rows into PostgreSQL: raw rows and rollups in one transaction, each row counted once; knows no journal.

A batch is first taken to be new, which nearly every one is: rows are then copied and inserted without a look at each.
Where one is there already, all of it is done over with `ON CONFLICT DO NOTHING`. What was really new is added to the
rollups, whose keys are sorted and whose writers take turns, so that replicas neither deadlock nor lose an increment.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg

from aqueduct.db.connections import DedicatedConnection
from aqueduct.db.names import (
    ATTEMPT_COLUMNS,
    REQUEST_COLUMNS,
    ROLLUP_KEYS,
    ROLLUP_SUMS,
    TOTAL_KEYS,
    TOTALS,
    USAGE_SCHEMA,
)
from aqueduct.usage.batches import SLICE_ROWS
from aqueduct.usage.fold import add_late, has_late
from aqueduct.usage.grouping import ADDED, added_to, grouping_sets, kind_of_set, summed
from aqueduct.usage.segments import Columns, Entry

COLUMNS: Final = REQUEST_COLUMNS
"""The cells of a request's row, in order."""
JOURNAL_COLUMNS: Final = Columns(COLUMNS, ATTEMPT_COLUMNS)
SETTLE_JOURNAL: Final = "SELECT ledger.settle_journal($1)"
"""Books the limits of the process whose journal it was by its rows, which must all be there; once."""
LOCK_ROLLUPS: Final = "SELECT pg_advisory_xact_lock(hashtext('usage.rollups'))"
_KEYS: Final = ", ".join(ROLLUP_KEYS)
_COUNTED: Final = ("prompt_tokens", "cached_tokens", "cache_write_tokens", "completion_tokens", "reasoning_tokens")
_FRESH: Final = ("started_at", *ROLLUP_KEYS, "status", "usage_source", "attempts", "duration_ms", *_COUNTED, "cost")
_TEMPORARY: Final = (
    "SET temp_buffers = '32MB'",
    "SET work_mem = '32MB'",
    "CREATE TEMP TABLE usage_stage (LIKE usage.requests INCLUDING DEFAULTS) ON COMMIT DELETE ROWS",
    "CREATE TEMP TABLE usage_stage_attempts (LIKE usage.attempts) ON COMMIT DELETE ROWS",
    f"CREATE TEMP TABLE usage_fresh ON COMMIT DELETE ROWS AS SELECT {', '.join(_FRESH)} FROM usage.requests LIMIT 0",  # noqa: S608 - constants
)
_INSERT: Final = f"INSERT INTO usage.requests ({', '.join(COLUMNS)}) SELECT {', '.join(COLUMNS)} FROM usage_stage"  # noqa: S608 - constants
_INSERT_MISSING: Final = (
    f"WITH fresh AS (INSERT INTO usage.requests ({', '.join(COLUMNS)}) SELECT {', '.join(COLUMNS)} FROM usage_stage"  # noqa: S608 - constants
    f" ON CONFLICT DO NOTHING RETURNING {', '.join(_FRESH)}) INSERT INTO usage_fresh SELECT * FROM fresh"
)
_INSERT_MISSING_ATTEMPTS: Final = (
    f"INSERT INTO usage.attempts ({', '.join(ATTEMPT_COLUMNS)}) SELECT {', '.join(ATTEMPT_COLUMNS)}"  # noqa: S608 - constants
    " FROM usage_stage_attempts ON CONFLICT DO NOTHING"
)
_SUMS: Final = {
    "requests": "count(*)",
    "errors": "count(*) FILTER (WHERE status >= 400)",
    "unsettled": "count(*) FILTER (WHERE usage_source = 'unsettled')",
    "unpriced": "count(*) FILTER (WHERE cost IS NULL AND usage_source IS NOT NULL)",
    "attempts": "sum(attempts)",
    "duration_ms": "sum(duration_ms)",
    **{name: f"coalesce(sum({name}), 0)" for name in _COUNTED},
}
HOUR: Final = "date_trunc('hour', started_at, 'UTC')"
"""The hour of a request, from its start."""
_DAY: Final = "(hour AT TIME ZONE 'UTC')::date"


def hours_of(source: str) -> str:
    """Return the query of what the rows of `source` add to each hour: `roll_up` takes it."""
    sums = ", ".join(f"{_SUMS[name]} AS {name}" for name in ROLLUP_SUMS)
    return f"SELECT {HOUR} AS hour, {_KEYS}, {sums}, coalesce(sum(cost), 0) AS cost FROM {source} GROUP BY 1, {_KEYS}"  # noqa: S608 - constants


def roll_up(hours: str) -> str:
    """Return the statement that adds to every rollup what the query `hours` gives per hour.

    A row's key is a hash of what it stands for. Each coarser rollup is added up from the finer one, not from the rows.
    """
    total_keys = ", ".join(TOTAL_KEYS)
    return f"""
WITH hours AS MATERIALIZED ({hours}),
days AS MATERIALIZED (
    SELECT {_DAY} AS day, date_trunc('month', {_DAY})::date AS month, {_KEYS}, {summed()}
      FROM hours GROUP BY 1, 2, {_KEYS}
),
totals AS (
    SELECT {kind_of_set(TOTALS)} AS kind, coalesce(day, month) AS first_day, {total_keys}, {summed()}
      FROM days {grouping_sets(TOTALS)}
),
hourly AS ({_upsert("usage_hourly", "hours", _key("hour"), ("hour", *ROLLUP_KEYS))}),
daily AS ({_upsert("usage_daily", "days", _key("day"), ("day", *ROLLUP_KEYS))})
{_upsert("usage_totals", "totals", f"row(kind, first_day, {total_keys})", ("kind", "first_day", *TOTAL_KEYS))}
"""  # noqa: S608 - constants


def _key(bucket: str) -> str:
    return f"row(extract(epoch FROM {bucket})::bigint, {_KEYS})"


def _upsert(table: str, source: str, key: str, names: tuple[str, ...]) -> str:
    columns = ", ".join((*names, *ADDED))
    return (
        f"INSERT INTO {table} AS r (id, {columns}) SELECT md5({key}::text)::uuid, {columns} FROM {source} ORDER BY 1"  # noqa: S608 - constants
        f" ON CONFLICT (id) DO UPDATE SET {added_to()}"
    )


def _last_use(source: str) -> str:
    """Return the statement that notes it to the minute, so that a busy token's row is not written with each batch."""
    return f"""
UPDATE tokens t SET last_used_at = f.at
  FROM (SELECT token_id, max(started_at) AS at FROM {source} GROUP BY token_id) AS f
 WHERE t.id = f.token_id AND (t.last_used_at IS NULL OR t.last_used_at < f.at - interval '1 minute')
"""  # noqa: S608 - constants


class _Counting:
    """What is done with the new rows that a table holds."""

    def __init__(self, source: str) -> None:
        self.roll_up = roll_up(hours_of(source))
        self.has_late = has_late(source)
        self.add_late = add_late(hours_of(source))
        self.last_use = _last_use(source)


_ALL: Final = _Counting("usage_stage")
_MISSING: Final = _Counting("usage_fresh")


async def prepare(connection: DedicatedConnection) -> None:
    """Make the temporary tables that `write` needs, once per connection."""
    for statement in _TEMPORARY:
        await connection.execute(statement)


async def write(connection: DedicatedConnection, batch: Sequence[Entry]) -> int:
    """Write rows in one transaction; returns how many requests were new. The event loop is free every `SLICE_ROWS`."""
    try:
        async with connection.transaction():
            await _copy(connection, batch, "attempts", USAGE_SCHEMA)
            await connection.execute(_INSERT)
            await _count(connection, _ALL)
    except asyncpg.UniqueViolationError:
        return await _write_missing(connection, batch)
    return len(batch)


async def _write_missing(connection: DedicatedConnection, batch: Sequence[Entry]) -> int:
    """Write what is not there yet, as `write` does: after a crash, or where the answer to a commit was lost."""
    async with connection.transaction():
        await _copy(connection, batch, "usage_stage_attempts", None)
        await connection.execute(_INSERT_MISSING_ATTEMPTS)
        written = int((await connection.execute(_INSERT_MISSING)).rsplit(" ", 1)[1])
        if written:
            await _count(connection, _MISSING)
    return written


async def _copy(connection: DedicatedConnection, batch: Sequence[Entry], attempts: str, schema: str | None) -> None:
    """Copy requests to `usage_stage` and their attempts to another table, a slice at a time."""
    for place in range(0, len(batch), SLICE_ROWS):
        entries = batch[place : place + SLICE_ROWS]
        records = [entry.request for entry in entries]
        await connection.copy_records_to_table("usage_stage", records=records, columns=COLUMNS)
        attempted = [row for entry in entries for row in entry.attempts]
        if attempted:
            await connection.copy_records_to_table(
                attempts, schema_name=schema, records=attempted, columns=ATTEMPT_COLUMNS
            )


async def _count(connection: DedicatedConnection, new: _Counting) -> None:
    """Add new rows to the rollups, and note when tokens were used."""
    await connection.execute(LOCK_ROLLUPS)
    await connection.execute(new.roll_up)
    if await connection.fetchval(new.has_late):
        await connection.execute(new.add_late)
    await connection.execute(new.last_use)
