"""Reports on usage: sums by day, owner and model, read from rollups alone; knows no HTTP and no command."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Final, Literal, Protocol
from uuid import UUID

import asyncpg
import msgspec
from msgspec import UNSET, Struct, UnsetType

from aqueduct.db.names import ROLLUP_SUMS
from aqueduct.usage.periods import LATEST, Days, Span, Spans, joined

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


class _Source(Struct, frozen=True):
    """Where spans of days are read: rows of a kind in a table of totals, or `usage_daily`.

    `rows` is how many of a day's rows in the next source a whole span is worth. `is_folded`: days are added once they
    are over.
    """

    table: str = "usage_daily"
    day: str = "day"
    kind: str = ""
    span: Span | None = None
    rows: float = 1
    is_folded: bool = False


def _total(kind: str, span: Span | None = None, rows: float = 1) -> _Source:
    return _Source("usage_totals", "first_day", kind, span, rows)


def _monthly(kind: str, span: Span = "month", rows: float = 5) -> _Source:
    return _Source("usage_monthly", "first_day", kind, span, rows, is_folded=True)


_DAILY: Final = _Source()
_BY_DAY: Final = _total("model_day")
_SOURCES: Final[dict[tuple[Dimension, ...], tuple[_Source, ...]]] = {
    ("day", "org"): (_total("org_day"),),
    ("model", "provider"): (_total("model_month", "month"), _BY_DAY),
    ("day", "model", "provider"): (_BY_DAY,),
    ("team", "cost_center"): (_monthly("team_year", "year", 30), _total("team_month", "month"), _DAILY),
    ("org", "team", "cost_center"): (_total("team_month", "month"), _DAILY),
    ("org", "user"): (_total("user_month", "month", 5), _DAILY),
    ("org", "model", "provider"): (_total("org_model_month", "month", 5), _DAILY),
    ("service_account",): (_monthly("service_account", rows=1), _DAILY),
    ("token",): (_monthly("token"), _DAILY),
    ("team", "cost_center", "model"): (_monthly("team_model", rows=10), _DAILY),
    ("user", "model"): (_monthly("user_model", rows=10), _DAILY),
}
"""What each source can be added up by, the one with the fewest rows first; days outside its spans are in the next."""
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
_MANY: Final = frozenset({"team_id", "user_id", "token_id"})
"""Where groups are so many that it pays to find the most expensive first, and to add up all else for these alone."""
_NO_ID: Final = "'00000000-0000-0000-0000-000000000000'::uuid"
_NOTHING: Final = {"day": "'-infinity'::date", **dict.fromkeys(("model", "provider", "cost_center"), "''")}
"""What stands for nothing in a column where rows are compared, beside whether there is nothing."""
_CENTERS: Final = " LEFT JOIN (SELECT id AS centered, cost_center FROM teams) AS centers ON centered = team_id"
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


_SUMS: Final = tuple(f"g.{name}" for name in (*ROLLUP_SUMS, "cost"))


class _Part(Struct, frozen=True):
    """Days that are read from one source, and added or taken away."""

    source: _Source
    days: Days
    is_added: bool


class _Read(Struct, frozen=True):
    """A part with its condition."""

    part: _Part
    condition: str

    def query(self, keys: tuple[str, ...], added: Sequence[str]) -> str:
        """Return the query of its rows."""
        source = self.part.source
        columns = [f"{source.day} AS day" if key == "day" else key for key in keys]
        sums = [name if self.part.is_added else f"-{name} AS {name}" for name in added]
        return f"SELECT {', '.join([*columns, *sums])} FROM {source.table} WHERE {self.condition}"  # noqa: S608 - constants


def report_statement(
    query: ReportQuery, today: date | None = None, folded: date | None = None
) -> tuple[str, list[object]]:
    """Return the statement and its arguments.

    Groups come in the order of their dimensions, or by cost where only the most expensive are asked for. A month that
    is not over is read as a whole where the report goes up to `today`, in UTC. Days up to `folded` are in
    `usage_monthly`.
    """
    arguments: list[object] = []
    owners = owner_conditions(query, arguments)
    keys = [COLUMNS[name] for name in query.by]
    read = [_read(part, owners, arguments) for part in _parts(query, today or datetime.now(UTC).date(), folded)]
    groups = _groups(keys, read, (*ROLLUP_SUMS, "cost"))
    if query.top is None:
        order = ", ".join(f"{name}_shown" for name in query.by)
        ordered = f" ORDER BY {order}" if order else ""
        return f"{shown(query.by, groups)}{ordered} LIMIT {query.max_rows}", arguments
    by_cost = f"ORDER BY cost DESC, requests DESC LIMIT {query.top}"
    if len(keys) < 2 and not _MANY.intersection(keys):  # few groups: the rows are read once
        return f"{shown(query.by, f'{groups} {by_cost}')} ORDER BY g.cost DESC, g.requests DESC", arguments
    dearest = f"{_groups(keys, read, ('requests', 'cost'))} {by_cost}"
    groups = _groups(keys, read, (*ROLLUP_SUMS, "cost"), among="best")
    statement = f"WITH best AS MATERIALIZED ({dearest}) {shown(query.by, groups)} ORDER BY g.cost DESC, g.requests DESC"
    return statement, arguments


def _groups(keys: list[str], read: list[_Read], added: Sequence[str], among: str | None = None) -> str:
    """Return the query that adds up what is read; of all groups, or of those that the query `among` gives."""
    stored = dict.fromkeys("team_id" if key == "cost_center" else key for key in keys)
    parts = " UNION ALL ".join(one.query(tuple(stored), added) for one in read)
    centers = _CENTERS if "cost_center" in keys else ""
    every = f"(SELECT {', '.join([*keys, *added])} FROM ({parts}) AS stored{centers}) AS parts"  # noqa: S608 - constants
    joined = f" JOIN {among} ON {same(keys, 'parts', among)}" if among else ""
    sums = [f"{'sum' if name == 'cost' else 'usage.total'}(parts.{name}) AS {name}" for name in added]
    named = [f"parts.{key}" for key in keys]
    grouped = f" GROUP BY {', '.join(named)}" if keys else ""
    return f"SELECT {', '.join([*named, *sums])} FROM {every}{joined}{grouped} HAVING usage.total(parts.requests) > 0"  # noqa: S608 - constants


def same(keys: Sequence[str], one: str, other: str) -> str:
    """Return the condition that two rows are of one group, also where that is nothing; a hash join can use it."""
    return " AND ".join(
        f"coalesce({one}.{key}, {_NOTHING.get(key, _NO_ID)}) = coalesce({other}.{key}, {_NOTHING.get(key, _NO_ID)})"
        f" AND ({one}.{key} IS NULL) = ({other}.{key} IS NULL)"
        for key in keys
    )


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


def _read(part: _Part, owners: list[str], arguments: list[object]) -> _Read:
    arguments += [part.days.first, part.days.last]
    source = part.source
    condition = f"kind = '{source.kind}' AND " if source.kind else ""
    days = f"{condition}{source.day} BETWEEN ${len(arguments) - 1} AND ${len(arguments)}"
    return _Read(part, " AND ".join([days, *owners]))


def _parts(query: ReportQuery, today: date, folded: date | None) -> list[_Part]:
    """Return where the days of a report are read, with the fewest rows."""
    sources = [source for source in _sources(query) if folded is not None or not source.is_folded]
    parts = [_Part(sources[0], Days(query.first, query.last), is_added=True)]
    for source, finer in pairwise(sources):
        if source.span is None:
            continue
        until = folded if source.is_folded and folded is not None else LATEST
        spans = Spans(span=source.span, until=until, today=today, day_cost=1 / source.rows)
        parts = [one for part in parts for one in (_split(part, spans, finer) if part.source is source else (part,))]
    return parts


def _split(part: _Part, spans: Spans, finer: _Source) -> Iterator[_Part]:
    """Yield the whole spans of a part, and the days that are read from the finer source."""
    found = spans.cover(part.days)
    for days in joined(found.spans):
        yield _Part(part.source, days, part.is_added)
    for days in found.more:
        yield _Part(finer, days, part.is_added)
    for days in found.fewer:
        yield _Part(finer, days, not part.is_added)


def _sources(query: ReportQuery) -> tuple[_Source, ...]:
    """Return the sources that have all that a report asks for; `usage_daily` alone has everything."""
    if query.team_id or query.user_id or query.service_account_id:  # they have few rows, and indexes of their own
        return (_DAILY,)
    wanted = {*query.by} if query.org_id is None else {*query.by, "org"}
    return next((sources for has, sources in _SOURCES.items() if wanted <= set(has)), (_DAILY,))


async def report(connection: Connection, query: ReportQuery) -> list[ReportRow]:
    """Return the sums."""
    today = datetime.now(UTC).date()
    folded = await folded_until(connection) if any(source.is_folded for source in _sources(query)) else None
    statement, arguments = report_statement(query, today, folded)
    return rows_of(query.by, await connection.fetch(statement, *arguments))


async def folded_until(connection: Connection) -> date | None:
    """Return the last day that is in `usage_monthly`."""
    found = await connection.fetch("SELECT until FROM usage_folded")
    return found[0]["until"] if found else None


def rows_of(by: Sequence[Dimension], records: "Sequence[asyncpg.Record]") -> list[ReportRow]:
    """Return the rows of a report's statement."""
    return [_row(by, record) for record in records]


def _row(by: Sequence[Dimension], record: asyncpg.Record) -> ReportRow:
    names: dict[str, str | None] = {name: record[f"{name}_shown"] for name in by}
    sums: dict[str, int] = {name: record[name] for name in ROLLUP_SUMS}
    return msgspec.convert({**names, **sums, "cost": decimal_text(record["cost"])}, ReportRow)


def decimal_text(amount: Decimal) -> str:
    """Return an amount without exponent and trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
