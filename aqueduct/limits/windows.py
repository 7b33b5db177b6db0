"""Windows as slots of time, so that a sum over slots bounds every window; knows no counter.

A sliding window of length W is cut into `SLICES` slots. What is consumed in a slot counts until `SLICES` more slots
have passed, so a sum runs over `SLICES + 1` slots. Any interval of length W, wherever it begins, touches at most that
many slots: keeping the sum under the limit keeps every such interval under it, and there is no burst at an edge. The
price is that a steady caller gets the limit per W + W/50, 98 % of it. (Two-bucket weighting assumes that the older
bucket was filled evenly, and GCRA with a full burst admits twice the limit in one window: both can exceed.)

A calendar window has one slot, named by its beginning, and the window `total` has the slot 0.
"""

from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

from aqueduct.settings import zone_info

Window = Literal["second", "minute", "hour", "day", "week", "month", "total"]
CalendarWindow = Literal["day", "week", "month"]
SLICES: Final = 50
WINDOW_MS: Final[dict[str, int]] = {
    "second": 1_000,
    "minute": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 7 * 86_400_000,
    "month": 30 * 86_400_000,
}
"""Lengths of sliding windows; a sliding month has 30 days."""
CALENDAR_WINDOWS: Final = frozenset({"day", "week", "month"})
STARTS_AHEAD: Final = 2


class Slots(Struct, frozen=True):
    """How a window counts. `slot_ms` 0: not sliding; then `calendar` names the period, None the window `total`."""

    slot_ms: int = 0
    calendar: CalendarWindow | None = None
    zone_name: str = "UTC"

    def slot(self, now_ms: int) -> int:
        """Return the slot of a moment, in milliseconds since 1970."""
        if self.slot_ms:
            return now_ms // self.slot_ms
        return 0 if self.calendar is None else _period(self.calendar, self.zone_name, now_ms // 1000)[0]

    def ends_ms(self, now_ms: int) -> int | None:
        """Return when what is consumed now counts no longer; None: never."""
        if self.slot_ms:
            return (now_ms // self.slot_ms + SLICES + 1) * self.slot_ms
        return None if self.calendar is None else _period(self.calendar, self.zone_name, now_ms // 1000)[1]

    def starts(self, now_ms: int) -> tuple[int, ...]:
        """Return the calendar periods around a moment, for a database whose clock differs a little."""
        if self.calendar is None:
            return ()
        before = _period(self.calendar, self.zone_name, now_ms // 1000 - 3600)
        found = [before[0]]
        for _ in range(STARTS_AHEAD):
            found.append(_period(self.calendar, self.zone_name, before[1] // 1000)[0])
            before = _period(self.calendar, self.zone_name, before[1] // 1000)
        return tuple(found)


def slots_of(window: Window | None, *, calendar: bool, zone_name: str = "UTC") -> Slots:
    """Return how a window counts."""
    if window is None or window == "total":
        return Slots()
    if calendar and (window == "day" or window == "week" or window == "month"):  # noqa: PLR1714 - narrows the type
        return Slots(calendar=window, zone_name=zone_name)
    return Slots(slot_ms=WINDOW_MS[window] // SLICES)


_SPANS: dict[tuple[CalendarWindow, str], tuple[int, int]] = {}
"""The period last found of each kind: a request asks for the one that it is in."""


def _period(window: CalendarWindow, zone_name: str, now_s: int) -> tuple[int, int]:
    """Return the beginning and the end of a period in milliseconds since 1970; weeks begin on Monday."""
    key = (window, zone_name)
    known = _SPANS.get(key)
    if known is not None and known[0] <= now_s * 1000 < known[1]:
        return known
    found = _SPANS[key] = _computed(window, zone_name, now_s)
    return found


@lru_cache(maxsize=256)
def _computed(window: CalendarWindow, zone_name: str, now_s: int) -> tuple[int, int]:
    place = zone_info(zone_name)
    # where clocks go back over midnight there are two of them on that day: its first begins it, at any hour
    day = datetime.fromtimestamp(now_s, place).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    if window == "day":
        first, last = day, day + timedelta(days=1)
    elif window == "week":
        first = day - timedelta(days=day.weekday())
        last = first + timedelta(days=7)
    else:
        first = day.replace(day=1)
        last = (first + timedelta(days=32)).replace(day=1)
    return _ms(first, place), _ms(last, place)


def _ms(local: datetime, place: tzinfo) -> int:
    return int(local.replace(tzinfo=place).timestamp() * 1000)
