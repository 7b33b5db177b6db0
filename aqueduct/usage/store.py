"""Usage rows into PostgreSQL: raw rows and rollups in one transaction, each row counted once; knows no journal.

Rows are copied into temporary tables and inserted from there with `ON CONFLICT DO NOTHING`; what was really new is
added to the rollups, whose keys are sorted and whose writers take turns, so that replicas neither deadlock nor lose an
increment.
"""

from typing import Final

from aqueduct.db.engine import DedicatedConnection
from aqueduct.db.usage_tables import ROLLUP_KEYS, ROLLUP_SUMS, ROLLUPS, attempts, requests
from aqueduct.usage.segments import Columns, Entry

COLUMNS: Final = tuple(str(column.name) for column in requests.columns)
"""The cells of a request's row, in order."""
ATTEMPT_COLUMNS: Final = tuple(str(column.name) for column in attempts.columns)
"""The cells of an attempt's row, in order."""
JOURNAL_COLUMNS: Final = Columns(COLUMNS, ATTEMPT_COLUMNS)
LOCK_ROLLUPS: Final = "SELECT pg_advisory_xact_lock(hashtext('usage.rollups'))"
_KEYS: Final = ", ".join(ROLLUP_KEYS)
_COUNTED: Final = ("prompt_tokens", "cached_tokens", "cache_write_tokens", "completion_tokens", "reasoning_tokens")
_FRESH: Final = ("started_at", *ROLLUP_KEYS, "status", "usage_source", "attempts", "duration_ms", *_COUNTED, "cost")
_TEMPORARY: Final = (
    "CREATE TEMP TABLE usage_stage (LIKE usage.requests INCLUDING DEFAULTS) ON COMMIT DELETE ROWS",
    "CREATE TEMP TABLE usage_stage_attempts (LIKE usage.attempts) ON COMMIT DELETE ROWS",
    f"CREATE TEMP TABLE usage_fresh ON COMMIT DELETE ROWS AS SELECT {', '.join(_FRESH)} FROM usage.requests LIMIT 0",  # noqa: S608 - constants
)
_INSERT: Final = (
    f"WITH fresh AS (INSERT INTO usage.requests ({', '.join(COLUMNS)}) SELECT {', '.join(COLUMNS)} FROM usage_stage"  # noqa: S608 - constants
    f" ON CONFLICT DO NOTHING RETURNING {', '.join(_FRESH)}) INSERT INTO usage_fresh SELECT * FROM fresh"
)
_INSERT_ATTEMPTS: Final = (
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
BUCKETS: Final = {
    "hour": "date_trunc('hour', started_at, 'UTC')",
    "day": "(started_at AT TIME ZONE 'UTC')::date",
}
"""The time of a rollup, from the start of a request."""


def rollup_statement(table: str, bucket: str, source: str) -> str:
    """Return the statement that adds the rows of `source` to a rollup. Its key is a hash of what it stands for."""
    sums = ", ".join(f"{_SUMS[name]} AS {name}" for name in ROLLUP_SUMS)
    columns = f"{bucket}, {_KEYS}, {', '.join(ROLLUP_SUMS)}, cost"
    added = ", ".join(f"{name} = r.{name} + excluded.{name}" for name in (*ROLLUP_SUMS, "cost"))
    return (
        f"INSERT INTO {table} AS r (id, {columns})"  # noqa: S608 - constants
        f" SELECT md5(row(extract(epoch FROM {bucket})::bigint, {_KEYS})::text)::uuid, {columns} FROM ("
        f"SELECT {BUCKETS[bucket]} AS {bucket}, {_KEYS}, {sums}, coalesce(sum(cost), 0) AS cost FROM {source}"
        f" GROUP BY {BUCKETS[bucket]}, {_KEYS}) AS added ORDER BY 1"
        f" ON CONFLICT (id) DO UPDATE SET {added}"
    )


_ROLLUPS: Final = tuple(rollup_statement(table, bucket, "usage_fresh") for table, bucket in ROLLUPS)


async def prepare(connection: DedicatedConnection) -> None:
    """Make the temporary tables that `write` needs, once per connection."""
    for statement in _TEMPORARY:
        await connection.execute(statement)


async def write(connection: DedicatedConnection, batch: list[Entry]) -> int:
    """Write rows in one transaction; returns how many requests were new."""
    async with connection.transaction():
        await connection.copy_records_to_table(
            "usage_stage", records=[entry.request for entry in batch], columns=COLUMNS
        )
        tried = [row for entry in batch for row in entry.attempts]
        if tried:
            await connection.copy_records_to_table("usage_stage_attempts", records=tried, columns=ATTEMPT_COLUMNS)
            await connection.execute(_INSERT_ATTEMPTS)
        written = int((await connection.execute(_INSERT)).rsplit(" ", 1)[1])
        if written:
            await connection.execute(LOCK_ROLLUPS)
            for statement in _ROLLUPS:
                await connection.execute(statement)
    return written
