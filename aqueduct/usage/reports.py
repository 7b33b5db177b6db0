"""Reports on usage: sums by day, owner and model, read from the daily rollup alone; knows no HTTP and no command."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final, Literal, Protocol
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from aqueduct.db.usage_tables import ROLLUP_SUMS

Dimension = Literal["day", "org", "team", "cost_center", "user", "service_account", "token", "model", "provider"]
DIMENSIONS: Final[tuple[Dimension, ...]] = Dimension.__args__  # type: ignore[attr-defined]  # what a Literal is made of
MAX_DAYS: Final = 3_700
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
_NAMES: Final[dict[Dimension, str]] = {
    "org": "(SELECT slug FROM orgs WHERE id = org_id)",
    "team": "(SELECT o.slug || '/' || t.name FROM teams t JOIN orgs o ON o.id = t.org_id WHERE t.id = team_id)",
    "user": "(SELECT email FROM users WHERE id = user_id)",
    "service_account": "(SELECT name FROM service_accounts WHERE id = service_account_id)",
    "token": "(SELECT name FROM tokens WHERE id = token_id)",
}
"""What an id is called today; a row of something that was deleted shows its id."""
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
    token_id: UUID | None = None
    max_rows: int = 100_000


class ReportRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sums of one group; only the dimensions that were asked for are there. `cost` is a decimal text."""

    day: str | None = None
    org: str | None = None
    team: str | None = None
    cost_center: str | None = None
    user: str | None = None
    service_account: str | None = None
    token: str | None = None
    model: str | None = None
    provider: str | None = None
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


def report_statement(query: ReportQuery) -> tuple[str, list[object]]:
    """Return the statement and its arguments; groups come in the order of their dimensions."""
    arguments: list[object] = [query.first, query.last]
    conditions = ["day BETWEEN $1 AND $2"]
    for column in ("org_id", "team_id", "user_id", "service_account_id", "token_id"):
        value: UUID | None = getattr(query, column)
        if value is not None:
            arguments.append(value)
            conditions.append(f"{column} = ${len(arguments)}")
    keys = [_COLUMNS[name] for name in query.by]
    sums = ", ".join(f"sum({name})::bigint AS {name}" for name in ROLLUP_SUMS)
    grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
    centers = _CENTERS if "cost_center" in query.by else ""
    inner = (
        f"SELECT {', '.join([*keys, sums, 'sum(cost) AS cost'])} FROM usage_daily{centers}"  # noqa: S608 - constants
        f" WHERE {' AND '.join(conditions)}{grouped} HAVING count(*) > 0"
    )
    shown = [
        f"coalesce({_NAMES[name]}, {_COLUMNS[name]}::text) AS {name}_shown"
        if name in _NAMES
        else f"{_COLUMNS[name]}::text AS {name}_shown"
        for name in query.by
    ]
    order = f" ORDER BY {', '.join(f'{name}_shown' for name in query.by)}" if query.by else ""
    columns = ", ".join([*shown, *ROLLUP_SUMS, "cost"])
    return f"SELECT {columns} FROM ({inner}) AS grouped{order} LIMIT {query.max_rows}", arguments  # noqa: S608 - constants


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
