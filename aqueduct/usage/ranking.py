"""The most expensive groups of a report without adding up all groups; knows no HTTP and no command."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from math import ceil
from typing import Final

import asyncpg

from aqueduct.db.connections import DedicatedConnection
from aqueduct.db.names import RANKED
from aqueduct.usage.periods import ONE_DAY, Days, spans
from aqueduct.usage.ranking_statements import (
    MAX_DEPTH,
    Order,
    Ranked,
    RankedDays,
    days_statement,
    depth_statement,
    ranked_statement,
)
from aqueduct.usage.reports import COLUMNS, Connection, Dimension, ReportQuery, ReportRow, report, rows_of, usable_until
from aqueduct.usage.sources import DAILY, Part, days_of, parts, ranked_of

_DIMENSIONS: Final[dict[str, Dimension]] = {column: name for name, column in COLUMNS.items()}


def _kinds(span: str) -> dict[frozenset[Dimension], str]:
    return {
        frozenset(_DIMENSIONS[column] for column in columns[1:]): name.removesuffix(f"_{span}")
        for name, columns in RANKED.items()
        if columns[0] == span
    }


_FEW: Final = (
    "org_provider",
    "cost_center",
    "org_cost_center",
    "provider_cost_center",
    "service_account",
    "service_account_model",
)
"""Kinds that are added up from their rows by the day: as fast, and as exact for parts of months."""
KINDS: Final = {by: kind for by, kind in _kinds("month").items() if kind not in _FEW}
"""By what a report must add up, exactly, so that each of its groups is one row a month, and there are many."""
DAY_KINDS: Final = _kinds("day")
"""By what, beside the day, so that each of its groups is one row."""
DEPTHS: Final = (2.5, 6)
"""How many times the wanted number of groups is looked at in each span, one after the other."""
_MOSTLY: Final = 0.9
"""Where so much of the spans is meant, they are looked at as whole ones are."""
_LEAST: Final = 1.5
"""How many times at least where parts of spans are added up for all of them."""
_SPARE: Final = 1.25
"""How many more than expected are looked at then: a second look costs more."""
SETTINGS: Final = (
    "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0;"
    " SET LOCAL enable_bitmapscan = off"
)
"""A report has some ten thousand groups: hashing them takes half as long as sorting, and compiling longer than both.

A bitmap has no order: by it, all of a span would be read and sorted where the planner takes the span for a small one.
"""


async def read_report(connection: DedicatedConnection, query: ReportQuery) -> list[ReportRow]:
    """Return a report from one state of the database: a day that is folded between two statements would count twice."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(SETTINGS)
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
    """Return how many groups of each span to look at, one after the other; none where that is not worth it.

    A part of a span needs more than a whole one, and how many depends on how much the dearest stand out.
    """
    if not ranked.days or ranked.share > _MOSTLY:
        return tuple(ranked.top * times for times in DEPTHS)
    statement, arguments = depth_statement(ranked)
    found: int | None = (await connection.fetch(statement, *arguments))[0]["depth"]
    depth = max((found or 0) * _SPARE, ranked.top * _LEAST)
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
    found = parts(ranked_of(kind), Days(query.first, query.last), today, folded)
    read = tuple(part for part in found if part.source is not DAILY)
    days = [
        Part(DAILY, Days(part.days.first, min(part.days.last, folded)), part.is_added)
        for part in found
        if part.source is DAILY and part.days.first <= folded
    ]
    edge = [
        Part(DAILY, Days(max(part.days.first, folded + ONE_DAY), part.days.last), is_added=True)
        for part in found
        if part.source is DAILY and part.days.last > folded
    ]
    orders = _orders(kind, read, days)
    if not orders:
        return None
    asked = Days(query.first, min(query.last, folded)).count
    return Ranked(
        by=query.by,
        kind=kind,
        keys=RANKED[f"{kind}_month"][1:],
        orders=orders,
        taken=tuple(part for part in read if not part.is_added),
        days=tuple(days),
        edge=tuple(edge),
        top=query.top,
        share=min(1.0, asked / sum(Days(one.days.first, min(one.days.last, folded)).count for one in orders)),
    )


def _orders(kind: str, read: Sequence[Part], days: Sequence[Part]) -> tuple[Order, ...]:
    """Return the spans whose order is looked at: those that are read, and the shortest that parts of spans are in."""
    shortest = ranked_of(kind)[-2]
    assert shortest.span is not None  # noqa: S101 - it is ranked
    taken = [part.days for part in (*read, *days) if not part.is_added]
    found = [
        Order(part.source.kind, span, is_whole=not any(span.has(some.first) for some in taken), is_read=True)
        for part in read
        if part.is_added and part.source.span
        for span in spans(part.days, part.source.span)
    ]
    for part in days:
        if part.is_added:
            inside = spans(part.days, shortest.span)
            found += [
                Order(shortest.kind, span, is_whole=False, is_read=False) for span in inside if not _is_in(span, found)
            ]
    return tuple(found)


def _is_in(days: Days, orders: Sequence[Order]) -> bool:
    return any(one.days.has(days.first) for one in orders)


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
