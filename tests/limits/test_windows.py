from datetime import UTC, datetime

import pytest

from aqueduct.limits.windows import SLICES, slots_of


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize("window", ["second", "minute", "hour", "day", "week", "month"])
def test_sliding_window_from_any_beginning_is_within_the_slots_that_are_summed(window):
    slots = slots_of(window, calendar=False)
    for begin in range(0, slots.slot_ms, max(1, slots.slot_ms // 7)):
        first, last = slots.slot(begin), slots.slot(begin + slots.window_ms - 1)
        assert last - first <= SLICES
        assert slots.ends_ms(begin) >= begin + slots.window_ms


def test_calendar_periods_begin_at_local_midnight_also_when_clocks_change():
    day = slots_of("day", calendar=True, zone_name="Europe/Berlin")
    noon = _ms("2026-10-25T12:00+01:00")  # the day has 25 hours
    assert day.slot(noon) == _ms("2026-10-25T00:00+02:00")
    assert day.ends_ms(noon) == _ms("2026-10-26T00:00+01:00")


def test_week_begins_on_monday_and_month_on_its_first():
    now = _ms("2026-11-26T22:00+00:00")
    assert slots_of("week", calendar=True).slot(now) == _ms("2026-11-23T00:00+00:00")
    assert slots_of("month", calendar=True).ends_ms(now) == _ms("2026-12-01T00:00+00:00")


def test_starts_hold_the_present_period_and_the_next_two():
    slots = slots_of("month", calendar=True)
    now = int(datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp() * 1000)
    assert slots.starts(now) == tuple(map(_ms, ("2026-12-01T00:00+00", "2027-01-01T00:00+00", "2027-02-01T00:00+00")))


def test_total_never_ends():
    slots = slots_of("total", calendar=False)
    assert (slots.slot(5), slots.ends_ms(5), slots.starts(5)) == (0, None, ())
