"""Days as whole spans (months, years), more days and fewer days: the fewest rows to read; knows no table."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Final, Literal

from msgspec import Struct

ONE_DAY: Final = timedelta(days=1)
LATEST: Final = date(9998, 12, 31)
"""No usage is later: what follows a day has a date, too."""
Span = Literal["day", "month", "year"]
_LONGEST: Final[dict[Span, int]] = {"day": 1, "month": 32, "year": 366}
"""From the first day of a span so many lead into the next one."""


class Days(Struct, frozen=True):
    """Days from the first to the last, both included."""

    first: date
    last: date

    @property
    def count(self) -> int:
        """How many."""
        return max((self.last - self.first).days + 1, 0)


class Cover(Struct, frozen=True):
    """The same days as whole spans, more days, and days of the spans that are not meant."""

    spans: tuple[Days, ...]
    more: tuple[Days, ...]
    fewer: tuple[Days, ...]


class Spans(Struct, frozen=True, kw_only=True):
    """Whole spans that are kept as sums, up to the day `until`. A day outside is worth `day_cost` of them.

    Days after `today` have no rows, but for those of clocks that are fast.
    """

    span: Span = "month"
    until: date = LATEST
    today: date
    day_cost: float = 1.0

    def cover(self, asked: Days) -> Cover:
        """Return what the days consist of.

        A span that is asked for in part is read day by day, or as a whole less its other days, whichever are fewer.
        """
        spans: list[Days] = []
        more: list[Days] = []
        fewer: list[Days] = []
        for whole in _spans(Days(asked.first, min(asked.last, LATEST)), self.span):
            wanted = Days(max(whole.first, asked.first), min(whole.last, asked.last))
            others = Days(whole.first, wanted.first - ONE_DAY), Days(wanted.last + ONE_DAY, min(whole.last, self.until))
            inside = self._past(Days(wanted.first, min(wanted.last, self.until)))
            outside = sum(map(self._past, others))
            if inside and 1 + outside * self.day_cost <= inside * self.day_cost:
                spans.append(whole)
                fewer += [days for days in others if self._past(days)]
                more.append(Days(max(wanted.first, self.until + ONE_DAY), wanted.last))
            else:
                more.append(wanted)
        return Cover(tuple(spans), tuple(joined(more)), tuple(fewer))

    def _past(self, days: Days) -> int:
        return Days(days.first, min(days.last, self.today)).count


def starts(days: Days, span: Span) -> Iterator[date]:
    """Yield the first day of every span that days are in."""
    yield from (whole.first for whole in _spans(days, span))


def _spans(asked: Days, span: Span) -> Iterator[Days]:
    first = asked.first
    if span != "day":
        first = first.replace(day=1) if span == "month" else first.replace(day=1, month=1)
    while first <= asked.last:
        after = first + timedelta(days=_LONGEST[span])
        if span != "day":
            after = after.replace(day=1) if span == "month" else after.replace(day=1, month=1)
        yield Days(first, after - ONE_DAY)
        first = after


def joined(many: Iterable[Days]) -> Iterator[Days]:
    """Yield days that follow each other as one."""
    open_days: Days | None = None
    for days in many:
        if not days.count:
            continue
        if open_days is not None and open_days.last + ONE_DAY == days.first:
            open_days = Days(open_days.first, days.last)
            continue
        if open_days is not None:
            yield open_days
        open_days = days
    if open_days is not None:
        yield open_days
