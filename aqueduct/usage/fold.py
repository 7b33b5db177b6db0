"""Days that are over into `usage_ranked`: each once, and what comes late for one when it comes; knows no report.

The recorder adds a day when it has ended, so that a batch does not pay for it. Whatever adds to `usage_daily` holds the
lock of the rollups, and so does folding: a row of a day that is folded is either in the day's rows by then, or finds
the day folded and is added by `add_late`. Cost centres are those of `ranked_centers`; where a team gets another one,
its folded days move there.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from aqueduct.db.connections import DedicatedConnection
from aqueduct.db.names import RANKED, RANKED_KEYS
from aqueduct.usage.grouping import ADDED, added_to, grouping_sets, kind_of_set, summed

FOLD_TIMEOUT_S: Final = 300.0
"""Longer than a connection gives its other commands: a day has many rows."""
MOVED_TEAMS: Final = 200
"""How many teams move to other cost centres in one transaction: writers of rollups wait for it."""
SPANS: Final = {
    "day": "day",
    "five_days": "date_trunc('month', day)::date + least((extract(day FROM day)::int - 1) / 5, 5) * 5",
    "month": "date_trunc('month', day)::date",
    "year": "date_trunc('year', day)::date",
}
"""The first day of each span that a `day` is in."""
_TEXTS: Final = {"model", "provider", "cost_center"}
_STORED: Final = tuple(key for key in RANKED_KEYS if key != "cost_center")
"""The keys that `usage_daily` has."""
_NEXT: Final = """
SELECT coalesce((SELECT min(day) FROM usage_daily WHERE day > coalesce(f.until, '-infinity') AND day <= c.last), c.last)
  FROM (SELECT (now() AT TIME ZONE 'UTC' - interval '1 hour')::date - 1 AS last) AS c
  LEFT JOIN usage_ranked_until f ON true
 WHERE f.until IS NULL OR f.until < c.last
"""
"""The next day to fold, or the last one without rows; none where all is done. A day has an hour for its last rows."""
_NOTE: Final = (
    "INSERT INTO usage_ranked_until (until) VALUES ($1) ON CONFLICT (id) DO UPDATE SET until = excluded.until"
)
_MOVED: Final = """
SELECT coalesce(t.id, c.team_id) AS team_id, c.cost_center AS before, t.cost_center AS after
  FROM teams t FULL JOIN ranked_centers c ON c.team_id = t.id WHERE t.cost_center IS DISTINCT FROM c.cost_center
"""
CENTERS_AGREE: Final = f"SELECT NOT EXISTS ({_MOVED})"
"""Whether folded days are added up by the cost centres that teams have today."""


def ranked_key(kind: str, first_day: str, keys: Mapping[str, str]) -> str:
    """Return the id of a row, from the expressions of its keys; those that its kind has not are null."""
    named = ", ".join(keys.get(key, f"NULL::{'text' if key in _TEXTS else 'uuid'}") for key in RANKED_KEYS)
    return f"md5(row({kind}, {first_day} - '2000-01-01'::date, {named})::text)::uuid"


def add_days(days: str, kinds: Mapping[str, Sequence[str]] = RANKED) -> str:
    """Return the statement that adds what the query `days` gives per day and keys of the daily rollup."""
    centered = f"SELECT given.*, cost_center FROM ({days}) AS given LEFT JOIN ranked_centers USING (team_id)"  # noqa: S608 - constants
    return _add(centered, kinds)


def _add(days: str, kinds: Mapping[str, Sequence[str]], before: str = "") -> str:
    columns = ", ".join(("kind", "first_day", *RANKED_KEYS, *ADDED))
    grouped = {column for columns in kinds.values() for column in columns}
    missing = {
        key: f"NULL::{'text' if key in _TEXTS else 'uuid'} AS {key}" for key in RANKED_KEYS if key not in grouped
    }
    spans = [span for span in SPANS if span in grouped]
    starts = ", ".join(f"{SPANS[span]} AS {span}" for span in spans)
    found = ", ".join(missing.get(key, key) for key in RANKED_KEYS)
    return f"""
WITH {before}days AS (
    SELECT {starts}, {", ".join((*sorted(grouped & {*RANKED_KEYS}), *ADDED))} FROM ({days}) AS given
), totals AS (
    SELECT {kind_of_set(kinds)} AS kind, coalesce({", ".join(spans)}) AS first_day, {found}, {summed()}
      FROM days {grouping_sets(kinds)}
)
INSERT INTO usage_ranked AS r (id, {columns})
SELECT {ranked_key("kind", "first_day", {key: key for key in RANKED_KEYS})}, {columns} FROM totals
 ORDER BY kind, first_day, 1
    ON CONFLICT (id) DO UPDATE SET {added_to()}
"""  # noqa: S608 - constants


def add_late(hours: str) -> str:
    """Return the statement that adds what the query `hours` gives for days that are folded already."""
    return add_days(
        f"SELECT (hour AT TIME ZONE 'UTC')::date AS day, {', '.join((*_STORED, *ADDED))} FROM ({hours}) AS late"  # noqa: S608 - constants
        " WHERE (hour AT TIME ZONE 'UTC')::date <= (SELECT until FROM usage_ranked_until)"
    )


def has_late(source: str) -> str:
    """Return the query whether rows of `source` began on days that are folded already."""
    return (
        f"SELECT EXISTS (SELECT FROM {source}, usage_ranked_until"  # noqa: S608 - constants
        " WHERE started_at < (until + 1)::timestamp AT TIME ZONE 'UTC')"
    )


def _move() -> str:
    """Return the statement that takes the folded days of some teams to the cost centres that they have today.

    It is one statement, so that teams are as it began, whoever changes them meanwhile.
    """
    kinds = {kind: columns for kind, columns in RANKED.items() if "cost_center" in columns}
    folded = "FROM moved JOIN usage_daily USING (team_id) WHERE day <= (SELECT until FROM usage_ranked_until)"
    taken = ", ".join(f"-{name} AS {name}" for name in ADDED)
    days = (
        f"SELECT day, org_id, model, provider, before AS cost_center, {taken} {folded}"
        f" UNION ALL SELECT day, org_id, model, provider, after, {', '.join(ADDED)} {folded}"
    )
    noted = f"""moved AS MATERIALIZED ({_MOVED} LIMIT {MOVED_TEAMS}),
unset AS (DELETE FROM ranked_centers WHERE team_id IN (SELECT team_id FROM moved WHERE after IS NULL)),
set AS (
    INSERT INTO ranked_centers (team_id, cost_center) SELECT team_id, after FROM moved WHERE after IS NOT NULL
        ON CONFLICT (team_id) DO UPDATE SET cost_center = excluded.cost_center
),
"""  # noqa: S608 - constants
    return _add(days, kinds, noted)


_FOLD: Final = add_days(f"SELECT day, {', '.join((*_STORED, *ADDED))} FROM usage_daily WHERE day = $1")  # noqa: S608 - constants
_MOVE: Final = _move()


async def fold_day(connection: DedicatedConnection, lock: str) -> date | None:
    """Add the next day that is over, in one transaction under the lock of the rollups; None where all are in."""
    await move_centers(connection, lock)
    if await connection.fetchval(_NEXT) is None:
        return None
    async with connection.transaction():
        await connection.execute(lock, timeout=FOLD_TIMEOUT_S)
        day: date | None = await connection.fetchval(_NEXT)
        if day is not None:
            await connection.execute(_FOLD, day, timeout=FOLD_TIMEOUT_S)
            await connection.execute(_NOTE, day)
    return day


async def move_centers(connection: DedicatedConnection, lock: str) -> None:
    """Take the folded days of teams to the cost centres that they have today, where those are others."""
    while not await connection.fetchval(CENTERS_AGREE):
        async with connection.transaction():
            await connection.execute(lock, timeout=FOLD_TIMEOUT_S)
            await connection.execute(_MOVE, timeout=FOLD_TIMEOUT_S)
