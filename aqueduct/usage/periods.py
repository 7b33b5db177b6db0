"""Days as whole spans (five days, months, years), more days and fewer: the fewest rows to read; knows no table."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Final, Literal

from msgspec import Struct

ONE_DAY: Final = timedelta(days=1)
EARLIEST: Final = date(1970, 1, 1)
"""No usage is earlier: what comes before a day has a date, too."""
LATEST: Final = date(9998, 12, 31)
"""No usage is later: what follows a day has a date, too."""
Span = Literal["day", "five_days", "month", "year"]
"""The last five days of a month are all days after its 25th."""
_LONGEST: Final[dict[Span, int]] = {"day": 1, "five_days": 6, "month": 32, "year": 366}
"""From the first day of a span so many lead into the next one."""


class Days(Struct, frozen=True):
    """Days from the first to the last, both included."""

    first: date
    last: date

    @property
    def count(self) -> int:
        """How many."""
        return max((self.last - self.first).days + 1, 0)

    def has(self, day: date) -> bool:
        """Whether a day is one of them."""
        return self.first <= day <= self.last


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
        found: list[Days] = []
        more: list[Days] = []
        fewer: list[Days] = []
        asked = Days(max(asked.first, EARLIEST), min(asked.last, LATEST))
        for whole in spans(asked, self.span):
            wanted = Days(max(whole.first, asked.first), min(whole.last, asked.last))
            others = Days(whole.first, wanted.first - ONE_DAY), Days(wanted.last + ONE_DAY, min(whole.last, self.until))
            inside = self._past(Days(wanted.first, min(wanted.last, self.until)))
            outside = sum(map(self._past, others))
            if inside and 1 + outside * self.day_cost <= inside * self.day_cost:
                found.append(whole)
                fewer += [days for days in others if self._past(days)]
                more.append(Days(max(wanted.first, self.until + ONE_DAY), wanted.last))
            else:
                more.append(wanted)
        return Cover(tuple(found), tuple(joined(more)), tuple(fewer))

    def _past(self, days: Days) -> int:
        return Days(days.first, min(days.last, self.today)).count


def spans(asked: Days, span: Span) -> Iterator[Days]:
    """Yield every span that days are in, as a whole."""
    first = _start(asked.first, span)
    while first <= asked.last:
        after = _start(first + timedelta(days=_LONGEST[span]), span)
        yield Days(first, after - ONE_DAY)
        first = after


def _start(day: date, span: Span) -> date:
    """Return the first day of the span that a day is in."""
    match span:
        case "day":
            return day
        case "five_days":
            return day.replace(day=min((day.day - 1) // 5 * 5, 25) + 1)
        case "month":
            return day.replace(day=1)
        case "year":
            return day.replace(day=1, month=1)


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
