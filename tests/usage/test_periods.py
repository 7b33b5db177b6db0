"""Days as months, more days and fewer days: the same days, whatever is asked for."""

from collections import Counter
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aqueduct.usage.periods import EARLIEST, LATEST, Days, Span, Spans

DAYS = st.dates(date(2023, 1, 1), date(2026, 12, 31))


def each(days: Days) -> Counter[date]:
    return Counter(days.first + timedelta(number) for number in range(days.count))


def whole(first: date, span: Span) -> Days:
    after = date(first.year + 1, 1, 1) if span == "year" else (first + timedelta(days=32)).replace(day=1)
    if span == "five_days" and first.day < 26:
        after = first + timedelta(days=5)
    return Days(first, after - timedelta(days=1))


@given(one=DAYS, other=DAYS, until=DAYS | st.just(LATEST), today=DAYS, day_cost=st.sampled_from((0.03, 0.2, 1.0)))
def test_cover_has_each_day_that_is_meant_once_and_no_other(
    one: date, other: date, until: date, today: date, day_cost: float
) -> None:
    asked = Days(min(one, other), max(one, other))
    for span in ("five_days", "month", "year"):
        found = Spans(span=span, until=until, today=today, day_cost=day_cost).cover(asked)
        held: Counter[date] = Counter()
        for kept in found.spans:
            assert kept == whole(kept.first, span)
            held += each(Days(kept.first, min(kept.last, until)))
        for days in found.more:
            held += each(days)
        for days in found.fewer:
            taken = each(days)
            assert taken <= held
            held -= taken
        if asked.last < today:
            assert held == each(asked)
        else:  # days after today, in a month that is kept as a whole
            assert Counter(day for day in held.elements() if day <= today) == Counter(
                day for day in each(asked).elements() if day <= today
            )


def test_cover_of_part_of_a_month_takes_the_fewer_days() -> None:
    spans = Spans(today=date(2026, 12, 1))
    march = date(2026, 3, 1)
    assert spans.cover(Days(date(2026, 3, 3), date(2026, 3, 9))).more == (Days(date(2026, 3, 3), date(2026, 3, 9)),)
    most = spans.cover(Days(date(2026, 3, 3), date(2026, 3, 28)))
    assert (most.spans, most.more) == ((whole(march, "month"),), ())
    assert most.fewer == (Days(march, date(2026, 3, 2)), Days(date(2026, 3, 29), date(2026, 3, 31)))


def test_cover_goes_to_the_end_of_all_days() -> None:
    assert Spans(today=date(2026, 1, 1)).cover(Days(date(9999, 1, 1), date.max)).more == ()


def test_cover_of_all_days_that_dates_can_name_is_those_that_can_have_usage() -> None:
    for span in ("five_days", "month", "year"):
        found = Spans(span=span, today=date(2026, 1, 1), day_cost=0.2).cover(Days(date.min, date.max))
        covered = sum(days.count for days in (*found.spans, *found.more)) - sum(days.count for days in found.fewer)
        assert covered == Days(EARLIEST, LATEST).count
