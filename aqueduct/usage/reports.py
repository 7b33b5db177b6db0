"""Reports on usage: sums by day, owner and model, read from the daily rollup alone; knows no HTTP and no command."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, Protocol
from uuid import UUID

import asyncpg
import msgspec
from msgspec import UNSET, Struct, UnsetType

from aqueduct.db.usage_tables import ROLLUP_SUMS

Dimension = Literal["day", "org", "team", "cost_center", "user", "service_account", "token", "model", "provider"]
DIMENSIONS: Final[tuple[Dimension, ...]] = Dimension.__args__  # type: ignore[attr-defined]  # what a Literal is made of
MAX_DAYS: Final = 3_700
ONE_DAY: Final = timedelta(days=1)
_COLUMNS: Final[dict[Dimension, str]] = {
    "day": "day",
    "org": "org_id",
    "team": "team_id",
    "cost_center": "cost_center",
    "user": "user_id",
    "service_account": "service_account_id",
    "token": "token_id",
    "model": "model",
    "provider": "provider",
}
_TOTALS: Final[dict[str, tuple[Dimension, ...]]] = {
    "org_day": ("day", "org"),
    "model_month": ("model", "provider"),
    "model_day": ("day", "model", "provider"),
    "team_month": ("org", "team", "cost_center"),
    "user_month": ("org", "user"),
    "org_model_month": ("org", "model", "provider"),
}
"""What each kind of total can be added up by, the kind with the fewest rows first.

Days outside whole months are in `usage_daily`, those by model in `model_day`.
"""
_SHOWN: Final[dict[Dimension, tuple[str, str]]] = {
    "org": ("o.slug", "LEFT JOIN orgs o ON o.id = g.org_id"),
    "team": (
        "owner.slug || '/' || t.name",
        "LEFT JOIN teams t ON t.id = g.team_id LEFT JOIN orgs owner ON owner.id = t.org_id",
    ),
    "user": ("u.email", "LEFT JOIN users u ON u.id = g.user_id"),
    "service_account": ("s.name", "LEFT JOIN service_accounts s ON s.id = g.service_account_id"),
    "token": ("k.name", "LEFT JOIN tokens k ON k.id = g.token_id"),
}
"""What an id is called today, and where that stands; a row of something that was deleted shows its id."""
_CENTERS: Final = " LEFT JOIN (SELECT id AS centered, cost_center FROM teams) AS centers ON centered = team_id"
"""Cost centres as the teams have them today."""


class Connection(Protocol):
    """What a report needs of the database."""

    async def fetch(self, query: str, *args: object) -> "list[asyncpg.Record]":
        """Return the rows of a query."""
        ...


class ReportQuery(Struct, frozen=True, kw_only=True):
    """Which usage, and how it is added up. Both days are included, in UTC; ids narrow the report to one owner."""

    first: date
    last: date
    by: tuple[Dimension, ...]
    org_id: UUID | None = None
    team_id: UUID | None = None
    user_id: UUID | None = None
    service_account_id: UUID | None = None
    max_rows: int = 100_000


class ReportRow(Struct, frozen=True, kw_only=True):
    """Sums of one group; only the dimensions that were asked for are there, null where a group has none.

    `cost` is a decimal text.
    """

    day: str | UnsetType | None = UNSET
    org: str | UnsetType | None = UNSET
    team: str | UnsetType | None = UNSET
    cost_center: str | UnsetType | None = UNSET
    user: str | UnsetType | None = UNSET
    service_account: str | UnsetType | None = UNSET
    token: str | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET
    provider: str | UnsetType | None = UNSET
    requests: int
    errors: int
    unsettled: int
    unpriced: int
    attempts: int
    duration_ms: int
    prompt_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cost: str


_SUMS: Final = tuple(f"g.{name}" for name in (*ROLLUP_SUMS, "cost"))


class _Part(Struct, frozen=True):
    """Days that are read from one place: a kind of `usage_totals`, or `usage_daily` where that is None."""

    kind: str | None
    first: date
    last: date


def report_statement(query: ReportQuery, today: date | None = None) -> tuple[str, list[object]]:
    """Return the statement and its arguments; groups come in the order of their dimensions.

    A month that is not over is read as a whole where the report goes up to `today`, in UTC.
    """
    arguments: list[object] = []
    owners: list[str] = []
    for column in ("org_id", "team_id", "user_id", "service_account_id"):
        value: UUID | None = getattr(query, column)
        if value is not None:
            arguments.append(value)
            owners.append(f"{column} = ${len(arguments)}")
    keys = [_COLUMNS[name] for name in query.by]
    stored = ["team_id" if key == "cost_center" else key for key in keys]
    parts = [
        _select(part, list(dict.fromkeys(stored)), owners, arguments)
        for part in _parts(query, today or datetime.now(UTC).date())
    ]
    sums = ", ".join(f"usage.total({name}) AS {name}" for name in ROLLUP_SUMS)
    centers = _CENTERS if "cost_center" in query.by else ""
    grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
    inner = (
        f"SELECT {', '.join([*keys, sums, 'sum(cost) AS cost'])} FROM ({' UNION ALL '.join(parts)}) AS parts"  # noqa: S608 - constants
        f"{centers}{grouped} HAVING count(*) > 0"
    )
    columns = ", ".join([*(f'{_name(name)} COLLATE "C" AS {name}_shown' for name in query.by), *_SUMS])
    joins = "".join(f" {_SHOWN[name][1]}" for name in query.by if name in _SHOWN)
    order = ", ".join(f"{name}_shown" for name in query.by)
    ordered = f" ORDER BY {order}" if order else ""
    return f"SELECT {columns} FROM ({inner}) AS g{joins}{ordered} LIMIT {query.max_rows}", arguments  # noqa: S608 - constants


def _name(name: Dimension) -> str:
    column = f"g.{_COLUMNS[name]}::text"
    return f"coalesce({_SHOWN[name][0]}, {column})" if name in _SHOWN else column


def _select(part: _Part, keys: list[str], owners: list[str], arguments: list[object]) -> str:
    arguments += [part.first, part.last]
    table, day, condition = "usage_daily", "day", ""
    if part.kind is not None:
        table, day, condition = "usage_totals", "first_day", f"kind = '{part.kind}' AND "
    days = f"{day} BETWEEN ${len(arguments) - 1} AND ${len(arguments)}"
    columns = [f"{day} AS day" if key == "day" else key for key in keys]
    return (
        f"SELECT {', '.join([*columns, *ROLLUP_SUMS, 'cost'])} FROM {table}"  # noqa: S608 - constants
        f" WHERE {' AND '.join([condition + days, *owners])}"
    )


def _parts(query: ReportQuery, today: date) -> list[_Part]:
    """Return where the days of a report are read, with the fewest rows."""
    kind = _kind(query)
    if kind is None or kind.endswith("_day"):
        return [_Part(kind, query.first, query.last)]
    edge = "model_day" if kind == "model_month" else None
    begin = query.first if query.first.day == 1 else _month_after(query.first)
    end = query.last if query.last >= today else (query.last + ONE_DAY).replace(day=1) - ONE_DAY
    if begin > end:
        return [_Part(edge, query.first, query.last)]
    parts = [_Part(kind, begin, end)]
    if query.first < begin:
        parts.append(_Part(edge, query.first, begin - ONE_DAY))
    if end < query.last:
        parts.append(_Part(edge, end + ONE_DAY, query.last))
    return parts


def _kind(query: ReportQuery) -> str | None:
    """Return the kind of totals that has all that a report asks for, None where only `usage_daily` has it."""
    if query.team_id or query.user_id or query.service_account_id:  # they have few rows, and indexes of their own
        return None
    wanted = {*query.by} if query.org_id is None else {*query.by, "org"}
    return next((kind for kind, has in _TOTALS.items() if wanted <= set(has)), None)


def _month_after(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


async def report(connection: Connection, query: ReportQuery) -> list[ReportRow]:
    """Return the sums."""
    statement, arguments = report_statement(query)
    return [_row(query.by, record) for record in await connection.fetch(statement, *arguments)]


def _row(by: Sequence[Dimension], record: asyncpg.Record) -> ReportRow:
    names: dict[str, str | None] = {name: record[f"{name}_shown"] for name in by}
    sums: dict[str, int] = {name: record[name] for name in ROLLUP_SUMS}
    return msgspec.convert({**names, **sums, "cost": decimal_text(record["cost"])}, ReportRow)


def decimal_text(amount: Decimal) -> str:
    """Return an amount without exponent and trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
