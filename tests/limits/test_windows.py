from datetime import UTC, datetime

import pytest

from aqueduct.limits.windows import SLICES, slots_of


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize("window", ["second", "minute", "hour", "day", "week", "month"])
def test_sliding_window_from_any_beginning_is_within_the_slots_that_are_summed(window):
    slots = slots_of(window, calendar=False)
    for begin in range(0, slots.slot_ms, max(1, slots.slot_ms // 7)):
        first, last = slots.slot(begin), slots.slot(begin + slots.slot_ms * SLICES - 1)
        assert last - first <= SLICES
        assert slots.ends_ms(begin) >= begin + slots.slot_ms * SLICES


def test_calendar_periods_begin_at_local_midnight_also_when_clocks_change():
    day = slots_of("day", calendar=True, zone_name="Europe/Berlin")
    noon = _ms("2026-10-25T12:00+01:00")  # the day has 25 hours
    assert day.slot(noon) == _ms("2026-10-25T00:00+02:00")
    assert day.ends_ms(noon) == _ms("2026-10-26T00:00+01:00")


def test_day_whose_midnight_comes_twice_is_one_day_from_the_first_of_them():
    """In Havana clocks go back from 1:00 to 0:00: a budget must not begin anew within the second hour."""
    first, again = _ms("2026-11-01T00:00-04:00"), _ms("2026-11-01T00:30-05:00")
    for window in ("day", "month"):
        assert slots_of(window, calendar=True, zone_name="America/Havana").slot(again) == first
    noon = _ms("2026-11-01T12:00-05:00")
    assert slots_of("day", calendar=True, zone_name="America/Havana").slot(noon) == first


def test_day_without_a_midnight_begins_when_clocks_go_forward():
    """In Cairo clocks go forward at midnight, from 0:00 to 1:00."""
    slots = slots_of("day", calendar=True, zone_name="Africa/Cairo")
    begin = _ms("2026-04-24T01:00+03:00")
    assert slots.slot(begin) == begin
    assert slots.ends_ms(begin - 1) == begin
    assert slots.ends_ms(begin) == _ms("2026-04-25T00:00+03:00")


class Forgetful(dict):
    def __setitem__(self, key, value):
        """Remember nothing."""


def test_periods_of_four_years_follow_each_other_without_a_gap_wherever_one_lives(monkeypatch):
    """Every moment belongs to one period, whose beginning and end do not depend on who asks when."""
    monkeypatch.setattr("aqueduct.limits.windows._SPANS", Forgetful())
    for zone in (
        "Europe/Berlin",
        "America/Havana",
        "Africa/Cairo",
        "Pacific/Apia",
        "Asia/Kathmandu",
        "Atlantic/Azores",
    ):
        for window in ("day", "week", "month"):
            slots = slots_of(window, calendar=True, zone_name=zone)
            begin = slots.slot(_ms("2024-12-31T12:00+00:00"))
            while begin < _ms("2028-12-31T12:00+00:00"):
                end = slots.ends_ms(begin)
                moments = (begin, begin + 1_800_000, begin + 5_400_000, end - 5_400_000, end - 1_800_000, end - 1)
                assert {(slots.slot(moment), slots.ends_ms(moment)) for moment in moments} == {(begin, end)}, (
                    zone,
                    end,
                )
                assert slots.slot(end) == end
                assert {begin, end} <= set(slots.starts(end - 1)), "the database is told both"
                begin = end


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


def test_starts_hold_the_period_before_within_its_first_hour():
    """A worker's time is never behind the database's, which may still be in the period before."""
    slots = slots_of("day", calendar=True)
    begin = _ms("2026-11-26T00:00+00:00")
    assert slots.starts(begin + 60_000)[0] == begin - 86_400_000
    assert slots.starts(begin + 3_600_000)[0] == begin
