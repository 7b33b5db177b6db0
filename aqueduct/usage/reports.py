"""Reports on usage: sums by day, owner and model, read from rollups alone; knows no HTTP and no command."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, Literal, Protocol
from uuid import UUID

import asyncpg
from msgspec import UNSET, Struct, UnsetType

from aqueduct.db.names import ROLLUP_SUMS
from aqueduct.usage.fold import CENTERS_AGREE
from aqueduct.usage.grouping import ADDED, summed
from aqueduct.usage.periods import Days
from aqueduct.usage.sources import DAILY, Part, Source, parts, sources_of

Dimension = Literal["day", "org", "team", "cost_center", "user", "service_account", "token", "model", "provider"]
DIMENSIONS: Final[tuple[Dimension, ...]] = Dimension.__args__  # type: ignore[attr-defined]  # what a Literal is made of
MAX_DAYS: Final = 3_700
COLUMNS: Final[dict[Dimension, str]] = {
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
_NO_ID: Final = "'00000000-0000-0000-0000-000000000000'::uuid"
_NOTHING: Final = {"day": "'-infinity'::date", **dict.fromkeys(("model", "provider", "cost_center"), "''")}
"""What stands for nothing in a column where rows are compared, beside whether there is nothing."""
CENTERS: Final = " LEFT JOIN (SELECT id AS centered, cost_center AS center FROM teams) AS centers ON centered = team_id"
"""Cost centres as the teams have them today."""


class Connection(Protocol):
    """What a report needs of the database."""

    async def fetch(self, query: str, *args: object) -> "list[asyncpg.Record]":
        """Return the rows of a query."""
        ...


class ReportQuery(Struct, frozen=True, kw_only=True):
    """Which usage, and how it is added up. Both days are included, in UTC; ids narrow the report to one owner.

    `top`: only so many groups, those of the highest cost, the highest first. `max_rows`: the first so many, by name;
    who has to tell that there are more asks for one more.
    """

    first: date
    last: date
    by: tuple[Dimension, ...]
    org_id: UUID | None = None
    team_id: UUID | None = None
    user_id: UUID | None = None
    service_account_id: UUID | None = None
    top: int | None = None
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


_SUMS: Final = tuple(f"g.{name}" for name in ADDED)


class Read(Struct, frozen=True):
    """A part with its condition."""

    part: Part
    condition: str

    def query(self, keys: Sequence[str], added: Sequence[str], more: Sequence[str] = ()) -> str:
        """Return the query of its rows, which hold `more` conditions; those to be taken away have a minus."""
        source = self.part.source
        is_mapped = "cost_center" in keys and not source.is_centered
        named = {"day": f"{source.day} AS day", **({"cost_center": "center AS cost_center"} if is_mapped else {})}
        columns = [named.get(key, key) for key in keys]
        sums = added_or_taken(added, is_added=self.part.is_added)
        centers = CENTERS if is_mapped else ""
        where = " AND ".join((self.condition, *more))
        return f"SELECT {', '.join([*columns, *sums])} FROM {source.table}{centers} WHERE {where}"  # noqa: S608 - constants


def added_or_taken(sums: Sequence[str], *, is_added: bool) -> list[str]:
    """Return the columns of sums, with a minus where they are to be taken away."""
    return [name if is_added else f"-{name} AS {name}" for name in sums]


def report_statement(
    query: ReportQuery, today: date | None = None, folded: date | None = None
) -> tuple[str, list[object]]:
    """Return the statement and its arguments.

    Groups come in the order of their dimensions, or by cost where only the most expensive are asked for. A month that
    is not over is read as a whole where the report goes up to `today`, in UTC. Days up to `folded` are in
    `usage_ranked`.
    """
    arguments: list[object] = []
    owners = owner_conditions(query, arguments)
    keys = [COLUMNS[name] for name in query.by]
    days = Days(query.first, query.last)
    found = parts(_sources(query), days, today or datetime.now(UTC).date(), folded)
    read = [read_part(part, owners, arguments) for part in found]
    groups = _groups(keys, read)
    if query.top is None:
        order = ", ".join(f"{name}_shown" for name in query.by)
        ordered = f" ORDER BY {order}" if order else ""
        return f"{shown(query.by, groups)}{ordered} LIMIT {query.max_rows}", arguments
    dearest = f"{groups} ORDER BY cost DESC, requests DESC LIMIT {query.top}"
    return f"{shown(query.by, dearest)} ORDER BY g.cost DESC, g.requests DESC", arguments


def _groups(keys: list[str], read: list[Read]) -> str:
    """Return the query that adds up what is read."""
    every = " UNION ALL ".join(one.query(keys, ADDED) for one in read)
    grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
    return (
        f"SELECT {', '.join([*keys, summed(table='parts')])} FROM ({every}) AS parts{grouped}"  # noqa: S608 - constants
        " HAVING usage.total(parts.requests) > 0"
    )


def same(keys: Sequence[str], one: str, other: str) -> str:
    """Return the condition that two rows are of one group, also where that is nothing; a hash join can use it."""
    pairs = zip(comparable(keys, one), comparable(keys, other), strict=True)
    return " AND ".join(f"{left} = {right}" for left, right in pairs)


def comparable(keys: Sequence[str], table: str) -> list[str]:
    """Return expressions that are equal for rows of one group, and never null."""
    values = [f"coalesce({table}.{key}, {_NOTHING.get(key, _NO_ID)})" for key in keys]
    return [*values, *(f"({table}.{key} IS NULL)" for key in keys)]


def owner_conditions(query: ReportQuery, arguments: list[object]) -> list[str]:
    """Return what narrows a report to its owners; their ids are added to the arguments."""
    owners: list[str] = []
    for column in ("org_id", "team_id", "user_id", "service_account_id"):
        value: UUID | None = getattr(query, column)
        if value is not None:
            arguments.append(value)
            owners.append(f"{column} = ${len(arguments)}")
    return owners


def shown(by: tuple[Dimension, ...], groups: str) -> str:
    """Return the query that names what the groups `g` stand for."""
    columns = ", ".join([*(f'{_name(name)} COLLATE "C" AS {name}_shown' for name in by), *_SUMS])
    joins = "".join(f" {_SHOWN[name][1]}" for name in by if name in _SHOWN)
    return f"SELECT {columns} FROM ({groups}) AS g{joins}"  # noqa: S608 - constants


def _name(name: Dimension) -> str:
    column = f"g.{COLUMNS[name]}::text"
    return f"coalesce({_SHOWN[name][0]}, {column})" if name in _SHOWN else column


def read_part(part: Part, owners: Sequence[str], arguments: list[object]) -> Read:
    """Return a part with its condition; its days are added to the arguments."""
    arguments += [part.days.first, part.days.last]
    source = part.source
    condition = f"kind = '{source.kind}' AND " if source.kind else ""
    days = f"{condition}{source.day} BETWEEN ${len(arguments) - 1} AND ${len(arguments)}"
    return Read(part, " AND ".join([days, *owners]))


def _sources(query: ReportQuery) -> tuple[Source, ...]:
    """Return the sources that have all that a report asks for."""
    if query.team_id or query.user_id or query.service_account_id:  # they have few rows, and indexes of their own
        return (DAILY,)
    return sources_of([COLUMNS[name] for name in query.by], of_an_org=query.org_id is not None)


async def report(connection: Connection, query: ReportQuery) -> list[ReportRow]:
    """Return the sums."""
    today = datetime.now(UTC).date()
    folded = await usable_until(connection, query) if any(source.is_folded for source in _sources(query)) else None
    statement, arguments = report_statement(query, today, folded)
    return rows_of(query.by, await connection.fetch(statement, *arguments))


async def usable_until(connection: Connection, query: ReportQuery) -> date | None:
    """Return the last day that a report can read from `usage_ranked`, None where that has other cost centres."""
    if "cost_center" in query.by and not (await connection.fetch(CENTERS_AGREE))[0][0]:
        return None
    return await folded_until(connection)


async def folded_until(connection: Connection) -> date | None:
    """Return the last day that is in `usage_ranked`."""
    found = await connection.fetch("SELECT until FROM usage_ranked_until")
    return found[0]["until"] if found else None


def rows_of(by: Sequence[Dimension], records: "Sequence[asyncpg.Record]") -> list[ReportRow]:
    """Return the rows of a report's statement, whose columns are its dimensions, the sums and the cost."""
    names = (*by, *ROLLUP_SUMS)
    return [
        ReportRow(**dict(zip(names, record, strict=False)), cost=decimal_text(record["cost"])) for record in records
    ]


def decimal_text(amount: Decimal) -> str:
    """Return an amount without exponent and trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
