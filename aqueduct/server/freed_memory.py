"""Returns to the system what a process's requests have freed, and knows when that is worth it; knows no request."""

import ctypes
import gc
import math
import sys
from collections.abc import Callable
from enum import Enum
from typing import Final, cast

WORTH_IT: Final = 200
"""So many requests must have ended before memory is given back: it takes some milliseconds."""
AGAIN_AFTER_S: Final = (5.0, 40.0)
"""Most is freed after the drop: once usage rows are written, and once idle upstream connections (30 s) are closed."""


class Due(Enum):
    """What is to be done now."""

    NOTHING = "nothing"
    GIVE_BACK = "give_back"
    COLLECT_AND_GIVE_BACK = "collect_and_give_back"
    """A full collection empties the interpreter's lists of spare objects, each of which holds a page of memory."""


class Turns:
    """When to give back, by the number of open requests: at a drop from a peak, and twice after the last drop."""

    def __init__(self) -> None:
        self._peak = 0
        self._dropped_at = -math.inf
        self._times_after = len(AGAIN_AFTER_S)

    def due(self, inflight: int, now: float) -> Due:
        """Return what is due; `now` is in seconds of a clock that does not jump."""
        self._peak = max(self._peak, inflight)
        if inflight <= self._peak // 4 and self._peak >= WORTH_IT:
            self._peak = inflight
            self._dropped_at = now
            self._times_after = 0
            return Due.GIVE_BACK
        if self._times_after == len(AGAIN_AFTER_S) or now < self._dropped_at + AGAIN_AFTER_S[self._times_after]:
            return Due.NOTHING
        self._times_after += 1
        return Due.COLLECT_AND_GIVE_BACK if self._times_after == len(AGAIN_AFTER_S) else Due.GIVE_BACK


class FreedMemory:
    """Has glibc give back what it holds free; under any other C library, does nothing."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._trim = _malloc_trim()

    def look(self, inflight: int, now: float) -> None:
        """Give back what is due: `inflight` requests are open at `now`, as `Turns.due` takes them."""
        due = self._turns.due(inflight, now)
        if due is Due.NOTHING or self._trim is None:
            return
        if due is Due.COLLECT_AND_GIVE_BACK:
            gc.collect()
        self._trim(0)


def _malloc_trim() -> Callable[[int], int] | None:
    """Return glibc's function, None where the C library is another."""
    if sys.platform != "linux":
        return None
    try:
        return cast("Callable[[int], int]", ctypes.CDLL(None).malloc_trim)
    except (OSError, AttributeError):
        return None
