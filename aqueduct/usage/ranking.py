"""The most expensive groups of a report without adding up all groups; knows no HTTP and no command.

Each month of `usage_monthly` has its rows in order of their cost. A group that is among the first `k` of no month costs
at most what the last of them costs in each; where the groups that were found cost more than that, they are the most
expensive of all (Fagin's threshold algorithm). Days outside whole months are added up as a whole.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from math import ceil
from typing import Final

import asyncpg
from msgspec import Struct

from aqueduct.db.connections import DedicatedConnection
from aqueduct.db.names import ROLLUP_SUMS
from aqueduct.usage.fold import monthly_key
from aqueduct.usage.periods import Cover, Days, Spans
from aqueduct.usage.reports import (
    COLUMNS,
    Connection,
    Dimension,
    ReportQuery,
    ReportRow,
    folded_until,
    report,
    rows_of,
    same,
    shown,
)

KINDS: Final[dict[frozenset[Dimension], str]] = {
    frozenset({"team"}): "team",
    frozenset({"user"}): "user",
    frozenset({"service_account"}): "service_account",
    frozenset({"token"}): "token",
    frozenset({"org", "model"}): "org_model",
    frozenset({"team", "model"}): "team_model",
    frozenset({"user", "model"}): "user_model",
}
"""By what a report must add up, exactly, so that each of its groups is one row a month."""
DEPTHS: Final = (1.5, 8)
"""How many times the wanted number of groups is looked at in each month, one after the other."""
_ADDED: Final = (*ROLLUP_SUMS, "cost")


class Ranked(Struct, frozen=True):
    """What is asked for, and how its days are read."""

    by: tuple[Dimension, ...]
    kind: str
    cover: Cover
    top: int


async def read_report(connection: DedicatedConnection, query: ReportQuery) -> list[ReportRow]:
    """Return a report from one state of the database: a day that is folded between two statements would count twice."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await (report if query.top is None else dearest)(connection, query)


async def dearest(connection: Connection, query: ReportQuery) -> list[ReportRow]:
    """Return the `top` groups of the highest cost, the highest first."""
    ranked = rank(query, datetime.now(UTC).date(), await folded_until(connection))
    if ranked is not None:
        for depth in DEPTHS:
            statement, arguments = ranked_statement(ranked, ceil(ranked.top * depth))
            records = await connection.fetch(statement, *arguments)
            if _are_dearest(records, ranked.top):
                return rows_of(query.by, records)
    return await report(connection, query)


def rank(query: ReportQuery, today: date, folded: date | None) -> Ranked | None:
    """Return how the days of a report are read, None where it is to be added up as a whole."""
    kind = KINDS.get(frozenset(query.by))
    owners = (query.org_id, query.team_id, query.user_id, query.service_account_id)
    if kind is None or folded is None or query.top is None or any(owners):
        return None
    cover = Spans(until=folded, today=today).cover(Days(query.first, query.last))
    return Ranked(query.by, kind, cover, query.top) if cover.spans else None


def _are_dearest(records: "Sequence[asyncpg.Record]", top: int) -> bool:
    """Whether no group that was not looked at can cost more; groups without a cost are told apart by their requests."""
    if not records:
        return False
    if not records[0]["is_cut"]:
        return True
    least: Decimal = records[-1]["cost"]
    return len(records) == top and least > 0 and least >= records[0]["bound"]


def ranked_statement(ranked: Ranked, depth: int) -> tuple[str, list[object]]:
    """Return the statement that looks at `depth` groups of each month, and its arguments."""
    arguments: list[object] = [[span.first for span in ranked.cover.spans]]
    keys = [COLUMNS[name] for name in ranked.by]
    names = ", ".join(keys)
    sums = ", ".join(f"{'sum' if name == 'cost' else 'usage.total'}({name}) AS {name}" for name in _ADDED)
    key = monthly_key(f"'{ranked.kind}'", "span", {column: f"found.{column}" for column in keys})
    edge = _edge(ranked, arguments)
    groups = f"""
SELECT {names}, {sums} FROM (
    SELECT m.* FROM found CROSS JOIN unnest($1::date[]) AS span,
           LATERAL (SELECT {names}, {", ".join(_ADDED)} FROM usage_monthly WHERE id = {key} LIMIT 1) AS m
    UNION ALL
    SELECT edge.* FROM ({edge(names, _ADDED)}) AS edge JOIN found ON {same(keys, "edge", "found")}
) AS every GROUP BY {names} HAVING usage.total(requests) > 0
ORDER BY cost DESC, requests DESC LIMIT {ranked.top}"""  # noqa: S608 - constants
    statement = f"""
WITH top AS MATERIALIZED (
    SELECT span, best.* FROM unnest($1::date[]) AS span, LATERAL (
        SELECT {names}, cost FROM usage_monthly WHERE kind = '{ranked.kind}' AND first_day = span
         ORDER BY cost DESC LIMIT {depth}
    ) AS best
    UNION ALL
    (SELECT NULL, {names}, sum(cost) AS cost FROM ({edge(names, ("cost",))}) AS edge GROUP BY {names}
      ORDER BY cost DESC LIMIT {depth})
), found AS MATERIALIZED (SELECT DISTINCT {names} FROM top),
bound AS (
    SELECT coalesce(sum(greatest(least_cost, 0)), 0) AS bound, count(*) > 0 AS is_cut
      FROM (SELECT min(cost) AS least_cost FROM top GROUP BY span HAVING count(*) = {depth}) AS cut
)
SELECT * FROM ({shown(ranked.by, groups)}) AS named CROSS JOIN bound ORDER BY cost DESC, requests DESC
"""  # noqa: S608 - constants
    return statement, arguments


def _edge(ranked: Ranked, arguments: list[object]) -> Callable[[str, Sequence[str]], str]:
    """Return what gives the query of the days outside whole months, with a minus those that are too many in them."""
    places: list[tuple[str, str]] = []
    for sign, many in (("", ranked.cover.more), ("-", ranked.cover.fewer)):
        for days in many:
            arguments += [days.first, days.last]
            places.append((sign, f"day BETWEEN ${len(arguments) - 1} AND ${len(arguments)}"))

    def query(names: str, added: Sequence[str]) -> str:
        return " UNION ALL ".join(
            f"SELECT {names}, {', '.join(f'{sign}{name} AS {name}' for name in added)} FROM usage_daily WHERE {place}"  # noqa: S608 - constants
            for sign, place in (*places, *((("", "false"),) if not places else ()))
        )

    return query
