"""The most expensive groups of a report without adding up all groups; knows no HTTP and no command."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from math import ceil
from typing import Final

import asyncpg

from aqueduct.db.connections import DedicatedConnection
from aqueduct.db.names import RANKED
from aqueduct.usage.periods import ONE_DAY, Days, Spans, starts
from aqueduct.usage.ranking_statements import (
    MAX_DEPTH,
    Month,
    Ranked,
    RankedDays,
    days_statement,
    depth_statement,
    ranked_statement,
)
from aqueduct.usage.reports import COLUMNS, Connection, Dimension, ReportQuery, ReportRow, report, rows_of, usable_until
from aqueduct.usage.sources import DAILY, Part, days_of, parts

_DIMENSIONS: Final[dict[str, Dimension]] = {column: name for name, column in COLUMNS.items()}


def _kinds(span: str) -> dict[frozenset[Dimension], str]:
    return {
        frozenset(_DIMENSIONS[column] for column in columns[1:]): name.removesuffix(f"_{span}")
        for name, columns in RANKED.items()
        if columns[0] == span and not (span == "month" and f"{name.removesuffix('month')}day" in RANKED)
    }


KINDS: Final = _kinds("month")
"""By what a report must add up, exactly, so that each of its groups is one row a month, and there are many."""
DAY_KINDS: Final = _kinds("day")
"""By what, beside the day, so that each of its groups is one row."""
DEPTHS: Final = (1.5, 6)
"""How many times the wanted number of groups is looked at in each month, one after the other."""
_SPARE: Final = 1.25
"""How many more than expected are looked at for a part of a month: a second look costs more."""
_SETTINGS: Final = (
    "SET LOCAL work_mem = '64MB'",
    "SET LOCAL jit = off",
    "SET LOCAL max_parallel_workers_per_gather = 0",
)
"""A report has some ten thousand groups: hashing them takes half as long as sorting, and compiling longer than both."""


async def read_report(connection: DedicatedConnection, query: ReportQuery) -> list[ReportRow]:
    """Return a report from one state of the database: a day that is folded between two statements would count twice."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for setting in _SETTINGS:
            await connection.execute(setting)
        return await (report if query.top is None else dearest)(connection, query)


async def dearest(connection: Connection, query: ReportQuery) -> list[ReportRow]:
    """Return the `top` groups of the highest cost, the highest first."""
    if _kind(query) is None:
        return await report(connection, query)
    today, until = datetime.now(UTC).date(), await usable_until(connection, query)
    by_day = rank_days(query, today, until)
    if by_day is not None:
        statement, arguments = days_statement(by_day)
        return rows_of(query.by, await connection.fetch(statement, *arguments))
    ranked = rank(query, today, until)
    if ranked is not None:
        for depth in await _depths(connection, ranked):
            statement, arguments = ranked_statement(ranked, ceil(depth))
            records = await connection.fetch(statement, *arguments)
            if _are_dearest(records, ranked.top):
                return rows_of(query.by, records)
    return await report(connection, query)


async def _depths(connection: Connection, ranked: Ranked) -> tuple[float, ...]:
    """Return how many groups of each month to look at, one after the other; none where that is not worth it.

    A part of a month needs more than a month, and how many depends on how much the dearest stand out.
    """
    if not ranked.days:
        return tuple(ranked.top * times for times in DEPTHS)
    statement, arguments = depth_statement(ranked)
    found: int | None = (await connection.fetch(statement, *arguments))[0]["depth"]
    depth = max((found or 0) * _SPARE, ranked.top * DEPTHS[0])
    return tuple(deeper for deeper in (depth, depth * 2) if deeper <= MAX_DEPTH)


def rank_days(query: ReportQuery, today: date, folded: date | None) -> RankedDays | None:
    """Return how a report by day and more is read, None where it is none, or to be added up as a whole."""
    kind = _kind(query)
    if kind is None or folded is None or query.top is None or "day" not in query.by or query.first > folded:
        return None
    found = parts(days_of(kind), Days(query.first, query.last), today, folded)
    edge = tuple(part for part in found if part.source is DAILY)
    days = Days(query.first, min(query.last, folded))
    return RankedDays(query.by, f"{kind}_day", RANKED[f"{kind}_day"][1:], days, edge, query.top)


def rank(query: ReportQuery, today: date, folded: date | None) -> Ranked | None:
    """Return how the days of a report are read, None where it is to be added up as a whole."""
    kind = _kind(query)
    if kind is None or folded is None or query.top is None or "day" in query.by:
        return None
    cover = Spans(until=folded, today=today).cover(Days(query.first, query.last))
    more = [Days(days.first, min(days.last, folded)) for days in cover.more if days.first <= folded]
    edge = [Days(max(days.first, folded + ONE_DAY), days.last) for days in cover.more if days.last > folded]
    in_part = {first for days in (*more, *cover.fewer) for first in starts(days, "month")}
    read = {span.first for span in cover.spans}
    months = tuple(Month(first, first not in in_part, first in read) for first in sorted(in_part | read))
    asked = Days(query.first, min(query.last, folded)).count
    in_part_days = (*(Part(DAILY, days, True) for days in more), *(Part(DAILY, days, False) for days in cover.fewer))  # noqa: FBT003 - is_added
    if not months:
        return None
    return Ranked(
        by=query.by,
        kind=kind,
        keys=RANKED[f"{kind}_month"][1:],
        months=months,
        days=in_part_days,
        edge=tuple(Part(DAILY, days, is_added=True) for days in edge),
        top=query.top,
        share=asked / sum(min(month.days.last, folded).day for month in months),
    )


def _kind(query: ReportQuery) -> str | None:
    """Return the kind whose rows are the groups of a report on everybody. A team has one cost centre, or none."""
    if any((query.org_id, query.team_id, query.user_id, query.service_account_id)):
        return None
    apart: tuple[Dimension, ...] = ("day", "cost_center") if "team" in query.by else ("day",)
    kinds = DAY_KINDS if "day" in query.by else KINDS
    return kinds.get(frozenset(name for name in query.by if name not in apart))


def _are_dearest(records: "Sequence[asyncpg.Record]", top: int) -> bool:
    """Whether no group that was not looked at can cost more, or as much for more requests."""
    if not records:
        return False
    if not records[0]["is_cut"]:
        return True
    first, last = records[0], records[-1]
    bound: tuple[object, object] = (first["bound_cost"], first["bound_requests"])
    return len(records) == top and (last["cost"], last["requests"]) >= bound
