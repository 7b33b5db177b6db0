"""Where the days of a report are read with the fewest rows: which rollup, which kind, which spans; knows no sums."""

from collections.abc import Collection, Iterator
from datetime import date
from itertools import pairwise
from typing import Final

from msgspec import Struct

from aqueduct.db.names import RANKED
from aqueduct.usage.periods import LATEST, Days, Span, Spans, joined


class Source(Struct, frozen=True):
    """Where spans of days are read: rows of a kind in a table of totals, or `usage_daily`.

    `rows` is how many of a day's rows in the next source a whole span is worth. `is_folded`: days are added once they
    are over. `is_centered`: its rows have cost centres, not only teams.
    """

    table: str = "usage_daily"
    day: str = "day"
    kind: str = ""
    span: Span | None = None
    rows: float = 1
    is_folded: bool = False
    is_centered: bool = False


class Part(Struct, frozen=True):
    """Days that are read from one source, and added or taken away."""

    source: Source
    days: Days
    is_added: bool


def _total(kind: str, span: Span | None = None, rows: float = 1) -> Source:
    return Source("usage_totals", "first_day", kind, span, rows)


def _ranked(kind: str, span: Span, rows: float) -> Source:
    name = f"{kind}_{span}"
    return Source(
        "usage_ranked", "first_day", name, span, rows, is_folded=True, is_centered="cost_center" in RANKED[name]
    )


DAILY: Final = Source()


def _few(kind: str) -> tuple[Source, ...]:
    """Return the sources of what has so few groups that all are added up."""
    return _ranked(kind, "month", 1), _ranked(kind, "day", 0.1), DAILY


_BY_DAY: Final = _total("model_day")
_ORG_DAY: Final = _total("org_day")
_ADDED_UP: Final[dict[tuple[str, ...], tuple[Source, ...]]] = {
    ("org_id",): (_ranked("org_provider", "month", 1), _ORG_DAY),
    ("provider",): (_ranked("provider", "day", 1), _BY_DAY),
    ("day",): (_ranked("provider", "day", 1), _ORG_DAY),
    ("day", "org_id"): (_ORG_DAY,),
    ("model", "provider"): (_total("model_month", "month"), _BY_DAY),
    ("day", "model", "provider"): (_BY_DAY,),
    ("cost_center",): (_ranked("cost_center", "year", 30), *_few("cost_center")),
    ("day", "cost_center"): (_ranked("cost_center", "day", 0.1), DAILY),
    ("team_id", "cost_center"): (
        _ranked("team", "year", 30),
        _total("team_month", "month"),
        _ranked("team", "five_days", 1),
        DAILY,
    ),
    ("org_id", "cost_center"): _few("org_cost_center"),
    ("provider", "cost_center"): _few("provider_cost_center"),
    ("org_id", "team_id", "cost_center"): (_total("team_month", "month"), DAILY),
    ("org_id", "provider"): _few("org_provider"),
    ("org_id", "user_id"): (_total("user_month", "month", 5), DAILY),
    ("org_id", "model", "provider"): (_total("org_model_month", "month", 5), DAILY),
    ("service_account_id",): _few("service_account"),
    ("service_account_id", "model"): _few("service_account_model"),
    ("token_id",): (_ranked("token", "month", 5), DAILY),
    ("cost_center", "model"): (_ranked("cost_center_model", "month", 10), DAILY),
    ("team_id", "cost_center", "model"): (_ranked("team_model", "month", 10), DAILY),
    ("user_id", "model"): (_ranked("user_model", "month", 10), DAILY),
}
"""What each source can be added up by, the one with the fewest rows first; days outside its spans are in the next."""


def sources_of(columns: Collection[str], *, of_an_org: bool) -> tuple[Source, ...]:
    """Return the sources that have all columns of a report; `usage_daily` alone has everything."""
    wanted = {*columns, "org_id"} if of_an_org else {*columns}
    return next((sources for has, sources in _ADDED_UP.items() if wanted <= set(has)), (DAILY,))


def ranked_of(kind: str) -> tuple[Source, ...]:
    """Return the sources whose rows are the groups of a report: the ranked ones, and the daily rollup."""
    if f"{kind}_five_days" in RANKED:
        return _ranked(kind, "month", 15), _ranked(kind, "five_days", 1), DAILY
    return _ranked(kind, "month", 1), DAILY


def days_of(kind: str) -> tuple[Source, ...]:
    """Return the sources whose rows are the groups of a report by day."""
    return _ranked(kind, "day", 1), DAILY


def parts(sources: tuple[Source, ...], days: Days, today: date, folded: date | None) -> list[Part]:
    """Return where days are read, with the fewest rows."""
    usable = [source for source in sources if folded is not None or not source.is_folded]
    found = [Part(usable[0], days, is_added=True)]
    for source, finer in pairwise(usable):
        if source.span is None:
            continue
        until = folded if source.is_folded and folded is not None else LATEST
        spans = Spans(span=source.span, until=until, today=today, day_cost=1 / source.rows)
        found = [one for part in found for one in (_split(part, spans, finer) if part.source is source else (part,))]
    return found


def _split(part: Part, spans: Spans, finer: Source) -> Iterator[Part]:
    """Yield the whole spans of a part, and the days that are read from the finer source."""
    found = spans.cover(part.days)
    for days in joined(found.spans):
        yield Part(part.source, days, part.is_added)
    for days in found.more:
        yield Part(finer, days, part.is_added)
    for days in found.fewer:
        yield Part(finer, days, not part.is_added)
