"""Days that are over into `usage_monthly`: each once, and what comes late for one when it comes; knows no report.

The recorder adds a day when it has ended, so that a batch does not pay for it. Whatever adds to `usage_daily` holds the
lock of the rollups, and so does folding: a row of a day that is folded is either in the day's rows by then, or finds
the day folded and is added by `add_late`.
"""

from datetime import date
from typing import Final

from aqueduct.db.connections import DedicatedConnection
from aqueduct.db.names import MONTHLY, MONTHLY_KEYS, ROLLUP_SUMS

FOLD_TIMEOUT_S: Final = 300.0
"""Longer than a connection gives its other commands: a day has many rows."""
_ADDED: Final = (*ROLLUP_SUMS, "cost")
_GROUPED: Final = ("month", "year", *MONTHLY_KEYS)
_NEXT: Final = """
SELECT coalesce((SELECT min(day) FROM usage_daily WHERE day > coalesce(f.until, '-infinity') AND day <= c.last), c.last)
  FROM (SELECT (now() AT TIME ZONE 'UTC' - interval '1 hour')::date - 1 AS last) AS c LEFT JOIN usage_folded f ON true
 WHERE f.until IS NULL OR f.until < c.last
"""
"""The next day to fold, or the last one without rows; none where all is done. A day has an hour for its last rows."""
_NOTE: Final = "INSERT INTO usage_folded (until) VALUES ($1) ON CONFLICT (id) DO UPDATE SET until = excluded.until"


def monthly_key(kind: str, first_day: str, keys: dict[str, str]) -> str:
    """Return the id of a row, from the expressions of its keys; those that its kind has not are null."""
    named = ", ".join(keys.get(key, f"NULL::{'text' if key == 'model' else 'uuid'}") for key in MONTHLY_KEYS)
    return f"md5(row({kind}, {first_day} - '2000-01-01'::date, {named})::text)::uuid"


def add_days(days: str) -> str:
    """Return the statement that adds what the query `days` gives per day and keys of the daily rollup."""
    masks = " ".join(f"WHEN {_mask(columns)} THEN '{kind}'" for kind, columns in MONTHLY.items())
    sets = ", ".join(f"({', '.join(columns)})" for columns in MONTHLY.values())
    keys = ", ".join(MONTHLY_KEYS)
    sums = ", ".join(f"{'sum' if name == 'cost' else 'usage.total'}({name}) AS {name}" for name in _ADDED)
    columns = ", ".join(("kind", "first_day", *MONTHLY_KEYS, *_ADDED))
    added = ", ".join(f"{name} = r.{name} + excluded.{name}" for name in _ADDED)
    return f"""
WITH days AS (
    SELECT date_trunc('month', day)::date AS month, date_trunc('year', day)::date AS year, * FROM ({days}) AS given
), totals AS (
    SELECT CASE grouping({", ".join(_GROUPED)}) {masks} END AS kind, coalesce(month, year) AS first_day, {keys}, {sums}
      FROM days GROUP BY GROUPING SETS ({sets})
)
INSERT INTO usage_monthly AS r (id, {columns})
SELECT {monthly_key("kind", "first_day", {key: key for key in MONTHLY_KEYS})}, {columns} FROM totals ORDER BY 1
    ON CONFLICT (id) DO UPDATE SET {added}
"""  # noqa: S608 - constants


def add_late(hours: str) -> str:
    """Return the statement that adds what the query `hours` gives for days that are folded already."""
    return add_days(
        f"SELECT (hour AT TIME ZONE 'UTC')::date AS day, {', '.join((*MONTHLY_KEYS, *_ADDED))} FROM ({hours}) AS late"  # noqa: S608 - constants
        " WHERE (hour AT TIME ZONE 'UTC')::date <= (SELECT until FROM usage_folded)"
    )


def has_late(source: str) -> str:
    """Return the query whether rows of `source` began on days that are folded already."""
    return (
        f"SELECT EXISTS (SELECT FROM {source}, usage_folded"  # noqa: S608 - constants
        " WHERE started_at < (until + 1)::timestamp AT TIME ZONE 'UTC')"
    )


def _mask(columns: tuple[str, ...]) -> int:
    """Return what PostgreSQL's `grouping` says of a grouping set."""
    return int("".join("0" if name in columns else "1" for name in _GROUPED), 2)


_FOLD: Final = add_days(f"SELECT day, {', '.join((*MONTHLY_KEYS, *_ADDED))} FROM usage_daily WHERE day = $1")  # noqa: S608 - constants


async def fold_day(connection: DedicatedConnection, lock: str) -> date | None:
    """Add the next day that is over, in one transaction under the lock of the rollups; None where all are in."""
    if await connection.fetchval(_NEXT) is None:
        return None
    async with connection.transaction():
        await connection.execute(lock, timeout=FOLD_TIMEOUT_S)
        day: date | None = await connection.fetchval(_NEXT)
        if day is not None:
            await connection.execute(_FOLD, day, timeout=FOLD_TIMEOUT_S)
            await connection.execute(_NOTE, day)
    return day
