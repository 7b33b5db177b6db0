"""Statements that find the most expensive groups by the first rows of each span; knows no report's rows.

Each span of `usage_ranked`, a month or five days, has its rows in order of their cost. A group that is among the first
`k` of no span costs at most what the last of them costs in each; where the groups that were found cost more than that,
they are the most expensive of all (Fagin's threshold algorithm). What a group costs in a part of a span is at most what
it costs in all of it, and is added up from `usage_daily` for the groups that were found alone. Groups of one cost are
in the order of their requests, and so each comparison is of both. Days that are not folded yet are added up as a whole.
"""

from collections.abc import Sequence
from decimal import Decimal
from math import ceil
from typing import Final

from msgspec import Struct

from aqueduct.usage.fold import ranked_key
from aqueduct.usage.grouping import ADDED, summed
from aqueduct.usage.periods import Days, spans
from aqueduct.usage.reports import CENTERS, Dimension, added_or_taken, comparable, read_part, same, shown
from aqueduct.usage.sources import Part

MAX_DEPTH: Final = 2_500
"""Where so many groups would have to be looked at, the days are added up as a whole."""
_CENTI: Final = Decimal("0.01")
_DEAREST: Final = "ORDER BY cost DESC, requests DESC"
_OWNERS: Final = {
    "org_model": ("org_id", "model"),
    **{owner: (f"{owner}_id",) for owner in ("team", "user", "token")},
    **{f"{owner}_model": (f"{owner}_id",) for owner in ("team", "user")},
    **{f"org_{owner}": (f"{owner}_id",) for owner in ("team", "user")},
}
"""The columns of `usage_daily`, which have an index with the day, by which the rows of groups are found.

Of a cost centre and a model all rows of the days are read.
"""


class Order(Struct, frozen=True):
    """A span whose order is looked at, and the kind of its rows.

    `is_whole`: all its days are meant; `is_read`: its sums are read.
    """

    kind: str
    days: Days
    is_whole: bool
    is_read: bool


class Ranked(Struct, frozen=True, kw_only=True):
    """What is asked for, the columns that the rows of its kind have, and how its days are read.

    `taken`: whole spans that are taken away from longer ones; `days`: parts of spans; `edge`: days that are not folded.
    `share`: how much of the days whose orders are looked at is meant.
    """

    by: tuple[Dimension, ...]
    kind: str
    keys: tuple[str, ...]
    orders: tuple[Order, ...]
    taken: tuple[Part, ...]
    days: tuple[Part, ...]
    edge: tuple[Part, ...]
    top: int
    share: float


class RankedDays(Struct, frozen=True):
    """What is asked for by day: the days that are folded, and those that are not."""

    by: tuple[Dimension, ...]
    kind: str
    keys: tuple[str, ...]
    days: Days
    edge: tuple[Part, ...]
    top: int


def ranked_statement(ranked: Ranked, depth: int) -> tuple[str, list[object]]:
    """Return the statement that looks at `depth` groups of each span, and its arguments.

    Of the groups that it sees it adds up only those that can be among the most expensive: what a group costs in a span
    where it was not seen lies between nothing and the last cost that was. Only there is its row read by its key.
    """
    arguments: list[object] = [
        [one.kind for one in ranked.orders],
        [one.days.first for one in ranked.orders],
        [one.is_whole for one in ranked.orders],
        [one.is_read for one in ranked.orders],
    ]
    names, added = ", ".join(ranked.keys), ", ".join(ADDED)
    unread = ", ".join(name if name in {"requests", "cost"} else "NULL" for name in ADDED)
    edge = _rows(ranked.keys, ranked.edge, arguments)
    statement = f"""
WITH spans AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::date[], $3::boolean[], $4::boolean[])
                  WITH ORDINALITY AS s (span_kind, first, is_whole, is_read, span)
),
edge AS MATERIALIZED ({edge}),
top AS MATERIALIZED (
    SELECT span, is_whole, is_read, best.* FROM spans, LATERAL (
        SELECT {names}, {added}, row_number() OVER ({_DEAREST}) AS place FROM usage_ranked
         WHERE kind = span_kind AND first_day = first {_DEAREST} LIMIT {depth}
    ) AS best
    UNION ALL
    (SELECT 0, true, false, {names}, {unread}, row_number() OVER ({_DEAREST})
       FROM (SELECT {names}, {summed(("requests", "cost"))} FROM edge GROUP BY {names}) AS every
      {_DEAREST} LIMIT {depth})
),
cut AS MATERIALIZED (SELECT span, cost, requests FROM top WHERE place = {depth}),
bound AS MATERIALIZED (
    SELECT coalesce(sum(cost), 0) AS cost, coalesce(sum(requests), 0) AS requests, count(*) > 0 AS is_cut FROM cut
),
seen AS MATERIALIZED (
    SELECT {names}, coalesce(sum(top.cost) FILTER (WHERE is_whole), 0) AS least_cost,
           coalesce(sum(top.requests) FILTER (WHERE is_whole), 0) AS least_requests,
           sum(top.cost) + min(bound.cost) - coalesce(sum(cut.cost), 0) AS most_cost,
           sum(top.requests) + min(bound.requests) - coalesce(sum(cut.requests), 0) AS most_requests
      FROM top LEFT JOIN cut USING (span) CROSS JOIN bound GROUP BY {names}
),
enough AS (
    SELECT least_cost, least_requests FROM seen
     ORDER BY least_cost DESC, least_requests DESC OFFSET {ranked.top - 1} LIMIT 1
),
found AS MATERIALIZED (
    SELECT {names} FROM seen LEFT JOIN enough e ON true
     WHERE e.least_cost IS NULL OR (most_cost, most_requests) >= (e.least_cost, e.least_requests)
),
unseen AS MATERIALIZED (
    SELECT found.*, span_kind, first FROM found CROSS JOIN (SELECT * FROM spans JOIN cut USING (span)) AS every
     WHERE is_read AND NOT EXISTS (
           SELECT FROM top WHERE top.span = every.span AND {same(ranked.keys, "top", "found")})
)
SELECT named.*, is_cut, bound.cost AS bound_cost, bound.requests AS bound_requests
  FROM ({_named(ranked.by, ranked.keys, _found_groups(ranked, arguments))}) AS named CROSS JOIN bound
 ORDER BY named.cost DESC, named.requests DESC
"""  # noqa: S608 - constants
    return statement, arguments


def _found_groups(ranked: Ranked, arguments: list[object]) -> str:
    """Return the query of all sums of the groups in `found`, and of the first of them."""
    names = ", ".join(ranked.keys)
    seen = f"SELECT {', '.join(f'top.{name}' for name in (*ranked.keys, *ADDED))}"
    parts = [
        f"SELECT edge.* FROM edge JOIN found ON {same(ranked.keys, 'edge', 'found')}",  # noqa: S608 - constants
        f"{seen} FROM top JOIN found ON {same(ranked.keys, 'top', 'found')} WHERE is_read",
        _by_key("unseen", ranked.keys, ADDED),
        *(_span_taken(ranked.keys, part, arguments) for part in ranked.taken),
        *(_part_of_found(ranked, part, arguments) for part in ranked.days),
    ]
    return f"""
SELECT {names}, {summed()} FROM ({" UNION ALL ".join(parts)}) AS every GROUP BY {names} HAVING usage.total(requests) > 0
{_DEAREST} LIMIT {ranked.top}"""  # noqa: S608 - constants


def _by_key(groups: str, keys: Sequence[str], sums: Sequence[str]) -> str:
    """Return the query of the rows of groups in spans, each by its key."""
    key = ranked_key("span_kind", "first", {column: f"groups.{column}" for column in keys})
    return f"""
SELECT one.* FROM {groups} AS groups,
       LATERAL (SELECT {", ".join((*keys, *sums))} FROM usage_ranked WHERE id = {key} LIMIT 1) AS one"""  # noqa: S608 - constants


def _span_taken(keys: Sequence[str], part: Part, arguments: list[object]) -> str:
    """Return the query of the rows that the groups in `found` have in whole spans, to be taken away."""
    arguments += [part.source.kind, [span.first for span in spans(part.days, part.source.span or "day")]]
    kind, firsts = f"${len(arguments) - 1}::text", f"${len(arguments)}::date[]"
    groups = f"(SELECT found.*, {kind} AS span_kind, first FROM found CROSS JOIN unnest({firsts}) AS first)"  # noqa: S608 - constants
    return _by_key(groups, keys, added_or_taken(ADDED, is_added=False))


def _part_of_found(ranked: Ranked, part: Part, arguments: list[object]) -> str:
    """Return the query of the rows of some days that are of the groups in `found`, each by the index of its owner."""
    columns = _OWNERS.get(ranked.kind)
    read = read_part(part, (), arguments)
    if columns is None:
        # hashed before the rows are read: a join would be nested, since nobody knows how many were found
        one, found = (", ".join(comparable(ranked.keys, table)) for table in ("rows", "found"))
        among = f"CASE WHEN ({one}) IN (SELECT {found} FROM found) THEN true END"  # noqa: S608 - constants
        return f"SELECT rows.* FROM ({read.query(ranked.keys, ADDED)}) AS rows WHERE {among}"  # noqa: S608 - constants
    own = [f"usage_daily.{column} = found.{column}" for column in columns]
    others = [f"usage_daily.{key} IS NOT DISTINCT FROM found.{key}" for key in ranked.keys if key not in columns]
    nobody = " OR ".join(f"{column} IS NULL" for column in columns)
    if_any = f"(SELECT EXISTS (SELECT FROM found WHERE {nobody})) AND ({nobody})"  # noqa: S608 - constants
    return f"""
    SELECT every.* FROM found,
           LATERAL ({_added_up(ranked.keys, read.query(ranked.keys, ADDED, (*own, *others)))}) AS every
    UNION ALL
    SELECT rows.* FROM ({read.query(ranked.keys, ADDED, (if_any,))}) AS rows
      JOIN found ON {same(ranked.keys, "rows", "found")}"""  # noqa: S608 - constants


def depth_statement(ranked: Ranked) -> tuple[str, list[object]]:
    """Return the statement that tells how many groups of a span cost as much as the last one of its part may.

    That is taken to be the part's share of what the span's last one costs; null where spans have few groups.
    """
    place = "kind = span_kind AND first_day = first"
    statement = f"""
SELECT max(dear.number) AS depth FROM unnest($1::text[], $2::date[]) AS o (span_kind, first),
       LATERAL (SELECT cost FROM usage_ranked WHERE {place} {_DEAREST} OFFSET {ranked.top - 1} LIMIT 1) AS last,
       LATERAL (
           SELECT count(*) AS number FROM (
               SELECT FROM usage_ranked WHERE {place} AND usage_ranked.cost >= last.cost * $3 LIMIT {MAX_DEPTH + 1}
           ) AS every
       ) AS dear"""  # noqa: S608 - constants
    share = Decimal(ranked.share).quantize(_CENTI)
    return statement, [[one.kind for one in ranked.orders], [one.days.first for one in ranked.orders], share]


def days_statement(ranked: RankedDays) -> tuple[str, list[object]]:
    """Return the statement of a report by day and more, and its arguments: each of its groups is a row of a day.

    The first few of every day tell what a group must cost at least.
    """
    days = [span.first for span in spans(ranked.days, "day")]
    arguments: list[object] = [days]
    names = ", ".join(ranked.keys)
    first = 2 + ceil(2 * ranked.top / len(days))
    place = f"kind = '{ranked.kind}' AND first_day = day AND requests > 0"
    groups = f"""
SELECT * FROM (
    SELECT day, best.* FROM unnest($1::date[]) AS day, LATERAL (
        SELECT {names}, {", ".join(ADDED)} FROM usage_ranked
         WHERE {place} AND (cost, requests) >= (
               coalesce((SELECT cost FROM enough), '-Infinity'), coalesce((SELECT requests FROM enough), 0))
         {_DEAREST} LIMIT {ranked.top}
    ) AS best
    UNION ALL
    ({_added_up(("day", *ranked.keys), _rows(("day", *ranked.keys), ranked.edge, arguments))})
) AS every {_DEAREST} LIMIT {ranked.top}"""  # noqa: S608 - constants
    statement = f"""
WITH enough AS MATERIALIZED (
    SELECT cost, requests FROM unnest($1::date[]) AS day, LATERAL (
        SELECT cost, requests FROM usage_ranked WHERE {place} {_DEAREST} LIMIT {first}
    ) AS best {_DEAREST} OFFSET {ranked.top - 1} LIMIT 1
)
{_named(ranked.by, ranked.keys, groups)} ORDER BY g.cost DESC, g.requests DESC
"""  # noqa: S608 - constants
    return statement, arguments


def _added_up(keys: Sequence[str], rows: str) -> str:
    """Return the query of the sums of rows by the keys."""
    names = ", ".join(keys)
    return f"SELECT {names}, {summed()} FROM ({rows}) AS rows GROUP BY {names}"  # noqa: S608 - constants


def _rows(keys: Sequence[str], parts: Sequence[Part], arguments: list[object]) -> str:
    """Return the query of the rows of days that are not folded."""
    nothing = "usage_daily CROSS JOIN (SELECT NULL::text AS cost_center) AS nothing WHERE false"
    rows = (read_part(part, (), arguments).query(keys, ADDED) for part in parts)
    return " UNION ALL ".join(rows) or f"SELECT {', '.join((*keys, *ADDED))} FROM {nothing}"  # noqa: S608 - constants


def _named(by: tuple[Dimension, ...], keys: tuple[str, ...], groups: str) -> str:
    """Return the query that names what groups stand for, with the cost centres of teams where they are wanted."""
    if "cost_center" in by and "cost_center" not in keys:
        groups = f"SELECT grouped.*, center AS cost_center FROM ({groups}) AS grouped{CENTERS}"  # noqa: S608 - constants
    return shown(by, groups)
